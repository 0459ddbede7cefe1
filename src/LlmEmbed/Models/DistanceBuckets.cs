using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// Scores that depend on the distance of two tokens by buckets, as T5 introduced them. Each direction has half of the buckets: a bucket for each of
/// the nearest distances, then buckets that grow with the logarithm of the distance.
/// </summary>
/// <param name="Count">Buckets of both directions, a multiple of 4.</param>
/// <param name="Farthest">Distances from this one on share the last bucket of their direction.</param>
internal readonly record struct DistanceBuckets(int Count, int Farthest)
{
    /// <summary>Distances that have a bucket of their own.</summary>
    private int Exact => Count / 4;

    /// <summary>Reads the number of buckets.</summary>
    public static DistanceBuckets Read(ModelConfig config, int farthest)
    {
        DistanceBuckets buckets = new(config.Size("relative_attention_num_buckets", 32), farthest);
        if (buckets.Count % 4 != 0) throw config.Wrong("relative_attention_num_buckets", $"is {buckets.Count}, expected a multiple of 4.");
        if (farthest <= buckets.Exact)
            throw config.Wrong("relative_attention_max_distance", $"is {farthest}, expected more than {buckets.Exact}, a quarter of the buckets.");
        return buckets;
    }

    /// <summary>The bucket of a distance, key minus query.</summary>
    public int Of(int distance)
    {
        int half = Count / 2, away = Math.Abs(distance);
        int bucket = away < Exact
            ? away
            : Math.Min(half - 1, Exact + (int)(MathF.Log((float)away / Exact) / MathF.Log((float)Farthest / Exact) * (half - Exact)));
        return distance > 0 ? half + bucket : bucket;
    }

    /// <summary>Adds the scores of all distances to a network.</summary>
    /// <param name="layers">The network.</param>
    /// <param name="checkpoint">Where the scores are.</param>
    /// <param name="name">The full name of the scores [buckets,heads].</param>
    /// <param name="heads">Heads of the attention.</param>
    /// <param name="positions">The longest T of any run.</param>
    /// <returns>[heads,2·positions − 1].</returns>
    public string AddBias(Layers layers, Checkpoint checkpoint, string name, int heads, int positions)
    {
        DistanceBuckets buckets = this;
        return layers.Shared($"{name}, {positions} positions", () =>
        {
            float[] ofBuckets = new float[buckets.Count * heads];
            checkpoint.Require(name, buckets.Count, heads).CopyTo(ofBuckets);
            int distances = 2 * positions - 1;
            WeightBuffer table = WeightBuffer.Allocate<float>(heads, distances);
            Span<float> values = table.Span<float>();
            for (int i = 0; i < distances; i++)
            {
                int bucket = buckets.Of(i - (positions - 1));
                for (int head = 0; head < heads; head++) values[head * distances + i] = ofBuckets[bucket * heads + head];
            }
            return table;
        });
    }
}
