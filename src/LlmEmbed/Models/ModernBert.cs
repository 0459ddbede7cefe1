using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>What ModernBERT reads from its configuration.</summary>
internal sealed record ModernBertConfig
{
    private const string FullAttention = "full_attention", SlidingAttention = "sliding_attention";

    public required int VocabularySize { get; init; }

    public required int HiddenSize { get; init; }

    public required int IntermediateSize { get; init; }

    public required int Heads { get; init; }

    public required int MaxPositions { get; init; }

    public required int PadId { get; init; }

    public required float Epsilon { get; init; }

    public required bool NormBias { get; init; }

    public required bool AttentionBias { get; init; }

    public required bool MlpBias { get; init; }

    /// <summary>For each block whether a token sees all of its text and not only its surroundings.</summary>
    public required IReadOnlyList<bool> SeesAll { get; init; }

    /// <summary>In a block that does not see all, a token sees tokens up to this distance from it in both directions.</summary>
    public required int Reach { get; init; }

    public required RotarySettings RotaryOfAll { get; init; }

    public required RotarySettings RotaryOfSurroundings { get; init; }

    public int HeadSize => HiddenSize / Heads;

    public static ModernBertConfig Read(ModelConfig config)
    {
        config.Require("hidden_activation", "gelu");
        _ = config.Has("layer_norm_eps"); // written beside norm_eps, which alone counts
        config.RequireMultiple("hidden_size", "num_attention_heads");
        int hiddenSize = config.Size("hidden_size"), heads = config.Size("num_attention_heads"), words = config.Size("vocab_size", 50368);
        int headSize = hiddenSize / heads, pad = config.Int("pad_token_id", 50283);
        if (headSize % 2 != 0) throw config.Wrong("num_attention_heads", $"gives heads of {headSize} channels, expected an even number.");
        if (pad < 0 || pad >= words) throw config.Wrong("pad_token_id", $"is {pad}, expected one of the {words} tokens.");

        RotarySettings Rotary(string layerType, string baseKey, double defaultBase)
        {
            (double ropeBase, RopeScaling? scaling) = RopeScaling.Read(config, layerType, baseKey, defaultBase, "rope_scaling");
            return new RotarySettings(layerType, headSize, ropeBase, Divisors: null, scaling);
        }
        return new ModernBertConfig
        {
            VocabularySize = words,
            HiddenSize = hiddenSize,
            IntermediateSize = config.Size("intermediate_size"),
            Heads = heads,
            MaxPositions = config.Size("max_position_embeddings", 8192),
            PadId = pad,
            Epsilon = (float)config.Number("norm_eps", 1e-5),
            NormBias = config.Flag("norm_bias", false),
            AttentionBias = config.Flag("attention_bias", false),
            MlpBias = config.Flag("mlp_bias", false),
            SeesAll = ReadLayerTypes(config),
            Reach = config.Size("local_attention", 128) / 2,
            RotaryOfAll = Rotary(FullAttention, "global_rope_theta", 160000),
            RotaryOfSurroundings = Rotary(SlidingAttention, "local_rope_theta", 10000),
        };
    }

    private static bool[] ReadLayerTypes(ModelConfig config)
    {
        int blocks = config.Size("num_hidden_layers"), every = config.Size("global_attn_every_n_layers", 3);
        if (config.Texts("layer_types") is not { } types) return [.. Enumerable.Range(0, blocks).Select(block => block % every == 0)];
        if (types.Count == blocks && types.All(type => type is FullAttention or SlidingAttention))
            return [.. types.Select(type => type == FullAttention)];
        throw config.Wrong("layer_types", $"must name {FullAttention} or {SlidingAttention} for each of {blocks} blocks.");
    }
}

/// <summary>
/// ModernBERT: an encoder with norms before attention and MLP, rotary positions, a gated MLP, and two kinds of blocks. In some of them a token sees
/// all of its text, in the others only its surroundings, and the two kinds turn by frequencies of their own. Hugging Face: modeling_modernbert.py.
/// </summary>
internal sealed class ModernBert(Checkpoint checkpoint) : ResidualBackbone(checkpoint, "embeddings.tok_embeddings.weight")
{
    private readonly ModernBertConfig _config = ModernBertConfig.Read(checkpoint.Config);

    public override int BlockCount => _config.SeesAll.Count;

    public override int HiddenSize => _config.HiddenSize;

    public override int VocabularySize => _config.VocabularySize;

    public override int MaxTokens => _config.MaxPositions;

    public override bool IsCausal => false;

    public override int PadId => _config.PadId;

    protected override NormLayer EmbeddingNorm => Norm("embeddings.norm");

    protected override NormLayer FinalNorm => Norm("final_norm");

    protected override ResidualBlock LayersOf(int block)
    {
        ModernBertConfig c = _config;
        (int h, int inner, string name) = (c.HiddenSize, c.IntermediateSize, $"{Prefix}layers.{block}");
        LinearLayer[] attention = LinearLayer.StoredIn($"{name}.attn.Wqkv", h, c.AttentionBias, ("query", h), ("key", h), ("value", h));
        LinearLayer[] mlp = LinearLayer.StoredIn($"{name}.mlp.Wi", h, c.MlpBias, ("activated", inner), ("factor", inner));
        return new ResidualBlock(
            Query: attention[0],
            Key: attention[1],
            Value: attention[2],
            AttentionOutput: new($"{name}.attn.Wo", h, h, c.AttentionBias),
            Gate: mlp[0],
            Up: mlp[1],
            MlpOutput: new($"{name}.mlp.Wo", inner, h, c.MlpBias))
        {
            // The first block has no norm of its own before attention, since the embeddings have just been normed.
            AttentionInputNorm = block == 0 ? null : Norm($"layers.{block}.attn_norm"),
            MlpInputNorm = Norm($"layers.{block}.mlp_norm"),
            Attention = new(c.Heads, c.Heads, c.HeadSize, 1 / MathF.Sqrt(c.HeadSize))
            {
                Window = c.SeesAll[block] ? 0 : c.Reach + 1, // the window counts the token itself
            },
            Rotary = c.SeesAll[block] ? c.RotaryOfAll : c.RotaryOfSurroundings,
            Activation = Activation.Gelu,
        };
    }

    private LayerNormLayer Norm(string name) =>
        new($"{Prefix}{name}.weight", _config.NormBias ? $"{Prefix}{name}.bias" : null, HiddenSize, _config.Epsilon);
}
