using LlmEmbed.Engine;
using Xunit;

namespace LlmEmbed.Tests.Engine;

/// <summary>Each operator against its formula, in widths with and without a remainder behind whole vectors.</summary>
public sealed class FusedOperatorsTests
{
    private const int Rows = 37;
    private const float Epsilon = 1e-5f;

    private readonly Random _random = new(5);

    public static TheoryData<int> Widths => [1, 15, 64, 100, 576];

    [Theory]
    [MemberData(nameof(Widths))]
    public void Rows_are_quantized_by_their_own_largest_value(int width)
    {
        float[] x = Values(Rows * width), smoothing = Positive(width);
        Array.Clear(x, 0, width); // a row of zeros has no scale
        AssertQuantized("QuantizeRows", width, (row, i) => x[row * width + i] * smoothing[i], [(x, width), (smoothing, 0)]);
    }

    public static MatrixTheoryData<string, int> FunctionsAndWidths => new(Enum.GetNames<Activation>(), [1, 15, 64, 100, 576]);

    [Theory]
    [MemberData(nameof(FunctionsAndWidths))]
    public void The_gated_unit_is_the_function_of_the_gate_times_up(string name, int width)
    {
        Activation function = Enum.Parse<Activation>(name);
        float[] product = Values(Rows * 2 * width), scale = Positive(Rows), bias = Values(2 * width), smoothing = Positive(width);
        product[0] = 1e4f; // e^x beyond what a float holds
        product[1] = -1e4f;
        float[] Half(int from) => [.. Enumerable.Range(0, Rows * width).Select(i => product[i / width * 2 * width + from + i % width])];
        double Expected(int row, int i)
        {
            double gate = product[row * 2 * width + i] * scale[row] + bias[i],
                up = product[row * 2 * width + width + i] * scale[row] + bias[width + i];
            return LayerInterpreter.Activate(gate, function) * up * smoothing[i];
        }
        string unit = FusedOperators.GateQuantize(function);
        AssertQuantized(unit, width, Expected, [(product, 2 * width), (product, 2 * width), (scale, 1), (bias, 0), (smoothing, 0)]);
        AssertQuantized(unit, width, Expected, [(Half(0), width), (Half(width), width), (scale, 1), (bias, 0), (smoothing, 0)]);
    }

