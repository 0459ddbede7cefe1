using System.Numerics.Tensors;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>Brings features to mean 0 and deviation 1. Labels play no part in it.</summary>
internal sealed class Standardization
{
    private const int BlockRows = 512;

    /// <summary>
    /// Deviations below this share of the mean are rounding noise. The state at a decoder's first token is the same for every text and its features
    /// reach thousands. Without this limit its noise would be scaled up to the size of the other features.
    /// </summary>
    private const double LeastRelativeDeviation = 1e-6;

    private readonly float[] _inverseScale;
    private readonly float[] _shift;

    /// <param name="mean">[F].</param>
    /// <param name="scale">[F], the population deviation, 1 for features that do not vary.</param>
    public Standardization(float[] mean, float[] scale)
    {
        (Mean, Scale) = (mean, scale);
        _inverseScale = [.. scale.Select(s => 1 / s)];
        _shift = [.. mean.Zip(_inverseScale, (m, inverse) => -m * inverse)];
    }

    public float[] Mean { get; }

    public float[] Scale { get; }

    public IReadOnlyList<HeadTensor> Tensors => [new HeadTensor("mean", [Mean.Length], Mean), new HeadTensor("scale", [Scale.Length], Scale)];

    public static Standardization Load(IReadOnlyList<HeadTensor> tensors, int featureCount)
    {
        float[] scale = HeadTensor.Take(tensors, "scale", featureCount);
        if (!scale.All(s => s > 0))
            throw new LlmEmbedException($"The head's tensor 'scale' holds {scale.First(s => !(s > 0))}, expected numbers above 0.");
        return new(HeadTensor.Take(tensors, "mean", featureCount), scale);
    }

    /// <summary>A standardization that leaves features as they are.</summary>
    public static Standardization None(int featureCount) => new(new float[featureCount], [.. Enumerable.Repeat(1f, featureCount)]);

    /// <summary>The standardization that suits rows with labels, which are what it is known to suit.</summary>
    public static Standardization Of(HeadTrainingData data, int threads, CancellationToken cancellationToken)
    {
        FeatureMatrix features = data.Features;
        int columns = features.Columns, rows = data.LabelledRows;
        float[] shift = features.Row(0).ToArray(); // Differences from some row keep the sum of squares from cancelling.
        int blocks = (rows + BlockRows - 1) / BlockRows;
        double[] sum = new double[columns], squares = new double[columns];
        // Each thread takes some of the columns, not of the rows, so that no sum depends on the number of threads.
        int share = (columns + threads - 1) / threads;
        for (int block = 0; block < blocks; block++)
        {
            int first = block * BlockRows, count = Math.Min(BlockRows, rows - first);
            Memory<float> values = features.Block(first, count);
            ParallelOptions options = new() { MaxDegreeOfParallelism = threads, CancellationToken = cancellationToken };
            Parallel.For(0, threads, options, part =>
            {
                int from = part * share, to = Math.Min(columns, from + share);
                for (int row = 0; row < count; row++)
                {
                    ReadOnlySpan<float> own = values.Span.Slice(row * columns, columns);
                    for (int column = from; column < to; column++)
                    {
                        double difference = (double)own[column] - shift[column];
                        sum[column] += difference;
                        squares[column] += difference * difference;
                    }
                }
            });
        }

        if (!squares.All(double.IsFinite)) throw data.NonFinite();
        return FromSums(shift, sum, squares, rows);
    }

    /// <summary>The standardization of rows whose sums are known.</summary>
    /// <param name="shift">[F], what was subtracted from each row. It is near the mean, so that the sum of squares does not cancel.</param>
    /// <param name="sum">[F], of the differences.</param>
    /// <param name="squares">[F], of their squares.</param>
    /// <param name="rows">How many.</param>
    public static Standardization FromSums(float[] shift, double[] sum, double[] squares, long rows)
    {
        float[] mean = new float[shift.Length], scale = new float[shift.Length];
        for (int column = 0; column < shift.Length; column++)
        {
            double offset = sum[column] / rows;
            double deviation = Math.Sqrt(Math.Max(0, squares[column] / rows - offset * offset));
            mean[column] = (float)(shift[column] + offset);
            scale[column] = deviation <= LeastRelativeDeviation * Math.Abs(mean[column]) ? 1 : (float)deviation;
        }
        return new Standardization(mean, scale);
    }

    /// <summary>Writes (x - mean) / scale of one row; the fused product and sum round once, so that large means cost no digits.</summary>
    public void Apply(ReadOnlySpan<float> row, Span<float> standardized) =>
        TensorPrimitives.FusedMultiplyAdd(row, _inverseScale, _shift, standardized);

    /// <summary>The same numbers before they are rounded to single precision.</summary>
    public void Apply(ReadOnlySpan<float> row, Span<double> standardized)
    {
        for (int column = 0; column < row.Length; column++) standardized[column] = (double)row[column] * _inverseScale[column] + _shift[column];
    }
}
