using System.Numerics;
using LlmEmbed.Engine;
using Xunit;

namespace LlmEmbed.Tests.Engine;

public sealed class RotationTests
{
    private readonly Random _random = new(3);

    [Theory]
    [InlineData(1, 1)]
    [InlineData(15, 1)]
    [InlineData(24, 8)]
    [InlineData(64, 64)]
    [InlineData(100, 4)]
    [InlineData(128, 64)]
    [InlineData(576, 64)]
    public void A_row_is_multiplied_block_by_block_by_a_hadamard_matrix(int width, int block)
    {
        float[] row = Values(width);
        double[] expected = ByDefinition([.. row.Select(value => (double)value)]);

        float largest = Rotation.Apply(row);

        Assert.Equal(block, Rotation.BlockSize(width));
        for (int i = 0; i < width; i++) Assert.Equal(expected[i], row[i], 1e-5);
        Assert.Equal(row.Max(MathF.Abs), largest);
    }

    /// <summary>The block's own steps are what machines without registers of 512 bits take for every block.</summary>
    [Fact]
    public void Both_ways_through_the_largest_block_agree()
    {
        float[] inRegisters = Values(64), inSteps = [.. inRegisters];

        _ = Rotation.Apply(inRegisters);
        Rotation.ApplyToBlock(inSteps);

        for (int i = 0; i < 64; i++) Assert.Equal(inSteps[i], inRegisters[i], 1e-5);
    }

    [Fact]
    public void Rotated_vectors_have_the_product_of_the_vectors_times_the_block_size()
    {
        float[] x = Values(192), w = Values(192);
        double product = x.Zip(w, (a, b) => (double)a * b).Sum();

        _ = Rotation.Apply(x);
        _ = Rotation.Apply(w);

        Assert.Equal(product, x.Zip(w, (a, b) => (double)a * b).Sum() / 64, 1e-4);
    }

    /// <summary>Entry (i, j) of a Hadamard matrix is +1 where i and j have an even number of ones in common, -1 elsewhere.</summary>
    internal static double[] ByDefinition(double[] row)
    {
        int block = 1;
        while (block < 64 && row.Length % (2 * block) == 0) block *= 2;
        return [.. row.Select((_, i) => Enumerable.Range(0, block).Sum(j => row[i / block * block + j] * Entry(i % block, j)))];

        static int Entry(int i, int j) => BitOperations.PopCount((uint)(i & j)) % 2 == 0 ? 1 : -1;
    }

    private float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(_random.NextDouble() * 6 - 3))];
}
