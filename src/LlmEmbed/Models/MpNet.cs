using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// MPNet: BERT's blocks with scores by distance, whose one table serves all blocks, and with positions from pad id + 1. It has no token types.
/// Hugging Face: modeling_mpnet.py.
/// </summary>
internal sealed class MpNet : PostNormEncoder
{
    /// <summary>Fixed in the reference implementation.</summary>
    private const int FarthestBucket = 128;

    private readonly DistanceBuckets _buckets;
    private readonly int _heads;

    public MpNet(Checkpoint checkpoint)
        : base(checkpoint, ReadShape(checkpoint.Config))
    {
        ModelConfig config = checkpoint.Config;
        _heads = config.Size("num_attention_heads");
        _buckets = DistanceBuckets.Read(config, FarthestBucket);
    }

    public override bool HasPooler => Checkpoint.Weights.ContainsKey($"{Prefix}pooler.dense.weight");

    protected override int FirstPosition => PadId + 1;

    protected override LayerNormLayer EmbeddingNorm => Norm($"{Prefix}embeddings.LayerNorm");

    public override string Pool(Layers layers, string firstToken) => Pool(layers, firstToken, $"{Prefix}pooler.dense");

    protected override EncoderBlock LayersOf(int block)
    {
        string name = $"{Prefix}encoder.layer.{block}";
        return new EncoderBlock(
            Query: Square($"{name}.attention.attn.q"),
            Key: Square($"{name}.attention.attn.k"),
            Value: Square($"{name}.attention.attn.v"),
            AttentionOutput: Square($"{name}.attention.attn.o"),
            AttentionNorm: Norm($"{name}.attention.LayerNorm"),
            MlpInput: ToInner($"{name}.intermediate.dense"),
            MlpOutput: FromInner($"{name}.output.dense"),
            MlpNorm: Norm($"{name}.output.LayerNorm"));
    }

    protected override int PositionOf(int id, ref int next) => id == PadId ? PadId : next++;

    protected override string AddDistanceBias(Layers layers, int positions) =>
        _buckets.AddBias(layers, Checkpoint, $"{Prefix}encoder.relative_attention_bias.weight", _heads, positions);

    private static EncoderShape ReadShape(ModelConfig config)
    {
        config.Require("hidden_act", "gelu");
        return ReadSizes(config, defaultPadId: 1);
    }
}
