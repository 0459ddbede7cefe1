using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>Where the configuration of a relative differs from LLaMA's in keys, and in what it means that a key is absent.</summary>
internal sealed record LlamaDefaults
{
    /// <summary>The key of the gate's function.</summary>
    public string ActivationKey { get; init; } = "hidden_act";

    /// <summary>The name of the only function that the relative has.</summary>
    public string Activation { get; init; } = "silu";

    public int? VocabularySize { get; init; }

    public int? Heads { get; init; }

    public int? KeyValueHeads { get; init; }

    public int? HeadSize { get; init; }

    public int MaxPositions { get; init; } = 2048;

    public double Epsilon { get; init; } = 1e-6;

    public int? Window { get; init; }

    /// <summary>Whether there is a window only with <c>use_sliding_window</c>.</summary>
    public bool WindowIsOff { get; init; }

    public bool TiesEmbeddings { get; init; }

    /// <summary>The default of <c>partial_rotary_factor</c>, the share of each head that is turned; null if the relative has no such key.</summary>
    public double? RotaryShare { get; init; }

    /// <summary>
    /// The key and the default of the base in blocks with a window, if those are turned by frequencies of their own; else null.
    /// </summary>
    public (string Key, double Base)? WindowRope { get; init; }

    public double RopeBase { get; init; } = 10000;
}

/// <summary>What the LLaMA family reads from its configuration.</summary>
internal sealed record LlamaConfig
{
    public const string FullAttention = "full_attention", SlidingAttention = "sliding_attention";

    /// <summary>Hugging Face's default of <c>sliding_window</c> for Mistral and Qwen; a configuration without a window says null.</summary>
    private const int DefaultWindow = 4096;

    /// <summary>Channels of all heads, far more than any model has and few enough to calculate with.</summary>
    private const int MostChannels = 1 << 24;

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

    /// <summary>Whether the queries and keys of each head have norms.</summary>
    public required bool QueryNorm { get; init; }

    public required int PadId { get; init; }

    /// <summary>Whether the token embeddings are the language-model head's weights too.</summary>
    public required bool TiesEmbeddings { get; init; }

    /// <summary>
    /// Whether a token sees only itself and the tokens before it. Models that were made encoders by further training say no, either by
    /// <c>is_causal: false</c> or by <c>use_bidirectional_attention: true</c>.
    /// </summary>
    public required bool IsCausal { get; init; }

    /// <summary>
    /// In a block with a window each token sees this many tokens, itself included, or in both directions the tokens up to this distance from it; null
    /// if it sees all.
    /// </summary>
    public required int? Window { get; init; }

    /// <summary>Which blocks have the window, unless <see cref="LayerTypes"/> says it block by block.</summary>
    public required Func<int, bool> WindowedBlocks { get; init; }

    /// <summary>For each block <c>full_attention</c> or <c>sliding_attention</c>, null if the configuration does not say it.</summary>
    public required IReadOnlyList<string>? LayerTypes { get; init; }

    public required double RopeBase { get; init; }

    /// <summary>The rotary scaling section, whose <c>rope_type</c> has been checked; null for plain rotary positions.</summary>
    public required RopeScaling? Scaling { get; init; }

    /// <summary>Base and scaling in blocks with a window, if those have their own; else null.</summary>
    public required (double Base, RopeScaling? Scaling)? WindowRope { get; init; }

    /// <summary>The channels of each head that are turned.</summary>
    public required int RotaryChannels { get; init; }

    public required Activation Activation { get; init; }

    /// <summary>What scores are multiplied by.</summary>
    public required float Scale { get; init; }

    /// <summary>What scores come no further from zero than; 0 for no such limit.</summary>
    public float ScoreCap { get; init; }

    /// <summary>What token embeddings are multiplied by.</summary>
    public float EmbeddingFactor { get; init; } = 1;

    /// <summary>Added to the weights of norms.</summary>
    public float NormOffset { get; init; }

    /// <summary>What the language-model head's output is multiplied by; null if more is done to it, which is not implemented.</summary>
    public float? LogitFactor { get; init; } = 1;

    public bool HasWindow(int block) =>
        Window is not null && (LayerTypes is null ? WindowedBlocks(block) : LayerTypes[block] == SlidingAttention);

    /// <summary>The window of a block as attention takes it: distances less than this are seen; 0 for all.</summary>
    public int WindowOf(int block) => !HasWindow(block) ? 0 : IsCausal ? Window!.Value : Window!.Value + 1;

    public static LlamaConfig Read(ModelConfig config)
    {
        bool isQwen = config.ModelType is "qwen2" or "qwen3";
        LlamaDefaults defaults = new() { Window = isQwen || config.ModelType == "mistral" ? DefaultWindow : null, WindowIsOff = isQwen };
        LlamaConfig read = Read(config, defaults);
        if (!isQwen) return read;
        int first = config.Int("max_window_layers", DefaultFullAttentionBlocks);
        return read with
        {
            QueryBias = read.QueryBias || config.ModelType == "qwen2",
            QueryNorm = config.ModelType == "qwen3",
            WindowedBlocks = block => block >= first,
        };
    }