    [Theory]
    [MemberData(nameof(FunctionsAndWidths))]
    public void Functions_behind_a_product_are_quantized(string name, int width)
    {
        Activation function = Enum.Parse<Activation>(name);
        float[] product = Values(Rows * width), scale = Positive(Rows), bias = Values(width), smoothing = Positive(width);
        AssertQuantized(
            FusedOperators.ActivateQuantize(function),
            width,
            (row, i) => LayerInterpreter.Activate(product[row * width + i] * scale[row] + bias[i], function) * smoothing[i],
            [(product, width), (scale, 1), (bias, 0), (smoothing, 0)]);
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void The_root_mean_square_norm_is_that_of_the_residual_sum(int width)
    {
        float[] product = Values(Rows * width), scale = Positive(Rows), bias = Values(width), residual = Values(Rows * width),
            weight = Positive(width);
        double Sum(int row, int i) => product[row * width + i] * scale[row] + bias[i] + residual[row * width + i];
        double[] norms =
            [.. Enumerable.Range(0, Rows).Select(row => 1 / Math.Sqrt(Enumerable.Range(0, width).Average(i => Sum(row, i) * Sum(row, i)) + Epsilon))];
        float[] sums = AssertQuantized(
            "AddRmsNormQuantize",
            width,
            (row, i) => Sum(row, i) * norms[row] * weight[i],
            [(product, width), (scale, 1), (bias, 0), (residual, width), (weight, 0), ([Epsilon], 0)]);
        for (int i = 0; i < sums.Length; i++) Assert.Equal(Sum(i / width, i % width), sums[i], 1e-4);
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void The_layer_norm_is_that_of_the_residual_sum(int width)
    {
        float[] product = Values(Rows * width), scale = Positive(Rows), bias = Values(width), residual = Values(Rows * width),
            weight = Positive(width), shift = Values(width), smoothing = Positive(width);
        double Normalized(int row, int i) =>
            LayerNorm(width, i, j => product[row * width + j] * scale[row] + bias[j] + residual[row * width + j], weight, shift);

        float[] normalized = AssertQuantized(
            "AddLayerNormQuantize",
            width,
            (row, i) => Normalized(row, i) * smoothing[i],
            [(product, width), (scale, 1), (bias, 0), (residual, width), (weight, 0), (shift, 0), (smoothing, 0), ([Epsilon], 0)]);
        for (int i = 0; i < normalized.Length; i += 7) Assert.Equal(Normalized(i / width, i % width), normalized[i], 1e-3);
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void The_layer_norm_in_front_of_products_keeps_the_residual_sum(int width)
    {
        float[] product = Values(Rows * width), scale = Positive(Rows), bias = Values(width), residual = Values(Rows * width),
            weight = Positive(width), shift = Values(width);
        double Sum(int row, int i) => product[row * width + i] * scale[row] + bias[i] + residual[row * width + i];
        float[] sums = AssertQuantized(
            "AddPreLayerNormQuantize",
            width,
            (row, i) => LayerNorm(width, i, j => Sum(row, j), weight, shift),
            [(product, width), (scale, 1), (bias, 0), (residual, width), (weight, 0), (shift, 0), ([Epsilon], 0)]);
        for (int i = 0; i < sums.Length; i++) Assert.Equal(Sum(i / width, i % width), sums[i], 1e-4);
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void The_layer_norm_in_fp32_is_that_of_the_residual_sum(int width)
    {
        float[] product = Values(Rows * width), bias = Values(width), residual = Values(Rows * width), weight = Positive(width),
            shift = Values(width);
        AssertClose(
            "AddLayerNorm",
            width,
            (row, i) => LayerNorm(width, i, j => product[row * width + j] + bias[j] + residual[row * width + j], weight, shift),
            [(product, width), (bias, 0), (residual, width), (weight, 0), (shift, 0), ([Epsilon], 0)]);
    }

    [Theory]
    [MemberData(nameof(Widths))]
    public void Gelu_in_fp32_is_the_one_with_the_error_function(int width)
    {
        float[] product = Values(Rows * width), bias = Values(width);
        product[0] = -50;
        double Gelu(double x) => x * NormalDistribution(x);
        AssertClose("GeluRows", width, (row, i) => Gelu(product[row * width + i] + bias[i]), [(product, width), (bias, 0)]);
    }

    private static double LayerNorm(int width, int i, Func<int, double> sum, float[] weight, float[] shift)
    {
        double[] sums = [.. Enumerable.Range(0, width).Select(sum)];
        double mean = sums.Average();
        return (sums[i] - mean) / Math.Sqrt(sums.Average(value => (value - mean) * (value - mean)) + Epsilon) * weight[i] + shift[i];
    }

    /// <summary>Runs an operator with one fp32 result and compares that, with what fp32 rounds away.</summary>
    private static void AssertClose(string name, int width, Func<int, int, double> expected, (float[] Values, int Width)[] inputs)
    {
        OnnxGraph graph = new();
        using GraphFeeds feeds = new();
        graph.Output(graph.Node(name, Feed(graph, feeds, inputs)), "y", OnnxType.Float, Rows, width);
        using GraphSession session = new(graph, threads: 2);
        using GraphResults results = session.Run(feeds);
        for (int i = 0; i < Rows * width; i += 3)
            Assert.Equal(
                expected(i / width, i % width), results.Span<float>(0)[i], 2e-6 * Math.Max(1, Math.Abs(expected(i / width, i % width))) + 1e-5);
    }

    private static string[] Feed(OnnxGraph graph, GraphFeeds feeds, (float[] Values, int Width)[] inputs)
    {
        string[] names = new string[inputs.Length];
        for (int i = 0; i < inputs.Length; i++)
        {
            (float[] values, int inputWidth) = inputs[i];
            long[] shape = inputWidth == 0 ? [values.Length] : [Rows, inputWidth];
            names[i] = graph.Input($"x{i}", OnnxType.Float, [.. shape.Select(size => (int?)size)]);
            feeds.Add(names[i], values, shape);
        }
        return names;
    }

    /// <summary>Runs the operator and compares its quantized result with the rotated formula, half a step being what rounding may take.</summary>
    /// <returns>The third result, where the operator has one.</returns>
    private static float[] AssertQuantized(string name, int width, Func<int, int, double> expected, (float[] Values, int Width)[] inputs)
    {
        OnnxGraph graph = new();
        using GraphFeeds feeds = new();
        string[] names = Feed(graph, feeds, inputs);
        bool hasSum = name.StartsWith("Add", StringComparison.Ordinal);
        graph.Node(name, names, hasSum ? ["q", "s", "sum"] : ["q", "s"]);
        graph.Output("q", "quantized", OnnxType.UInt8, Rows, width);
        graph.Output("s", "scale", OnnxType.Float, Rows, 1);
        if (hasSum) graph.Output("sum", "total", OnnxType.Float, Rows, width);
        using GraphSession session = new(graph, threads: 2);
        using GraphResults results = session.Run(feeds);
        ReadOnlySpan<byte> quantized = results.Span<byte>(0);
        ReadOnlySpan<float> scales = results.Span<float>(1);
        for (int row = 0; row < Rows; row++)
        {
            double[] rotated = RotationTests.ByDefinition([.. Enumerable.Range(0, width).Select(i => expected(row, i))]);
            double largest = rotated.Max(Math.Abs);
            Assert.Equal(largest / 127, scales[row], largest * 1e-5 + 1e-8); // GELU is exact to 1.5e-7
            for (int i = 0; i < width; i += 3)
                Assert.Equal(rotated[i], (quantized[row * width + i] - FusedOperators.ZeroPoint) * scales[row], scales[row] * 0.51 + 1e-5);
        }
        return hasSum ? results.Span<float>(2).ToArray() : [];
    }

    /// <summary>Φ(x), by Simpson's rule: slow, and nothing like what is tested.</summary>
    internal static double NormalDistribution(double x)
    {
        if (Math.Abs(x) > 9) return x > 0 ? 1 : 0;
        const int Steps = 2000;
        double h = x / Steps, sum = 0;
        for (int i = 0; i <= Steps; i++) sum += Math.Exp(-(i * h) * (i * h) / 2) * (i is 0 or Steps ? 1 : i % 2 == 1 ? 4 : 2);
        return 0.5 + sum * h / 3 / Math.Sqrt(2 * Math.PI);
    }

    private float[] Values(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(_random.NextDouble() * 6 - 3))];

    private float[] Positive(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(_random.NextDouble() * 2 + 0.1))];
}
