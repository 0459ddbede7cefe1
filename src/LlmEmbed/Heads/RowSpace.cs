using System.Numerics.Tensors;

namespace LlmEmbed.Heads;

/// <summary>
/// The same rows in as many features as there are rows. A penalized regression sees features only through the rows' inner products, so where there are
/// fewer rows than features, the Cholesky factor of these products takes the features' place: every fit is the same, up to a rotation, and much faster.
/// </summary>
internal static class RowSpace
{
    /// <summary>Added to the diagonal, as a share of its mean: centred rows are linearly dependent, and rounding makes more of them so.</summary>
    private const double Jitter = 1e-7;

    /// <param name="data">[N,F].</param>
    /// <param name="threads">Threads to use; results do not depend on it.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <returns>[N,N], standardised already.</returns>
    public static HeadTrainingData Of(HeadTrainingData data, int threads, CancellationToken cancellation)
    {
        int rows = data.Rows, columns = data.Features.Columns;
        Standardization standardization = Standardization.Of(data, threads, cancellation);
        float[] standardized = new float[rows * columns];
        for (int row = 0; row < rows; row++) standardization.Apply(data.Features.Row(row), standardized.AsSpan(row * columns, columns));

        double[] products = new double[rows * rows]; // lower triangle
        Parallel.For(0, rows, new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = cancellation }, row =>
        {
            for (int other = 0; other <= row; other++)
                products[row * rows + other] = TensorPrimitives.Dot<float>(standardized.AsSpan(row * columns, columns), standardized.AsSpan(other * columns, columns));
        });
        Factorize(products, rows);
        FeatureLayout layout = new([new FeatureView("row space", 0, Pooling.Mean, 0, rows)]);
        return new HeadTrainingData(new ArrayFeatures(products.Select(value => (float)value).ToArray(), rows, rows), data.Labels, data.ClassCount, layout);
    }

    /// <summary>Replaces the lower triangle of a symmetric matrix by its Cholesky factor.</summary>
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
        }
    }
}