    /// <summary>Reads the configuration of a relative.</summary>
    public static LlamaConfig Read(ModelConfig config, LlamaDefaults defaults)
    {
        config.Require(defaults.ActivationKey, defaults.Activation);
        int SizeOr(string key, int? fallback) => fallback is int size ? config.Size(key, size) : config.Size(key);
        int hiddenSize = config.Size("hidden_size"), blocks = config.Size("num_hidden_layers");
        int heads = SizeOr("num_attention_heads", defaults.Heads);
        int keyValueHeads = config.Size("num_key_value_heads", defaults.KeyValueHeads ?? heads);
        if (heads % keyValueHeads != 0)
            throw config.Wrong("num_attention_heads", $"is {heads}, expected a multiple of 'num_key_value_heads', which is {keyValueHeads}.");
        int headSize = config.Size("head_dim", defaults.HeadSize ?? hiddenSize / heads);
        long width = (long)heads * headSize;
        if (width > MostChannels)
            throw config.Wrong("head_dim", $"is {headSize}, which makes {width} channels of {heads} heads, too many for any model.");
        (double ropeBase, RopeScaling? scaling) = defaults.WindowRope is null
            ? RopeScaling.Read(config, hasLongRope: true)
            : RopeScaling.Read(config, FullAttention, "rope_theta", defaults.RopeBase, "rope_scaling");
        int channels = ReadRotaryChannels(config, headSize, defaults);
        int divisors = scaling?.Divisors?.Length ?? channels / 2;
        if (divisors != channels / 2)
            throw config.Wrong("short_factor", $"has {divisors} numbers, expected {channels / 2}, one for each pair of channels that is turned.");
        bool attentionBias = config.Flag("attention_bias", false);
        int? window = ReadWindow(config, defaults);
        int maxPositions = config.Size("max_position_embeddings", defaults.MaxPositions);
        return new LlamaConfig
        {
            VocabularySize = SizeOr("vocab_size", defaults.VocabularySize),
            HiddenSize = hiddenSize,
            IntermediateSize = config.Size("intermediate_size"),
            BlockCount = blocks,
            Heads = heads,
            KeyValueHeads = keyValueHeads,
            HeadSize = headSize,
            MaxPositions = scaling?.Divisors is null ? maxPositions : Math.Min(maxPositions, (int)scaling.OriginalMaxPositions),
            Epsilon = (float)config.Number("rms_norm_eps", defaults.Epsilon),
            QueryBias = attentionBias,
            OutputBias = attentionBias,
            MlpBias = config.Flag("mlp_bias", false),
            QueryNorm = false,
            PadId = config.PadIdOrFirst(),
            TiesEmbeddings = config.Flag("tie_word_embeddings", defaults.TiesEmbeddings),
            IsCausal = ReadCausality(config),
            Window = window,
            WindowedBlocks = _ => true,
            LayerTypes = ReadLayerTypes(config, blocks, window),
            RopeBase = ropeBase,
            Scaling = scaling,
            WindowRope = defaults.WindowRope is var (key, ofWindow)
                ? RopeScaling.Read(config, SlidingAttention, key, ofWindow, scalingKey: null)
                : null,
            RotaryChannels = channels,
            Activation = Activations.Of(defaults.Activation),
            Scale = 1 / MathF.Sqrt(headSize),
        };
    }

    private static int ReadRotaryChannels(ModelConfig config, int headSize, LlamaDefaults defaults)
    {
        const string Key = "partial_rotary_factor";
        if (headSize % 2 != 0)
            throw new LlmEmbedException(
                $"{config.Source}: heads have {headSize} channels (head_dim), expected an even number: rotary positions turn them in pairs.")
            { FilePath = config.Source };
        if (defaults.RotaryShare is not double usual) return headSize;
        double outside = config.Number(Key, usual), share = config.Section("rope_parameters")?.Number(Key, outside) ?? outside;
        int channels = (int)(headSize * share);
        if (share is > 0 and <= 1 && channels >= 2 && channels % 2 == 0) return channels;
        throw config.Wrong(Key, $"is {share}, which turns {channels} of {headSize} channels, expected an even number of them.");
    }

    /// <summary>
    /// Whether a token sees only what stands before it. <c>is_causal: null</c> is refused: Python takes it for false, and the absence of the key for
    /// true.
    /// </summary>
    private static bool ReadCausality(ModelConfig config)
    {
        _ = config.Has("is_decoder"); // this family is a decoder whatever the key says, and old versions of transformers wrote false for all models
        if (config.IsNull("is_causal")) throw config.Wrong("is_causal", "is null, expected true or false.");
        return config.Flag("is_causal", true) && !config.Flag("use_bidirectional_attention", false);
    }

    private static int? ReadWindow(ModelConfig config, LlamaDefaults defaults)
    {
        int? window = config.Has("sliding_window") ? config.Size("sliding_window") : config.IsNull("sliding_window") ? null : defaults.Window;
        return defaults.WindowIsOff && !config.Flag("use_sliding_window", false) ? null : window;
    }

    private static IReadOnlyList<string>? ReadLayerTypes(ModelConfig config, int blocks, int? window)
    {
        if (config.Texts("layer_types") is not { } types) return null;
        if (types.Count == blocks && types.All(type => type == FullAttention || (type == SlidingAttention && window is not null))) return types;
        string sliding = window is null ? $", where there is a window, {SlidingAttention}" : $" {SlidingAttention}";
        throw config.Wrong("layer_types", $"must name {FullAttention} or{sliding} for each of {blocks} blocks.");
    }
}
