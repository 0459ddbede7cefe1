using LlmEmbed.Checkpoints;
using LlmEmbed.Graphs;

namespace LlmEmbed.Backbones;

/// <summary>
/// The LLaMA family: pre-norm decoder with rotary positions, grouped-query attention and a gated MLP. Covers LLaMA 1 to 3, SmolLM, Mistral (sliding window),
/// Qwen2 (biases on q, k, v) and Qwen3 (norms on q and k). Hugging Face: modeling_llama.py, modeling_mistral.py, modeling_qwen2.py, modeling_qwen3.py.
/// </summary>
internal sealed class Llama : Backbone
{
    private readonly LlamaConfig _config;
    private readonly Weight _tokenEmbeddings;

    public Llama(Checkpoint checkpoint)
        : base(checkpoint)
    {
        _config = LlamaConfig.Read(checkpoint.Config);
        _tokenEmbeddings = checkpoint.Require("model.embed_tokens.weight", _config.VocabularySize, _config.HiddenSize);
        // The table of rotary positions is allocated by the head size, so that has to be the checkpoint's before.
        checkpoint.Require("model.layers.0.self_attn.q_proj.weight", (long)_config.Heads * _config.HeadSize, _config.HiddenSize);
    }

    public override int BlockCount => _config.BlockCount;

    public override int HiddenSize => _config.HiddenSize;

    public override int VocabularySize => _config.VocabularySize;

    public override int MaxTokens => _config.MaxPositions;

    public override bool IsDecoder => true;

    public override int PadId => _config.PadId;

    public override void Embed(ReadOnlySpan<int> ids, Span<float> destination)
    {
        for (int t = 0; t < ids.Length; t++) _tokenEmbeddings.CopyRow(ids[t], destination.Slice(t * HiddenSize, HiddenSize));
    }

    public override void Forward(Layers layers, AttentionInputs inputs, int depth, Action<int, string> keep)
    {
        LlamaConfig c = _config;
        string hidden = inputs.Embeddings; // [B,T,H]
        keep(0, hidden);
        if (depth == 0) return;

        Rotary rotary = Rotary.Build(layers.Graph, c, Checkpoint, inputs.Positions);
        string normalized = layers.RmsNorm(hidden, "model.layers.0.input_layernorm", c.HiddenSize, c.Epsilon);
        for (int block = 0; block < depth; block++)
        {
            string prefix = $"model.layers.{block}";
            string attention = Attention(layers, normalized, prefix, block, inputs, rotary);
            (normalized, hidden) = layers.AddAndRmsNorm(attention, hidden, $"{prefix}.post_attention_layernorm", c.HiddenSize, c.Epsilon);
            string mlp = Mlp(layers, normalized, prefix);

            if (block + 1 == BlockCount)
            {
                // The last hidden state is the one after the final norm.
                (normalized, _) = layers.AddAndRmsNorm(mlp, hidden, "model.norm", c.HiddenSize, c.Epsilon);
                keep(BlockCount, normalized);
            }
            else if (block + 1 == depth)
            {
                keep(depth, layers.Graph.Node("Add", [mlp, hidden]));
            }
            else
            {
                (normalized, hidden) = layers.AddAndRmsNorm(mlp, hidden, $"model.layers.{block + 1}.input_layernorm", c.HiddenSize, c.Epsilon);
                keep(block + 1, hidden);
            }
        }
    }

    public override long ParameterCount(int depth)
    {
        LlamaConfig c = _config;
        long attention = 2L * c.HiddenSize * c.HeadSize * (c.Heads + c.KeyValueHeads);
        long mlp = 3L * c.HiddenSize * c.IntermediateSize;
        return depth * (attention + mlp + 2L * c.HiddenSize) + (depth == BlockCount ? c.HiddenSize : 0);
    }

