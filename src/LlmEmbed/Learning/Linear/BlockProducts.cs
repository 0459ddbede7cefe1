using System.Numerics.Tensors;
using System.Runtime.Intrinsics;
using LlmEmbed.Engine;

namespace LlmEmbed.Learning;

/// <summary>
/// The two products of features with few columns that a linear model's fit consists of. Thread-safe; each call works on one thread.
/// </summary>
internal interface IBlockProducts<T> : IDisposable
    where T : unmanaged
{
    /// <summary>The most rows that one call takes.</summary>
    int BlockRows { get; }

    /// <summary>logits [n,M] = X [n,F] · weights [M,F]ᵀ + intercepts [M].</summary>
    void Logits(T[] x, int count, T[] weights, T[] intercepts, T[] logits);

    /// <summary>gradient [M,F] += residuals [n,M]ᵀ · X [n,F].</summary>
    void AddGradient(T[] x, int count, T[] residuals, int outputs, T[] gradient);
}

/// <summary>For small problems, in double precision: row by row.</summary>
internal sealed class ExactProducts(int columns) : IBlockProducts<double>
{
    public int BlockRows => 32;

    public void Logits(double[] x, int count, double[] weights, double[] intercepts, double[] logits)
    {
        for (int row = 0; row < count; row++)
            for (int output = 0; output < intercepts.Length; output++)
            {
                logits[row * intercepts.Length + output] = intercepts[output]
                    + TensorPrimitives.Dot<double>(x.AsSpan(row * columns, columns), weights.AsSpan(output * columns, columns));
            }
    }

    public void AddGradient(double[] x, int count, double[] residuals, int outputs, double[] gradient)
    {
        for (int output = 0; output < outputs; output++)
        {
            Span<double> sum = gradient.AsSpan(output * columns, columns);
            for (int row = 0; row < count; row++)
                TensorPrimitives.MultiplyAdd(x.AsSpan(row * columns, columns), residuals[row * outputs + output], sum, sum);
        }
    }

    public void Dispose()
    {
    }
}

/// <summary>
/// For few outputs, for which a product takes little more time than reading the features. It works on four rows at once, so that weights and sums are
/// loaded for every fourth product only, and on tiles of columns that stay in the first cache while all outputs use them.
/// </summary>
internal sealed class NarrowProducts(int columns) : IBlockProducts<float>
{
    private const int Group = 4, Tile = 1024;

    private static readonly int Lanes = Vector512<float>.Count;

    /// <summary>Few enough to lie in the second cache still when the gradient reads them again.</summary>
    public int BlockRows => 16;

    public void Logits(float[] x, int count, float[] weights, float[] intercepts, float[] logits)
    {
        int outputs = intercepts.Length;
        for (int row = 0; row < count; row++) intercepts.CopyTo(logits, row * outputs);
        for (int first = 0; first < count; first += Group)
            for (int tile = 0; tile < columns; tile += Tile)
                for (int output = 0; output < outputs; output++)
                {
                    Vector128<float> products = Dots(
                        x, first * columns + tile, weights.AsSpan(output * columns + tile, Math.Min(Tile, columns - tile)));
                    for (int row = first; row < Math.Min(count, first + Group); row++) logits[row * outputs + output] += products[row - first];
                }
    }

    public void AddGradient(float[] x, int count, float[] residuals, int outputs, float[] gradient)
    {
        for (int tile = 0; tile < columns; tile += Tile)
            for (int first = 0; first < count; first += Group)
                for (int output = 0; output < outputs; output++)
                {
                    Vector128<float> factors = default; // 0 for rows that are not there
                    for (int row = first; row < Math.Min(count, first + Group); row++)
                        factors = factors.WithElement(row - first, residuals[row * outputs + output]);
                    if (factors != default)
                        AddScaled(x, first * columns + tile, factors, gradient.AsSpan(output * columns + tile, Math.Min(Tile, columns - tile)));
                }
    }

    public void Dispose()
    {
    }

