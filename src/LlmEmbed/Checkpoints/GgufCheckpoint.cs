using System.Globalization;
using System.Text.Json.Nodes;
using LlmEmbed.Files;

namespace LlmEmbed.Checkpoints;

/// <summary>
/// Opens a GGUF file under Hugging Face's names: its metadata as a config.json, its tensors as weights. llama.cpp knows some facts by the name of the
/// architecture and reads others from keys; both are translated. Keys that are not understood keep their own names, so that the architecture refuses
/// them. Tensors that are not understood are refused here.
/// </summary>
internal sealed class GgufCheckpoint
{
    public const string Extension = ".gguf";

    private const string Embedding = "token_embd.weight";
    private const string Output = "output.weight";

    private static readonly Dictionary<string, string> Outer = new(StringComparer.Ordinal)
    {
        [Embedding] = "model.embed_tokens.weight",
        ["output_norm.weight"] = "model.norm.weight",
        [Output] = "lm_head.weight",
    };

    /// <summary>
    /// LLaMA 3 has one more tensor: its rotary scaling. GGUF stores it as one divisor for each frequency, where Hugging Face's configuration has four
    /// numbers.
    /// </summary>
    private static readonly Dictionary<string, string> OuterOfLlama =
        new(Outer, StringComparer.Ordinal) { ["rope_freqs.weight"] = "model.rope_freqs.weight" };

    private static readonly Dictionary<string, string> Inner = new(StringComparer.Ordinal)
    {
        ["attn_norm"] = "input_layernorm",
        ["attn_q"] = "self_attn.q_proj",
        ["attn_k"] = "self_attn.k_proj",
        ["attn_v"] = "self_attn.v_proj",
        ["attn_output"] = "self_attn.o_proj",
        ["attn_q_norm"] = "self_attn.q_norm",
        ["attn_k_norm"] = "self_attn.k_norm",
        ["ffn_norm"] = "post_attention_layernorm",
        ["ffn_gate"] = "mlp.gate_proj",
        ["ffn_up"] = "mlp.up_proj",
        ["ffn_down"] = "mlp.down_proj",
    };

    private static readonly string[] Norms = ["attn_q_norm", "attn_k_norm"];

    /// <summary>By architecture, the tensors of a block that only some models have.</summary>
    private static readonly Dictionary<string, string[]> Optional = new(StringComparer.Ordinal)
    {
        ["llama"] = ["attn_q.bias", "attn_k.bias", "attn_v.bias", "attn_output.bias", "ffn_gate.bias", "ffn_up.bias", "ffn_down.bias"],
        ["qwen2"] = ["attn_q.bias", "attn_k.bias", "attn_v.bias"],
        ["qwen3"] = ["attn_q_norm.weight", "attn_k_norm.weight"],
    };

    /// <summary>Keys that llama.cpp writes and that do not change the hidden states of these architectures.</summary>
    private static readonly string[] Harmless =
    [
        "vocab_size", "pooling_type", "tensor_data_layout", "rope.scaling.original_context_length", "rope.scaling.finetuned",
    ];