    private string Attention(Layers layers, string input, string prefix, int block, AttentionInputs inputs, Rotary rotary)
    {
        LlamaConfig c = _config;
        HeadShape heads = new(c.Heads, c.HeadSize);
        HeadShape keyValueHeads = new(c.KeyValueHeads, c.HeadSize);
        string query = layers.LinearToHeads(input, $"{prefix}.self_attn.q_proj", heads, c.HiddenSize, c.QueryBias); // [B,T,heads·d]
        string key = layers.LinearToHeads(input, $"{prefix}.self_attn.k_proj", keyValueHeads, c.HiddenSize, c.QueryBias); // [B,T,kv·d]
        string value = layers.LinearToHeads(input, $"{prefix}.self_attn.v_proj", keyValueHeads, c.HiddenSize, c.QueryBias);
        if (c.QueryNorm)
        {
            query = HeadNorm(layers, query, $"{prefix}.self_attn.q_norm", c.Heads);
            key = HeadNorm(layers, key, $"{prefix}.self_attn.k_norm", c.KeyValueHeads);
        }
        List<OnnxAttribute> attributes = [("num_heads", c.Heads), ("kv_num_heads", c.KeyValueHeads), ("do_rotary", 1), ("scale", 1 / MathF.Sqrt(c.HeadSize))];
        if (c.HasWindow(block)) attributes.Add(("local_window_size", c.Window!.Value));
        string attention = layers.Graph.NextName("attention"); // [B,T,heads·d]
        layers.Graph.Node(
            "GroupQueryAttention",
            [query, key, value, "", "", inputs.LastIndex, inputs.BatchLength, rotary.Cos, rotary.Sin, "", inputs.AttentionBias],
            [attention, layers.Graph.NextName("keys"), layers.Graph.NextName("values")],
            [.. attributes]);
        return layers.LinearFromHeads(attention, $"{prefix}.self_attn.o_proj", c.HiddenSize, heads, c.OutputBias);
    }

    /// <summary>Qwen3 normalises each head's query and key by themselves: [B,T,heads·d] → [B,T,heads,d] → norm → back.</summary>
    private string HeadNorm(Layers layers, string input, string name, int heads)
    {
        OnnxGraph graph = layers.Graph;
        string split = graph.Node("Reshape", [input, graph.Constant<long>([0, 0, heads, _config.HeadSize], 4)]);
        string normalized = layers.RmsNorm(split, name, _config.HeadSize, _config.Epsilon);
        return graph.Node("Reshape", [normalized, graph.Constant<long>([0, 0, heads * _config.HeadSize], 3)]);
    }

    private string Mlp(Layers layers, string input, string prefix)
    {
        LlamaConfig c = _config;
        string gate = layers.Linear(input, $"{prefix}.mlp.gate_proj", c.IntermediateSize, c.HiddenSize, c.MlpBias); // [B,T,I]
        string up = layers.Linear(input, $"{prefix}.mlp.up_proj", c.IntermediateSize, c.HiddenSize, c.MlpBias);
        // QuickGelu with alpha 1 is SiLU, in one pass over the values.
        string activated = layers.Graph.Node("Mul", [layers.Graph.Node("QuickGelu", [gate], ("alpha", 1f)), up]);
        return layers.Linear(activated, $"{prefix}.mlp.down_proj", c.HiddenSize, c.IntermediateSize, c.MlpBias);
    }
}

/// <summary>What the LLaMA family reads from its configuration.</summary>
internal sealed record LlamaConfig
{
    private const string SlidingAttention = "sliding_attention";

    /// <summary>Hugging Face's default of <c>sliding_window</c> for Mistral and Qwen; a configuration without a window says null.</summary>
    private const int DefaultWindow = 4096;

    /// <summary>Hugging Face's default of <c>max_window_layers</c>.</summary>
    private const int DefaultFullAttentionBlocks = 28;

    public required int VocabularySize { get; init; }

    public required int HiddenSize { get; init; }

    public required int IntermediateSize { get; init; }

    public required int BlockCount { get; init; }

    public required int Heads { get; init; }

    public required int KeyValueHeads { get; init; }

    public required int HeadSize { get; init; }

    public required int MaxPositions { get; init; }

    public required float Epsilon { get; init; }

    public required bool QueryBias { get; init; }

    public required bool OutputBias { get; init; }

    public required bool MlpBias { get; init; }

    public required bool QueryNorm { get; init; }

    public required int PadId { get; init; }

