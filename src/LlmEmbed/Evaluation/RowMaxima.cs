using System.Numerics;
using System.Numerics.Tensors;

namespace LlmEmbed.Evaluation;

/// <summary>Turns logits or probabilities into predicted classes.</summary>
internal static class RowMaxima
{
    /// <returns>[N], for each row of [N,C] the index of its largest value.</returns>
    public static int[] IndexesOf<T>(ReadOnlySpan<T> values, int classCount)
        where T : INumber<T>
    {
        int[] indexes = new int[values.Length / classCount];
        for (int row = 0; row < indexes.Length; row++) indexes[row] = TensorPrimitives.IndexOfMax(values.Slice(row * classCount, classCount));
        return indexes;
    }
}
