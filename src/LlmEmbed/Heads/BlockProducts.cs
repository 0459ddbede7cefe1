using System.Numerics;
using System.Numerics.Tensors;
using LlmEmbed.Graphs;

namespace LlmEmbed.Heads;

/// <summary>The two products of features with few columns that a linear model's fit consists of. Thread-safe; each call works on one thread.</summary>
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

/// <summary>For few outputs: row by row, in blocks small enough to lie in the cache still when the gradient reads them again.</summary>
internal sealed class RowProducts<T>(int columns) : IBlockProducts<T>
    where T : unmanaged, INumber<T>
{
    public int BlockRows => 32;

    public void Logits(T[] x, int count, T[] weights, T[] intercepts, T[] logits)
    {
        for (int row = 0; row < count; row++)
            for (int output = 0; output < intercepts.Length; output++)
            {
                logits[row * intercepts.Length + output] = intercepts[output]
                    + TensorPrimitives.Dot(x.AsSpan(row * columns, columns), weights.AsSpan(output * columns, columns));
            }
    }

    public void AddGradient(T[] x, int count, T[] residuals, int outputs, T[] gradient)
    {
        for (int output = 0; output < outputs; output++)
        {
            Span<T> sum = gradient.AsSpan(output * columns, columns);
            for (int row = 0; row < count; row++)
            {
                T residual = residuals[row * outputs + output];
                if (residual != T.Zero) TensorPrimitives.MultiplyAdd(x.AsSpan(row * columns, columns), residual, sum, sum);
            }
        }
    }

    public void Dispose()
    {
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
        // One thread for a product: the caller runs several at once, and that divides the work without any seams.
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
        TensorPrimitives.Add(gradient, results.Span<float>(0), gradient);
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