    /// <summary>Products of four rows with one vector. Rows that are not there give numbers that nobody reads.</summary>
    private Vector128<float> Dots(float[] x, int start, ReadOnlySpan<float> weights)
    {
        ref float row = ref x[start];
        ref float row1 = ref x[start + columns], row2 = ref x[start + 2 * columns], row3 = ref x[start + 3 * columns];
        Vector512<float> a = default, b = default, c = default, d = default;
        int i = 0;
        for (; i <= weights.Length - Lanes; i += Lanes)
        {
            Vector512<float> weight = Vector512.LoadUnsafe(in weights[i]);
            a = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref row, (nuint)i), weight, a);
            b = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref row1, (nuint)i), weight, b);
            c = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref row2, (nuint)i), weight, c);
            d = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref row3, (nuint)i), weight, d);
        }
        Vector128<float> sums = Vector128.Create(Vector512.Sum(a), Vector512.Sum(b), Vector512.Sum(c), Vector512.Sum(d));
        for (; i < weights.Length; i++)
            sums += weights[i] * Vector128.Create(x[start + i], x[start + columns + i], x[start + 2 * columns + i], x[start + 3 * columns + i]);
        return sums;
    }

    /// <summary>sum += four rows, each times its factor.</summary>
    private void AddScaled(float[] x, int start, Vector128<float> factors, Span<float> sum)
    {
        ref float row = ref x[start];
        ref float row1 = ref x[start + columns], row2 = ref x[start + 2 * columns], row3 = ref x[start + 3 * columns];
        Vector512<float> a = Vector512.Create(factors[0]), b = Vector512.Create(factors[1]);
        Vector512<float> c = Vector512.Create(factors[2]), d = Vector512.Create(factors[3]);
        int i = 0;
        for (; i <= sum.Length - Lanes; i += Lanes)
        {
            Vector512<float> value = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref row, (nuint)i), a, Vector512.LoadUnsafe(in sum[i]));
            value = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref row1, (nuint)i), b, value);
            value = Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref row2, (nuint)i), c, value);
            Vector512.FusedMultiplyAdd(Vector512.LoadUnsafe(ref row3, (nuint)i), d, value).StoreUnsafe(ref sum[i]);
        }
        for (; i < sum.Length; i++)
        {
            Vector128<float> column = Vector128.Create(x[start + i], x[start + columns + i], x[start + 2 * columns + i], x[start + 3 * columns + i]);
            sum[i] += Vector128.Dot(factors, column);
        }
    }
}

/// <summary>For many outputs: matrix products of the graph engine.</summary>
internal sealed class EngineProducts : IBlockProducts<float>
{
    private readonly int _columns;
    private readonly GraphSession _logits;
    private readonly GraphSession _gradient;

    public EngineProducts(int columns)
    {
        _columns = columns;
        // Each product takes one thread, because the caller runs several products at once.
        _logits = new GraphSession(LogitsGraph(), threads: 1);
        _gradient = new GraphSession(GradientGraph(), threads: 1);
    }

    public int BlockRows => 512;

    public void Logits(float[] x, int count, float[] weights, float[] intercepts, float[] logits)
    {
        using GraphFeeds feeds = new GraphFeeds()
            .Add("x", x, count, _columns)
            .Add("weights", weights, intercepts.Length, _columns)
            .Add("intercepts", intercepts, intercepts.Length);
        using GraphResults results = _logits.Run(feeds);
        results.Span<float>(0).CopyTo(logits);
    }

    public void AddGradient(float[] x, int count, float[] residuals, int outputs, float[] gradient)
    {
        using GraphFeeds feeds = new GraphFeeds()
            .Add("residuals", residuals, count, outputs)
            .Add("x", x, count, _columns);
        using GraphResults results = _gradient.Run(feeds);
        TensorPrimitives.Add(gradient.AsSpan(0, outputs * _columns), results.Span<float>(0), gradient);
    }

    public void Dispose()
    {
        _logits.Dispose();
        _gradient.Dispose();
    }

    private static OnnxGraph LogitsGraph()
    {
        OnnxGraph graph = new();
        string x = graph.Input("x", OnnxType.Float, null, null); // [n,F]
        string weights = graph.Input("weights", OnnxType.Float, null, null); // [M,F]
        string intercepts = graph.Input("intercepts", OnnxType.Float, [null]); // [M]
        graph.Output(graph.Node("Gemm", [x, weights, intercepts], ("transB", 1)), "logits", OnnxType.Float, null, null); // [n,M]
        return graph;
    }

    private static OnnxGraph GradientGraph()
    {
        OnnxGraph graph = new();
        string residuals = graph.Input("residuals", OnnxType.Float, null, null); // [n,M]
        string x = graph.Input("x", OnnxType.Float, null, null); // [n,F]
        graph.Output(graph.Node("Gemm", [residuals, x], ("transA", 1)), "gradient", OnnxType.Float, null, null); // [M,F]
        return graph;
    }
}
