using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>What GPT-NeoX reads from its configuration. Defaults are those of transformers.</summary>
internal sealed record GptNeoXConfig
{
    public required int VocabularySize { get; init; }

    public required int HiddenSize { get; init; }

    public required int InnerSize { get; init; }

    public required int BlockCount { get; init; }

    public required int Heads { get; init; }

    public required int MaxPositions { get; init; }

    public required int PadId { get; init; }

    public required float Epsilon { get; init; }

    public required bool AttentionBias { get; init; }

    /// <summary>Whether attention and MLP read the same state and are added to it together.</summary>
    public required bool IsParallel { get; init; }

    public required Activation Activation { get; init; }

    public required RotarySettings Rotary { get; init; }

    public int HeadSize => HiddenSize / Heads;

    public static GptNeoXConfig Read(ModelConfig config)
    {
        config.Require("is_causal", "true");
        config.Require("use_bidirectional_attention", "false");
        _ = config.Has("is_decoder"); // it is one whatever the key says
        config.RequireMultiple("hidden_size", "num_attention_heads");
        int hiddenSize = config.Size("hidden_size"), heads = config.Size("num_attention_heads");
        return new GptNeoXConfig
        {
            VocabularySize = config.Size("vocab_size"),
            HiddenSize = hiddenSize,
            InnerSize = config.Size("intermediate_size"),
            BlockCount = config.Size("num_hidden_layers"),
            Heads = heads,
            MaxPositions = config.Size("max_position_embeddings", 2048),
            PadId = config.IntOrNull("pad_token_id") is int pad and >= 0 ? pad : 0,
            Epsilon = (float)config.Number("layer_norm_eps", 1e-5),
            AttentionBias = config.Flag("attention_bias", true),
            IsParallel = config.Flag("use_parallel_residual", true),
            Activation = Activations.Read(config, "hidden_act", "gelu"),
            Rotary = ReadRotary(config, hiddenSize / heads),
        };
    }

    private static RotarySettings ReadRotary(ModelConfig config, int headSize)
    {
        (_, RopeScaling? scaling) = RopeScaling.Read(config);
        double ropeBase = OfEither(config, "rotary_emb_base", "rope_theta", 10000);
        double share = OfEither(config, "rotary_pct", "partial_rotary_factor", 0.25);
        if (config.Section("rope_parameters") is { } parameters)
            (ropeBase, share) = (parameters.Number("rope_theta", ropeBase), parameters.Number("partial_rotary_factor", share));
        int turned = (int)(headSize * share);
        if (headSize % 2 != 0) throw config.Wrong("num_attention_heads", $"gives heads of {headSize} channels, expected an even number.");
        if (turned <= 0 || turned > headSize || turned % 2 != 0)
            throw config.Wrong("rotary_pct", $"turns {turned} of the {headSize} channels of a head, expected an even number from 2 to {headSize}.");
        return new RotarySettings("rotary", turned, ropeBase, Divisors: null, scaling);
    }

    /// <summary>A number that has two names, of which some versions of transformers wrote both.</summary>
    private static double OfEither(ModelConfig config, string key, string otherKey, double fallback)
    {
        double number = config.Number(key, config.Number(otherKey, fallback)), other = config.Number(otherKey, number);
        return number == other ? number : throw config.Wrong(key, $"is {number}, but '{otherKey}', which means the same, is {other}.");
    }
}

/// <summary>
/// GPT-NeoX and Pythia: a decoder whose attention and MLP read the same state side by side, with rotary positions on a part of each head. Queries,
/// keys and values are stored in one tensor, head by head. Hugging Face: modeling_gpt_neox.py.
/// </summary>
internal sealed class GptNeoX : ResidualBackbone
{
    private readonly GptNeoXConfig _config;

    public GptNeoX(Checkpoint checkpoint)
        : base(checkpoint, "embed_in.weight") => _config = GptNeoXConfig.Read(checkpoint.Config);

    public override int HiddenSize => _config.HiddenSize;

    public override int VocabularySize => _config.VocabularySize;

    public override int BlockCount => _config.BlockCount;

    public override int MaxTokens => _config.MaxPositions;

    public override bool IsCausal => true;

    public override int PadId => _config.PadId;

    protected override NormLayer FinalNorm => Norm($"{Prefix}final_layer_norm");

    protected override ResidualBlock LayersOf(int block)
    {
        GptNeoXConfig c = _config;
        (int h, string name) = (HiddenSize, $"{Prefix}layers.{block}");
        return new ResidualBlock(
            Query: PartOfHeads(0, "query"),
            Key: PartOfHeads(1, "key"),
            Value: PartOfHeads(2, "value"),
            AttentionOutput: new($"{name}.attention.dense", h, h, c.AttentionBias),
            Gate: new($"{name}.mlp.dense_h_to_4h", h, c.InnerSize, HasBias: true),
            Up: null,
            MlpOutput: new($"{name}.mlp.dense_4h_to_h", c.InnerSize, h, HasBias: true))
        {
            IsParallel = c.IsParallel,
            AttentionInputNorm = Norm($"{name}.input_layernorm"),
            MlpInputNorm = Norm($"{name}.post_attention_layernorm"),
            Attention = new(c.Heads, c.Heads, c.HeadSize, 1 / MathF.Sqrt(c.HeadSize)) { IsCausal = true },
            Rotary = c.Rotary,
            Activation = c.Activation,
        };

        // Each head has its rows of queries, keys and values one after the other.
        LinearLayer PartOfHeads(int index, string part)
        {
            IEnumerable<int> rows = Enumerable.Range(0, c.Heads).SelectMany(head => Enumerable.Range((head * 3 + index) * c.HeadSize, c.HeadSize));
            return LinearLayer.OfRows($"{name}.attention.query_key_value", part, h, 3 * h, [.. rows], c.AttentionBias);
        }
    }

    private LayerNormLayer Norm(string name) => new($"{name}.weight", $"{name}.bias", HiddenSize, _config.Epsilon);
}