    private readonly GgufFile _file;
    private readonly string _architecture;
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);
    private readonly int _blockCount;
    private readonly int _heads;
    private readonly int _keyValueHeads;
    private readonly int _headSize;

    private GgufCheckpoint(GgufFile file)
    {
        _file = file;
        _architecture = Architecture();
        foreach (string key in Harmless) _read.Add(Full(key));
        int hiddenSize = Size("embedding_length");
        _blockCount = Size("block_count");
        _heads = Size("attention.head_count");
        _keyValueHeads = SizeOrNull("attention.head_count_kv") ?? _heads;
        _headSize = HeadSize(hiddenSize);
        JsonObject config = new()
        {
            ["model_type"] = _architecture,
            ["hidden_size"] = hiddenSize,
            ["num_hidden_layers"] = _blockCount,
            ["num_attention_heads"] = _heads,
            ["num_key_value_heads"] = _keyValueHeads,
            ["head_dim"] = _headSize,
            ["intermediate_size"] = Size("feed_forward_length"),
            ["hidden_act"] = "silu",
            ["rms_norm_eps"] = Number("attention.layer_norm_rms_epsilon") ?? throw Missing("attention.layer_norm_rms_epsilon"),
            ["rope_theta"] = Number("rope.freq_base") ?? 10_000, // llama.cpp's value if the key is absent
            ["max_position_embeddings"] = Size("context_length"),
            ["vocab_size"] = VocabularySize(),
            ["tie_word_embeddings"] = !file.Tensors.ContainsKey(Output),
        };
        AddRopeScaling(config);
        if (_architecture == "llama") AddLlamaVariants(config);
        AddUnread(config);
        Config = new ModelConfig(file.Path, config);
    }

    private ModelConfig Config { get; }

    public static CheckpointContent Read(string path)
    {
        GgufFile file = GgufFile.Open(path);
        return Disposal.OnFailure([file], () =>
        {
            GgufCheckpoint translation = new(file);
            IEnumerable<IGrouping<string, GgufTensor>> types = file.Tensors.Values.GroupBy(tensor => tensor.Format.Name);
            return new CheckpointContent([file])
            {
                Config = translation.Config,
                Files = [path],
                Weights = file.Tensors.Values.Select(translation.ToWeight).ToDictionary(weight => weight.Name, StringComparer.Ordinal),
                Format = $"GGUF v{file.Version}, {types.MaxBy(type => type.Sum(tensor => tensor.ByteLength))!.Key}",
            };
        });
    }

    /// <summary>A tensor as a weight with Hugging Face's name, shape and order of rows.</summary>
    private Weight ToWeight(GgufTensor tensor)
    {
        string name = Translate(tensor.Name);
        long[] shape = [.. tensor.Dimensions.Reverse()];
        return new Weight(_file.File, tensor.Offset, name, tensor.Format, shape, InterleavedHead(tensor.Name, shape));
    }

    private string Architecture()
    {
        string known = string.Join(", ", Optional.Keys.Order(StringComparer.Ordinal));
        if (_file.Metadata.GetValueOrDefault("general.type") is string type && type != "model")
            throw Wrong($"the file is of the type '{type}', expected a whole model.");
        if (WholeNumber("split.count") is > 1 and var parts)
        {
            throw Wrong(
                $"the file is one of {parts} parts of a split model, expected a whole model. Merge them with llama.cpp's llama-gguf-split --merge.");
        }
        if (_file.Metadata.GetValueOrDefault("general.architecture") is not string name)
            throw Wrong($"the metadata key 'general.architecture' is missing, expected one of {known}.");
        return Optional.ContainsKey(name) ? name : throw Wrong($"the architecture '{name}' is not implemented for GGUF, expected one of {known}.");
    }

    private int HeadSize(int hiddenSize)
    {
        int? keyLength = SizeOrNull("attention.key_length");
        if (keyLength is null && hiddenSize % _heads != 0)
            throw Wrong($"'{Full("embedding_length")}' is {hiddenSize}, no multiple of the {_heads} heads.");
        int headSize = keyLength ?? hiddenSize / _heads;
        if (headSize % 2 != 0) throw Wrong($"the heads have {headSize} values, expected an even number for the rotation.");
        foreach (string key in (string[])["attention.value_length", "rope.dimension_count"])
            if (SizeOrNull(key) is { } size && size != headSize)
                throw Wrong($"'{Full(key)}' is {size}, expected the head size {headSize}: other sizes are not implemented.");
        return headSize;
    }

    private long VocabularySize() =>
        _file.Tensors.GetValueOrDefault(Embedding)?.Dimensions[^1] ?? throw Wrong($"the tensor '{Embedding}' is missing.");

    /// <summary>Translates rotary scaling of the types none and linear. The key of any other type stays unread and is so refused.</summary>
    private void AddRopeScaling(JsonObject config)
    {
        const string TypeKey = "rope.scaling.type";
        string type = _file.Metadata.GetValueOrDefault(Full(TypeKey)) as string ?? "linear"; // llama.cpp's value if the key is absent
        if (type is not ("none" or "linear")) return;
        _read.Add(Full(TypeKey));
        double factor = Number("rope.scaling.factor") ?? Number("rope.scale_linear") ?? 1;
        if (type == "linear" && factor is not (0 or 1))
            config["rope_scaling"] = new JsonObject { ["rope_type"] = type, ["factor"] = factor };
    }

    /// <summary>What Mistral and relatives of LLaMA with biases have; in GGUF they are all of the architecture llama.</summary>
    private void AddLlamaVariants(JsonObject config)
    {
        if (SizeOrNull("attention.sliding_window") is { } window) config["sliding_window"] = window;
        config["attention_bias"] = _file.Tensors.ContainsKey("blk.0.attn_q.bias");
        config["mlp_bias"] = _file.Tensors.ContainsKey("blk.0.ffn_gate.bias");
    }

    /// <summary>
    /// Copies the keys of the architecture that nobody read, so that they are refused. Switches that are off and counts of zero (such as the
    /// experts of a model without experts) change nothing and are left out.
    /// </summary>
    private void AddUnread(JsonObject config)
    {
        foreach ((string key, object value) in _file.Metadata)
        {
            if (!key.StartsWith(Full(""), StringComparison.Ordinal) || _read.Contains(key)) continue;
            if (value is Array or string) config[key] = value as string ?? $"array of {((Array)value).Length}";
            else if (key == Full("attention.causal") ? value is not true : Convert.ToDouble(value, CultureInfo.InvariantCulture) != 0)
                config[key] = Convert.ToString(value, CultureInfo.InvariantCulture);
        }
    }

    private string Translate(string name)
    {
        Dictionary<string, string> outer = _architecture == "llama" ? OuterOfLlama : Outer;
        if (outer.TryGetValue(name, out string? translated)) return translated;
        if (name.Split('.') is ["blk", var number, var part, var kind]
            && int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out int block) && block < _blockCount
            && Inner.TryGetValue(part, out string? inner)
            && ((kind == "weight" && !Norms.Contains(part)) || Optional[_architecture].Contains($"{part}.{kind}")))
            return $"model.layers.{block}.{inner}.{kind}";
        throw Wrong(
            $"the tensor '{name}' is not known for the architecture '{_architecture}' with {_blockCount} blocks and may change the hidden states. " +
            "This variant is not implemented.");
    }

    /// <summary>
    /// The size of a head, if the outputs of this tensor are stored in interleaved rotary order, as queries and keys of the architecture llama are;
    /// else 0.
    /// </summary>
    private int InterleavedHead(string name, long[] shape)
    {
        if (_architecture != "llama" || !name.StartsWith("blk.", StringComparison.Ordinal)) return 0;
        int heads = name.Split('.')[2] switch
        {
            "attn_q" => _heads,
            "attn_k" => _keyValueHeads,
            _ => 0,
        };
        if (heads == 0) return 0;
        if (shape[0] != (long)heads * _headSize) throw Wrong($"the tensor '{name}' has {shape[0]} outputs, expected {heads} heads of {_headSize}.");
        return _headSize;
    }

    private string Full(string key) => $"{_architecture}.{key}";

    private int Size(string key) => SizeOrNull(key) ?? throw Missing(key);

    private int? SizeOrNull(string key)
    {
        _read.Add(Full(key));
        return WholeNumber(Full(key));
    }

    private int? WholeNumber(string fullKey) => _file.Metadata.GetValueOrDefault(fullKey) switch
    {
        null => null,
        object value and (byte or sbyte or ushort or short or uint or int or long or ulong)
            when Convert.ToDecimal(value, CultureInfo.InvariantCulture) is >= 1 and <= int.MaxValue and var size => (int)size,
        var other => throw Wrong($"'{fullKey}' is {other}, expected a whole number from 1 to {int.MaxValue}."),
    };

    /// <summary>A number by its shortest decimal, so that the fp32 nearest to 1e-5 becomes 1e-5 again, as it stands in a config.json.</summary>
    private double? Number(string key)
    {
        _read.Add(Full(key));
        return _file.Metadata.GetValueOrDefault(Full(key)) switch
        {
            null => null,
            float value when float.IsFinite(value) => double.Parse(value.ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture),
            double value when double.IsFinite(value) => value,
            var other => throw Wrong($"'{Full(key)}' is {other}, expected a finite number."),
        };
    }

    private LlmEmbedException Missing(string key) => Wrong($"the metadata key '{Full(key)}' is missing.");

    private LlmEmbedException Wrong(string problem) => FileProblem.In(_file.Path, problem);
}
