using System.Numerics.Tensors;
using LlmEmbed.Engine;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// The same rows in as many features as there are rows. A penalized regression sees features only through the rows' inner products, so where there are
/// fewer rows than features, the Cholesky factor of these products takes the features' place: every fit is the same, up to a rotation, and much faster. The products
/// of several views are the sum of each view's, so sets of views share them.
/// </summary>
internal sealed class RowSpace(HeadTrainingData data, int threads, CancellationToken cancellation) : IDisposable
{
    /// <summary>Added to the diagonal, as a share of its mean: centred rows are linearly dependent, and rounding makes more of them so.</summary>
    private const double Jitter = 1e-6;

    private readonly GraphSession _engine = new(ProductsGraph(), threads);
    private readonly Dictionary<int, float[]> _products = [];

    /// <param name="views">Indexes of views of the data.</param>
    /// <returns>[N,N], standardised already.</returns>
    public HeadTrainingData Of(IReadOnlyList<int> views)
    {
        int rows = data.Rows;
        double[] products = new double[rows * rows];
        foreach (int view in views)
        {
            cancellation.ThrowIfCancellationRequested();
            if (!_products.TryGetValue(view, out float[]? own)) _products.Add(view, own = ProductsOf(view));
            for (int i = 0; i < products.Length; i++) products[i] += own[i];
        }
        Factorize(products, rows);
        FeatureLayout layout = new([new FeatureView("row space", 0, Pooling.Mean, 0, rows)]);
        return new HeadTrainingData(new ArrayFeatures(products.Select(value => (float)value).ToArray(), rows, rows), data.Labels, data.ClassCount, layout) { Groups = data.Groups };
    }

    public void Dispose() => _engine.Dispose();

    /// <summary>[N,N], of one view's standardised features.</summary>
    private float[] ProductsOf(int view)
    {
        HeadTrainingData part = data.SelectViews([view]);
        Standardization standardization = Standardization.Of(part, threads, cancellation);
        int columns = part.Features.Columns;
        float[] standardized = new float[part.Rows * columns];
        for (int row = 0; row < part.Rows; row++) standardization.Apply(part.Features.Row(row), standardized.AsSpan(row * columns, columns));
        using GraphFeeds feeds = new GraphFeeds().Add("x", standardized, part.Rows, columns);
        using GraphResults results = _engine.Run(feeds);
        return results.Span<float>(0).ToArray();
    }

    private static OnnxGraph ProductsGraph()
    {
        OnnxGraph graph = new();
        string x = graph.Input("x", OnnxType.Float, null, null); // [N,F]
        graph.Output(graph.Node("FusedMatMul", [x, x], ("transB", 1)), "products", OnnxType.Float, null, null); // [N,N]
        return graph;
    }

    /// <summary>Replaces a symmetric matrix by its lower Cholesky factor.</summary>
    private static void Factorize(double[] matrix, int size)
    {
        double mean = Enumerable.Range(0, size).Average(i => matrix[i * size + i]);
        for (int row = 0; row < size; row++)
        {
            Span<double> own = matrix.AsSpan(row * size, size);
            own[row] += Jitter * mean;
            for (int column = 0; column < row; column++)
                own[column] = (own[column] - TensorPrimitives.Dot<double>(own[..column], matrix.AsSpan(column * size, column))) / matrix[column * size + column];
            own[row] = Math.Sqrt(Math.Max(own[row] - TensorPrimitives.SumOfSquares<double>(own[..row]), Jitter * mean));
            own[(row + 1)..].Clear();
        }
    }
}