    /// <summary>Each token sees this many tokens, itself included; null where it sees all before it.</summary>
    public required int? Window { get; init; }

    /// <summary>The blocks from this one on have the window, unless <see cref="LayerTypes"/> says it block by block.</summary>
    public required int FirstWindowedBlock { get; init; }

    /// <summary>For each block <c>full_attention</c> or <c>sliding_attention</c>, null where the configuration does not say it.</summary>
    public required IReadOnlyList<string>? LayerTypes { get; init; }

    public required double RopeBase { get; init; }

    /// <summary>The rotary scaling section, whose <c>rope_type</c> has been checked; null for plain rotary positions.</summary>
    public required RopeScaling? Scaling { get; init; }

    public bool HasWindow(int block) => Window is not null && (LayerTypes is null ? block >= FirstWindowedBlock : LayerTypes[block] == SlidingAttention);

    public static LlamaConfig Read(ModelConfig config)
    {
        config.Require("hidden_act", "silu");
        int hiddenSize = config.Size("hidden_size");
        int blocks = config.Size("num_hidden_layers");
        int heads = config.Size("num_attention_heads");
        int keyValueHeads = config.Size("num_key_value_heads", heads);
        if (keyValueHeads != heads) config.RequireMultiple("num_attention_heads", "num_key_value_heads");
        int headSize = config.Size("head_dim", hiddenSize / heads);
        if (config.ModelType == "qwen3" && new HeadShape(heads, headSize).IsPadded)
            throw new LlmEmbedException($"{config.Source}: head_dim {headSize} is no multiple of 16, which is not implemented for model_type 'qwen3'.") { FilePath = config.Source };
        if (headSize % 2 != 0)
            throw new LlmEmbedException($"{config.Source}: heads have {headSize} channels (head_dim), expected an even number: rotary positions turn them in pairs.") { FilePath = config.Source };
        bool attentionBias = config.Flag("attention_bias", false);
        (double ropeBase, RopeScaling? scaling) = RopeScaling.Read(config);
        bool isQwen = config.ModelType is "qwen2" or "qwen3";
        int? window = ReadWindow(config, isQwen);
        return new LlamaConfig
        {
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = hiddenSize,
            IntermediateSize = config.Size("intermediate_size"),
            BlockCount = blocks,
            Heads = heads,
            KeyValueHeads = keyValueHeads,
            HeadSize = headSize,
            MaxPositions = config.Size("max_position_embeddings", 2048),
            Epsilon = (float)config.Number("rms_norm_eps", 1e-6),
            QueryBias = attentionBias || config.ModelType == "qwen2",
            OutputBias = attentionBias,
            MlpBias = config.Flag("mlp_bias", false),
            QueryNorm = config.ModelType == "qwen3",
            PadId = config.IntOrNull("pad_token_id") is int pad and >= 0 ? pad : 0,
            Window = window,
            FirstWindowedBlock = isQwen ? config.Int("max_window_layers", DefaultFullAttentionBlocks) : 0,
            LayerTypes = ReadLayerTypes(config, blocks, window),
            RopeBase = ropeBase,
            Scaling = scaling,
        };
    }

    /// <summary>Mistral's window holds for every block; Qwen's only with <c>use_sliding_window</c>, in the blocks that <c>layer_types</c> or <c>max_window_layers</c> name.</summary>
    private static int? ReadWindow(ModelConfig config, bool isQwen)
    {
        int? window = config.Has("sliding_window") ? config.Size("sliding_window")
            : config.IsNull("sliding_window") || config.ModelType == "llama" ? null
            : DefaultWindow;
        return isQwen && !config.Flag("use_sliding_window", false) ? null : window;
    }

    private static IReadOnlyList<string>? ReadLayerTypes(ModelConfig config, int blocks, int? window)
    {
        if (config.Texts("layer_types") is not { } types) return null;
        if (types.Count == blocks && types.All(type => type == "full_attention" || (type == SlidingAttention && window is not null))) return types;
        throw new LlmEmbedException($"{config.Source}: 'layer_types' must name full_attention or, where there is a window, {SlidingAttention} for each of {blocks} blocks.")
        { FilePath = config.Source };
    }
}

