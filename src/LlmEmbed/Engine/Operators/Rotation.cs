using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace LlmEmbed.Engine;

/// <summary>
/// Multiplies blocks of a row by the Hadamard matrix of their size. Values that are far larger than the rest and lie in a few channels are spread
/// over the whole block, so that a row's largest value is only some times its usual one, and a scale by the largest value rounds the others less.
/// Weights are rotated once in the same way: the product of two rotated vectors is that of the vectors themselves, times the block size (QuaRot,
/// arXiv 2404.00456).
/// </summary>
internal static class Rotation
{
    /// <summary>Four registers hold so many values. The widths of published models are multiples of it.</summary>
    private const int LargestBlock = 64;

    /// <summary>The size of the blocks that a row is cut into: the largest power of two, up to 64, that divides its width.</summary>
    public static int BlockSize(int width) => Math.Min(LargestBlock, width & -width);

    /// <summary>Rotates a row in place.</summary>
    /// <returns>Its largest magnitude afterwards.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Apply(Span<float> row)
    {
        int block = BlockSize(row.Length);
        if (block == LargestBlock && Vector512.IsHardwareAccelerated) return ApplyInRegisters(row);
        for (int start = 0; start < row.Length; start += block) ApplyToBlock(row.Slice(start, block));
        return MathF.Abs(TensorPrimitives.MaxMagnitude<float>(row));
    }

    /// <summary>Rotates a block of n values in log₂ n steps. Each step replaces all pairs x, y at one distance by x + y, x − y.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void ApplyToBlock(Span<float> block)
    {
        for (int distance = 1; distance < block.Length; distance *= 2)
            for (int start = 0; start < block.Length; start += 2 * distance)
            {
                Span<float> first = block.Slice(start, distance), second = block.Slice(start + distance, distance);
                int i = 0;
                for (; i <= distance - Vector128<float>.Count; i += Vector128<float>.Count)
                {
                    Vector128<float> x = Vector128.LoadUnsafe(ref first[i]), y = Vector128.LoadUnsafe(ref second[i]);
                    (x + y).StoreUnsafe(ref first[i]);
                    (x - y).StoreUnsafe(ref second[i]);
                }
                for (; i < distance; i++) (first[i], second[i]) = (first[i] + second[i], first[i] - second[i]);
            }
    }

    /// <summary>The same steps for blocks of 64 in registers, the largest distance first.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float ApplyInRegisters(Span<float> row)
    {
        Vector512<float> largest = default;
        for (int i = 0; i < row.Length; i += LargestBlock)
        {
            ref float start = ref row[i];
            Vector512<float> a = Vector512.LoadUnsafe(ref start), b = Vector512.LoadUnsafe(ref start, 16);
            Vector512<float> c = Vector512.LoadUnsafe(ref start, 32), d = Vector512.LoadUnsafe(ref start, 48);
            (a, b, c, d) = (a + b, a - b, c + d, c - d);
            (a, b, c, d) = (Within(a + c), Within(b + d), Within(a - c), Within(b - d));
            a.StoreUnsafe(ref start);
            b.StoreUnsafe(ref start, 16);
            c.StoreUnsafe(ref start, 32);
            d.StoreUnsafe(ref start, 48);
            Vector512<float> ab = Vector512.Max(Vector512.Abs(a), Vector512.Abs(b)), cd = Vector512.Max(Vector512.Abs(c), Vector512.Abs(d));
            largest = Vector512.Max(largest, Vector512.Max(ab, cd));
        }
        Vector256<float> half = Vector256.Max(largest.GetLower(), largest.GetUpper());
        Vector128<float> quarter = Vector128.Max(half.GetLower(), half.GetUpper());
        return MathF.Max(MathF.Max(quarter[0], quarter[1]), MathF.Max(quarter[2], quarter[3]));
    }

    /// <summary>The steps of distance 8, 4, 2 and 1 within 16 values: each value's partner plus or minus the value itself.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Within(Vector512<float> x)
    {
        x = Vector512.FusedMultiplyAdd(
            x,
            Vector512.Create(1f, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1, -1),
            Vector512.Shuffle(x, Vector512.Create(8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)));
        x = Vector512.FusedMultiplyAdd(
            x,
            Vector512.Create(1f, 1, 1, 1, -1, -1, -1, -1, 1, 1, 1, 1, -1, -1, -1, -1),
            Vector512.Shuffle(x, Vector512.Create(4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11)));
        x = Vector512.FusedMultiplyAdd(
            x,
            Vector512.Create(1f, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1, 1, 1, -1, -1),
            Vector512.Shuffle(x, Vector512.Create(2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13)));
        return Vector512.FusedMultiplyAdd(
            x,
            Vector512.Create(1f, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1, 1, -1),
            Vector512.Shuffle(x, Vector512.Create(1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14)));
    }
}
