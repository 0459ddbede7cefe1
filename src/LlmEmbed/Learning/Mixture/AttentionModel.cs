using System.Numerics.Tensors;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// Attention pooling with one learned query, and a regression on what it pools: a = softmaxₜ(f q·zₜ), p = Σₜ aₜ zₜ, logits = f W p + b over the
/// standardized states z of a text's tokens, with f = 4/√H. Most tokens of a text say nothing of its class, and a mean over all tokens dilutes those
/// that do. All parameters begin at 0, so that the first step is that of a regression on the mean.
/// </summary>
/// <param name="standardization">Of the states of tokens.</param>
/// <param name="classCount">C.</param>
internal sealed class AttentionModel(Standardization standardization, int classCount)
{
    /// <summary>q, [H].</summary>
    public float[] Query => Parameters[0].Values;

    /// <summary>W, [C,H].</summary>
    public float[] Weights => Parameters[1].Values;

    /// <summary>b, [C].</summary>
    public float[] Intercepts => Parameters[2].Values;

    /// <summary>Query, weights and intercepts.</summary>
    public IReadOnlyList<HeadTensor> Parameters { get; } = Of(standardization.Mean.Length, classCount);

    /// <summary>f, which makes one learning rate suit every hidden size.</summary>
    public float Factor { get; } = 4 / MathF.Sqrt(standardization.Mean.Length);

    private static HeadTensor[] Of(int size, int classCount) =>
    [
        new("query", [size], new float[size]),
        new("weight", [classCount, size], new float[classCount * size]),
        new("bias", [classCount], new float[classCount]),
    ];

    /// <summary>The query for states as they are. What standardization subtracts is the same for all tokens and drops out of the softmax.</summary>
    public float[] RawQuery() => [.. Query.Zip(standardization.Scale, (query, scale) => Factor * query / scale)];

    /// <summary>The regression, for pooled states as they are.</summary>
    public LinearHead Regression()
    {
        int size = Query.Length, outputs = LogisticLoss.OutputsFor(classCount), skipped = classCount - outputs;
        float[] weights = [.. Weights[(skipped * size)..].Select(weight => Factor * weight)], intercepts = Intercepts[skipped..];
        if (outputs == 1)
        {
            // With two classes the one output is the second against the first.
            for (int i = 0; i < size; i++) weights[i] -= Factor * Weights[i];
            intercepts[0] -= Intercepts[0];
        }
        return new LinearHead(classCount, standardization, weights, intercepts);
    }

    /// <summary>Pools the states of one text.</summary>
    /// <param name="states">[tokens,H], as they are.</param>
    /// <param name="rawQuery">[H] (see <see cref="RawQuery"/>).</param>
    /// <param name="pooled">[H], to be filled; zeros for a text without tokens.</param>
    /// <returns>[tokens], each token's share.</returns>
    public static float[] Pool(ReadOnlySpan<float> states, float[] rawQuery, Span<float> pooled)
    {
        int size = rawQuery.Length;
        float[] shares = new float[states.Length / size];
        pooled.Clear();
        if (shares.Length == 0) return shares;
        for (int t = 0; t < shares.Length; t++) shares[t] = TensorPrimitives.Dot(states.Slice(t * size, size), rawQuery);
        // TensorPrimitives does not subtract the largest score first and would overflow.
        TensorPrimitives.Subtract(shares, TensorPrimitives.Max<float>(shares), shares);
        TensorPrimitives.SoftMax<float>(shares, shares);
        for (int t = 0; t < shares.Length; t++) TensorPrimitives.MultiplyAdd(states.Slice(t * size, size), shares[t], pooled, pooled);
        return shares;
    }

    /// <summary>The standardization of the tokens of all texts at a depth.</summary>
    public static Standardization StandardizationOf(TokenStates tokens, int depth)
    {
        int size = tokens.HiddenSize, texts = tokens.Rows;
        double[] sum = new double[size], squares = new double[size], difference = new double[size];
        // Differences from some token keep the sum of squares from cancelling.
        int some = Enumerable.Range(0, texts).First(row => tokens.Of(row, depth).Length > 0);
        float[] shift = [.. tokens.Of(some, depth)[..size]], shifted = new float[size];
        long count = 0;
        for (int row = 0; row < texts; row++)
        {
            ReadOnlySpan<float> states = tokens.Of(row, depth);
            for (int t = 0; t < states.Length; t += size, count++)
            {
                TensorPrimitives.Subtract(states.Slice(t, size), shift, shifted);
                TensorPrimitives.ConvertSaturating<float, double>(shifted, difference);
                TensorPrimitives.Add(sum, difference, sum);
                TensorPrimitives.MultiplyAdd(difference, difference, squares, squares);
            }
        }
        return Standardization.FromSums(shift, sum, squares, count);
    }
}