/// <summary>Rotary scaling of the types <c>linear</c> and <c>llama3</c>.</summary>
internal sealed record RopeScaling(double Factor, double LowFrequencyFactor, double HighFrequencyFactor, double OriginalMaxPositions, bool IsLinear)
{
    /// <summary>Reads the old style (<c>rope_theta</c> beside <c>rope_scaling</c>) and the new one (both in <c>rope_parameters</c>).</summary>
    public static (double Base, RopeScaling? Scaling) Read(ModelConfig config)
    {
        ModelConfig? parameters = config.Section("rope_parameters");
        ModelConfig? section = parameters ?? config.Section("rope_scaling");
        double ropeBase = (parameters ?? config).Number("rope_theta", config.Number("rope_theta", 10000.0));
        if (section is null) return (ropeBase, null);

        section.Require("rope_type", "default", "linear", "llama3");
        section.Require("type", "default", "linear", "llama3");
        RopeScaling? scaling = section.Text("rope_type", section.Text("type", "default")) switch
        {
            "linear" => new RopeScaling(section.Number("factor"), 0, 0, 0, IsLinear: true),
            "llama3" => new RopeScaling(
                section.Number("factor"),
                section.Number("low_freq_factor"),
                section.Number("high_freq_factor"),
                section.Number("original_max_position_embeddings", config.Number("max_position_embeddings", 2048)),
                IsLinear: false),
            _ => null,
        };
        section.RefuseUnread();
        return (ropeBase, scaling);
    }

    /// <summary>Scales one inverse frequency: for llama3, long wavelengths are stretched, short ones kept, those between blended (Hugging Face: modeling_rope_utils.py).</summary>
    public double Apply(double frequency)
    {
        if (IsLinear) return frequency / Factor;
        double wavelength = 2 * Math.PI / frequency;
        if (wavelength < OriginalMaxPositions / HighFrequencyFactor) return frequency;
        if (wavelength > OriginalMaxPositions / LowFrequencyFactor) return frequency / Factor;
        double smooth = (OriginalMaxPositions / wavelength - LowFrequencyFactor) / (HighFrequencyFactor - LowFrequencyFactor);
        return (1 - smooth) * frequency / Factor + smooth * frequency;
    }
}

/// <summary>Tables of cosines and sines [positions, padded d/2] for the half-split rotary layout.</summary>
internal sealed record Rotary(string Cos, string Sin)
{
    /// <summary>GGUF files of arch llama keep llama3 scaling as divisors of the frequencies in a tensor of this name.</summary>
    private const string FrequencyDivisors = "model.rope_freqs.weight";

    public static Rotary Build(OnnxGraph graph, LlamaConfig config, Checkpoint checkpoint, int positions)
    {
        int half = config.HeadSize / 2;
        int paddedHalf = new HeadShape(config.Heads, config.HeadSize).PaddedSize / 2;
        float[] divisors = Enumerable.Repeat(1f, half).ToArray();
        if (checkpoint.Weights.ContainsKey(FrequencyDivisors)) checkpoint.Require(FrequencyDivisors, half).CopyTo(divisors);

        WeightBuffer cos = WeightBuffer.Allocate<float>(positions, paddedHalf);
        WeightBuffer sin = WeightBuffer.Allocate<float>(positions, paddedHalf);
        Span<float> cosines = cos.Span<float>();
        Span<float> sines = sin.Span<float>();
        cosines.Fill(1);
        sines.Clear();
        for (int i = 0; i < half; i++)
        {
            double frequency = Math.Pow(config.RopeBase, -2.0 * i / config.HeadSize) / divisors[i];
            float scaled = (float)(config.Scaling?.Apply(frequency) ?? frequency);
            for (int position = 0; position < positions; position++)
            {
                // The angle is a product in fp32, as in the reference implementation.
                (float s, float c) = MathF.SinCos(position * scaled);
                cosines[position * paddedHalf + i] = c;
                sines[position * paddedHalf + i] = s;
            }
        }
        return new Rotary(graph.Weight(cos), graph.Weight(sin));
    }
}
