using System.Numerics.Tensors;
using LlmEmbed.Engine;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// The same rows in as many features as there are rows. A penalized regression depends on the features only through the inner products of rows. If
/// there are fewer rows than features, the Cholesky factor of these products can stand in for the features: every fit is the same, up to a rotation,
/// and much faster. The products of several views are the sums of the products of each view, so that each view is multiplied only once for all sets
/// of views.
/// </summary>
internal sealed class RowSpace(HeadTrainingData data, int threads, CancellationToken cancellationToken) : IDisposable
{
    /// <summary>
    /// The share of the mean of the diagonal that is added to the diagonal. Without it the factor would not exist, because centred rows are linearly
    /// dependent.
    /// </summary>
    private const double Jitter = 1e-6;

    private readonly GraphSession _engine = new(ProductsGraph(), threads);
    private readonly Dictionary<ViewKey, float[]> _products = [];

    /// <param name="views">Views of the data.</param>
    /// <returns>[N,N], standardized already.</returns>
    public HeadTrainingData Of(IReadOnlyList<ViewKey> views)
    {
        int rows = data.Rows;
        double[] products = new double[rows * rows];
        foreach (ViewKey view in views)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (!_products.TryGetValue(view, out float[]? own)) _products.Add(view, own = ProductsOf(view));
            for (int i = 0; i < products.Length; i++) products[i] += own[i];
        }
        Factorize(products, rows);
        FeatureLayout layout = new([new FeatureView("row space", 0, Pooling.Mean, 0, rows)]);
        ArrayFeatures features = new(products.Select(value => (float)value).ToArray(), rows, rows);
        return new HeadTrainingData(features, data.Labels, data.ClassCount, layout) { Groups = data.Groups };
    }

    public void Dispose() => _engine.Dispose();

    /// <summary>[N,N], of one view's standardized features.</summary>
    private float[] ProductsOf(ViewKey view)
    {
        HeadTrainingData part = data.SelectViews([view]);
        Standardization standardization = Standardization.Of(part, threads, cancellationToken);
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
            {
                double product = TensorPrimitives.Dot<double>(own[..column], matrix.AsSpan(column * size, column));
                own[column] = (own[column] - product) / matrix[column * size + column];
            }
            own[row] = Math.Sqrt(Math.Max(own[row] - TensorPrimitives.SumOfSquares<double>(own[..row]), Jitter * mean));
            own[(row + 1)..].Clear();
        }
    }
}
