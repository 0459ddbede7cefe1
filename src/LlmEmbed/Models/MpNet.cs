using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// MPNet: BERT's blocks with scores by distance, whose one table serves all blocks, and with positions from pad id + 1. It has no token types.
/// Hugging Face: modeling_mpnet.py.
/// </summary>
internal sealed class MpNet : PostNormEncoder
{
    /// <summary>Fixed in the reference implementation: distances from this one on share the last bucket of their direction.</summary>
    private const int FarthestBucket = 128;

    private readonly int _buckets;
    private readonly int _heads;

    public MpNet(Checkpoint checkpoint)
        : base(checkpoint, ReadShape(checkpoint.Config))
    {
        ModelConfig config = checkpoint.Config;
        _heads = config.Size("num_attention_heads");
        _buckets = config.Size("relative_attention_num_buckets", 32);
        if (_buckets % 4 != 0) throw config.Wrong("relative_attention_num_buckets", $"is {_buckets}, expected a multiple of 4.");
    }

    public override bool HasPooler => Checkpoint.Weights.ContainsKey($"{Prefix}pooler.dense.weight");

    protected override int FirstPosition => PadId + 1;

    protected override LayerNormLayer EmbeddingNorm => Norm($"{Prefix}embeddings.LayerNorm");

    public override string Pool(Layers layers, string firstToken) => Pool(layers, firstToken, $"{Prefix}pooler.dense");

    /// <summary>
    /// The bucket of a distance, key minus query. Each direction has half of the buckets: a bucket for each of the nearest distances, then buckets
    /// that grow with the logarithm of the distance.
    /// </summary>
    internal static int BucketOf(int distance, int buckets)
    {
        int half = buckets / 2, exact = half / 2, away = Math.Abs(distance);
        int bucket = away < exact
            ? away
            : Math.Min(half - 1, exact + (int)(MathF.Log((float)away / exact) / MathF.Log((float)FarthestBucket / exact) * (half - exact)));
        return distance > 0 ? half + bucket : bucket;
    }

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

    protected override string AddDistanceBias(Layers layers, int positions) => layers.Shared($"scores by distance, {positions} positions", () =>
    {
        Weight stored = Checkpoint.Require($"{Prefix}encoder.relative_attention_bias.weight", _buckets, _heads);
        float[] ofBuckets = new float[_buckets * _heads];
        stored.CopyTo(ofBuckets);
        int distances = 2 * positions - 1;
        WeightBuffer table = WeightBuffer.Allocate<float>(_heads, distances);
        Span<float> values = table.Span<float>();
        for (int i = 0; i < distances; i++)
        {
            int bucket = BucketOf(i - (positions - 1), _buckets);
            for (int head = 0; head < _heads; head++) values[head * distances + i] = ofBuckets[bucket * _heads + head];
        }
        return table;
    });

    private static EncoderShape ReadShape(ModelConfig config)
    {
        config.Require("hidden_act", "gelu");
        return ReadSizes(config, defaultPadId: 1);
    }
}
