using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// GTE's encoder of 2024 (model_type <c>new</c>, code Alibaba-NLP/new-impl): BERT's order of layers with rotary positions and a gated MLP. Queries,
/// keys and values are stored in one tensor, and so are the factor and the activated part of the MLP, in this order.
/// </summary>
internal sealed class Gte : PostNormEncoder
{
    private readonly EncoderShape _shape;
    private readonly RotarySettings _rotary;
    private readonly int _tokenTypes;

    public Gte(Checkpoint checkpoint)
        : this(checkpoint, ReadShape(checkpoint.Config))
    {
    }

    private Gte(Checkpoint checkpoint, EncoderShape shape)
        : base(checkpoint, shape)
    {
        _shape = shape;
        _rotary = ReadRotary(checkpoint.Config, shape.HeadSize);
        _tokenTypes = checkpoint.Config.Int("type_vocab_size", 1);
    }

    protected override bool HasPositionTable => false;

    protected override int TokenTypes => _tokenTypes;

    protected override LayerNormLayer EmbeddingNorm => Norm($"{Prefix}embeddings.LayerNorm");

    protected override EncoderBlock LayersOf(int block)
    {
        string name = $"{Prefix}encoder.layer.{block}";
        (int h, int inner) = (_shape.HiddenSize, _shape.IntermediateSize);
        LinearLayer[] attention =
            LinearLayer.StoredIn($"{name}.attention.qkv_proj", h, hasBias: true, ("query", h), ("key", h), ("value", h));
        LinearLayer[] mlp = LinearLayer.StoredIn($"{name}.mlp.up_gate_proj", h, hasBias: false, ("factor", inner), ("activated", inner));
        return new EncoderBlock(
            Query: attention[0],
            Key: attention[1],
            Value: attention[2],
            AttentionOutput: Square($"{name}.attention.o_proj"),
            AttentionNorm: Norm($"{name}.attn_ln"),
            MlpInput: mlp[1],
            MlpOutput: FromInner($"{name}.mlp.down_proj"),
            MlpNorm: Norm($"{name}.mlp_ln"))
        { MlpFactor = mlp[0] };
    }

    protected override Rotary AddRotary(Layers layers, int positions) => Rotary.Add(layers, _rotary, positions, _shape.HeadSize);

    private static EncoderShape ReadShape(ModelConfig config)
    {
        config.Require("hidden_act", "gelu");
        config.Require("position_embedding_type", "rope");
        config.Require("layer_norm_type", "layer_norm");
        config.Require("logn_attention_scale", "false");
        config.Require("logn_attention_clip1", "false");
        EncoderShape shape = ReadSizes(config, defaultPadId: 0);
        if (shape.HeadSize % 2 == 0) return shape;
        throw config.Wrong("num_attention_heads", $"gives heads of {shape.HeadSize} channels, expected an even number.");
    }

    /// <summary>
    /// Scaling of the type ntk multiplies the base by the factor and divides all frequencies by factor^(2/d), for texts of every length.
    /// </summary>
    private static RotarySettings ReadRotary(ModelConfig config, int headSize)
    {
        double ropeBase = config.Number("rope_theta", 10000), factor = 1;
        if (config.Section("rope_scaling") is { } scaling)
        {
            scaling.Require("type", "ntk");
            scaling.Require("rope_type", "ntk");
            scaling.Require("mixed_b", "null");
            factor = scaling.Number("factor");
        }
        RopeScaling divided = new(Math.Pow(factor, 2.0 / headSize), 0, 0, 0, IsLinear: true);
        return new RotarySettings("rotary", headSize, ropeBase * factor, Divisors: null, divided);
    }
}
