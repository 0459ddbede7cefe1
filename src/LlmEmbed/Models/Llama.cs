using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

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

    public override ProjectionGroup? LanguageHead =>
        _config.TiesEmbeddings ? Head("model.embed_tokens") : Checkpoint.Weights.ContainsKey("lm_head.weight") ? Head("lm_head") : null;

    public override HeadShape KeyValueHeads => new(_config.KeyValueHeads, _config.HeadSize);

    public override void Embed(ReadOnlySpan<int> ids, Span<float> destination)
    {
        for (int t = 0; t < ids.Length; t++) _tokenEmbeddings.CopyRow(ids[t], destination.Slice(t * HiddenSize, HiddenSize));
    }

    public override void Forward(Layers layers, AttentionInputs inputs, BlockRange blocks, Action<int, string> keep)
    {
        string hidden = inputs.Embeddings; // [B,T,H]
        if (blocks.First == 0) keep(0, hidden);
        if (blocks.End == blocks.First) return;

        Rotary rotary = Rotary.Build(layers.Graph, _config, Checkpoint, inputs.Positions);
        Rows rows = layers.PreparedRmsNorm(hidden, Norm($"model.layers.{blocks.First}.input_layernorm"), QueryKeyValue(blocks.First));
        for (int block = blocks.First; block < blocks.End; block++)
        {
            Product attention = Attention(layers, rows, block, inputs, rotary);
            (rows, hidden) = layers.AddAndRmsNorm(attention, hidden, Norm($"model.layers.{block}.post_attention_layernorm"), GateAndUp(block));
            Product mlp = layers.Multiply(layers.SwiGlu(rows, GateAndUp(block), Down(block)), Down(block));
            if (block + 1 < blocks.End)
            {
                (rows, hidden) = layers.AddAndRmsNorm(mlp, hidden, Norm($"model.layers.{block + 1}.input_layernorm"), QueryKeyValue(block + 1));
                keep(block + 1, hidden);
                continue;
            }
            hidden = layers.Add(mlp, hidden);
            // The last hidden state is the one after the final norm.
            keep(blocks.End, blocks.End == BlockCount ? layers.RmsNorm(hidden, Norm("model.norm")) : hidden);
        }
    }

    public override long ParameterCount(int depth)
    {
        LlamaConfig c = _config;
        long attention = 2L * c.HiddenSize * c.HeadSize * (c.Heads + c.KeyValueHeads);
        long mlp = 3L * c.HiddenSize * c.IntermediateSize;
        return depth * (attention + mlp + 2L * c.HiddenSize) + (depth == BlockCount ? c.HiddenSize : 0);
    }

    private RmsNormWeight Norm(string layer) => new(layer, HiddenSize, _config.Epsilon);

    private HeadShape Heads => new(_config.Heads, _config.HeadSize);

    private ProjectionGroup Head(string layer) => new(HiddenSize, new Projection(layer, VocabularySize, HasBias: false));

    private ProjectionGroup QueryKeyValue(int block)
    {
        string prefix = $"model.layers.{block}.self_attn";
        return new ProjectionGroup(
            HiddenSize,
            new Projection($"{prefix}.q_proj", Heads.Width, _config.QueryBias, Heads),
            new Projection($"{prefix}.k_proj", KeyValueHeads.Width, _config.QueryBias, KeyValueHeads),
            new Projection($"{prefix}.v_proj", KeyValueHeads.Width, _config.QueryBias, KeyValueHeads));
    }

    private ProjectionGroup GateAndUp(int block) => new(
        HiddenSize,
        new Projection($"model.layers.{block}.mlp.gate_proj", _config.IntermediateSize, _config.MlpBias),
        new Projection($"model.layers.{block}.mlp.up_proj", _config.IntermediateSize, _config.MlpBias));

    private ProjectionGroup Down(int block) => new(_config.IntermediateSize, new Projection($"model.layers.{block}.mlp.down_proj", HiddenSize, _config.MlpBias));

    private Product Attention(Layers layers, Rows input, int block, AttentionInputs inputs, Rotary rotary)
    {
        LlamaConfig c = _config;
        AttentionShape shape = new(c.Heads, c.KeyValueHeads, Heads.PaddedSize, 1 / MathF.Sqrt(c.HeadSize), IsDecoder: true, c.HasWindow(block) ? c.Window!.Value : 0);
        Attention alone = new(shape, inputs.Lengths, rotary, inputs.Prefix?.Of(block) ?? default);
        string attention; // [B,T,heads·d]
        if (inputs is { Growing: null, KeysAndValues: null } && !c.QueryNorm)
        {
            attention = layers.Attend(input, QueryKeyValue(block), alone);
        }
        else
        {
            string[] queryKeyValue = layers.Project(input, QueryKeyValue(block)); // [B,T,heads·d], [B,T,kv·d] twice
            if (c.QueryNorm)
            {
                queryKeyValue[0] = HeadNorm(layers, queryKeyValue[0], $"model.layers.{block}.self_attn.q_norm", c.Heads);
                queryKeyValue[1] = HeadNorm(layers, queryKeyValue[1], $"model.layers.{block}.self_attn.k_norm", c.KeyValueHeads);
            }
            inputs.KeysAndValues?.Invoke(block, queryKeyValue[1], queryKeyValue[2]);
            int width = Heads.PaddedWidth + 2 * KeyValueHeads.PaddedWidth;
            attention = inputs.Growing is { } growing
                ? AttendGrowing(layers.Graph, queryKeyValue, growing, growing.Cache(block), shape, rotary)
                : layers.Attend(queryKeyValue, layers.Graph.Constant<float>(new float[width], width), alone);
        }
        ProjectionGroup output = new(Heads.Width, Heads, new Projection($"model.layers.{block}.self_attn.o_proj", HiddenSize, c.OutputBias));
        return layers.Multiply(layers.Prepare(attention, output), output);
    }

    /// <summary>Attention over what earlier runs read too: the engine's own, which keeps keys and values in place.</summary>
    private static string AttendGrowing(OnnxGraph graph, string[] queryKeyValue, GrowingTexts growing, BlockCache cache, AttentionShape shape, Rotary rotary)
    {
        List<OnnxAttribute> attributes = [("num_heads", shape.Heads), ("kv_num_heads", shape.KeyValueHeads), ("do_rotary", 1), ("scale", shape.Scale)];
        if (shape.Window > 0) attributes.Add(("local_window_size", shape.Window));
        string attention = graph.NextName("attention");
        graph.Node(
            "GroupQueryAttention",
            [.. queryKeyValue, cache.PastKeys, cache.PastValues, growing.LastIndex, growing.TotalLength, rotary.Cos, rotary.Sin],
            [attention, cache.Keys, cache.Values],
            [.. attributes]);
        return attention;
    }

    /// <summary>Qwen3 normalises each head's query and key by themselves: [B,T,heads·d] → [B,T,heads,d] → norm → back.</summary>
    private string HeadNorm(Layers layers, string input, string name, int heads)
    {
        OnnxGraph graph = layers.Graph;
        string split = graph.Node("Reshape", [input, graph.Constant<long>([0, 0, heads, _config.HeadSize], 4)]);
        string normalized = layers.RmsNorm(split, new RmsNormWeight(name, _config.HeadSize, _config.Epsilon));
        return graph.Node("Reshape", [normalized, graph.Constant<long>([0, 0, heads * _config.HeadSize], 3)]);
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

    /// <summary>Whether the token embeddings are the language-model head's weights too.</summary>
    public required bool TiesEmbeddings { get; init; }

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
            TiesEmbeddings = config.Flag("tie_word_embeddings", false),
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
