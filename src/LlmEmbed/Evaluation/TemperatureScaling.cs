using System.Numerics.Tensors;

namespace LlmEmbed.Evaluation;

/// <summary>
/// Turns logits into probabilities, with one number (the temperature) that makes them softer or sharper, so that of the texts with a probability of
/// 80 % about 80 % are right.
/// </summary>
internal static class TemperatureScaling
{
    /// <summary>
    /// The bounds of the temperature. Without them, logits that separate the classes perfectly would lead to a temperature of zero.
    /// </summary>
    private const double Least = 0.01, Greatest = 100;

    /// <summary>Replaces each row of logits by softmax(logits / temperature).</summary>
    public static void ToProbabilities(Span<float> logits, int classCount, double temperature)
    {
        for (int start = 0; start < logits.Length; start += classCount)
        {
            Span<float> row = logits.Slice(start, classCount);
            TensorPrimitives.Divide(row, (float)temperature, row);
            TensorPrimitives.Subtract(row, TensorPrimitives.Max(row), row); // Softmax does not guard against overflow by itself.
            TensorPrimitives.SoftMax(row, row);
        }
    }

    /// <summary>[N,C], the logarithms of softmax(logits / temperature).</summary>
    public static double[] LogProbabilities(ReadOnlySpan<double> logits, int classCount, double temperature)
    {
        double[] logs = new double[logits.Length];
        TensorPrimitives.Divide(logits, temperature, logs);
        for (int start = 0; start < logs.Length; start += classCount)
        {
            Span<double> row = logs.AsSpan(start, classCount);
            double max = TensorPrimitives.Max<double>(row), total = 0;
            foreach (double value in row) total += Math.Exp(value - max);
            TensorPrimitives.Subtract(row, max + Math.Log(total), row);
        }
        return logs;
    }

    /// <summary>
    /// The share of each target that is spread evenly over all classes where a temperature is fitted to so many texts. Without it, a few texts that
    /// all happen to be right would lead to certainty. A share of 1/(N+2), after Platt, keeps the doubt that few texts leave, and vanishes with many.
    /// </summary>
    /// <param name="texts">N.</param>
    /// <param name="doubt">How many texts' worth of targets are spread.</param>
    public static double SmoothingFor(int texts, double doubt = 1) => doubt / (texts + 2);

    /// <summary>The temperature with the least mean negative log likelihood.</summary>
    /// <param name="logits">[N,C], row after row, of texts that the head was not trained on.</param>
    /// <param name="labels">[N], the true class of each row.</param>
    /// <param name="smoothing">The share of each target that is spread evenly over all classes (see <see cref="SmoothingFor"/>).</param>
    public static double Fit(ReadOnlySpan<double> logits, ReadOnlySpan<int> labels, double smoothing = 0)
    {
        // The loss is convex in the inverse temperature. Its minimum is bracketed by the sign of its slope; Newton's steps are taken if they stay
        // inside.
        (double low, double high) = (1 / Greatest, 1 / Least);
        double inverse = 1;
        for (int iteration = 0; iteration < 200 && high - low > 1e-14 * high; iteration++)
        {
            (double slope, double curvature) = Derivatives(logits, labels, inverse, smoothing);
            if (slope > 0) high = inverse;
            else low = inverse;
            double next = inverse - slope / curvature;
            if (!(next > low && next < high)) next = Math.Sqrt(low * high);
            if (Math.Abs(next - inverse) <= 1e-14 * inverse) break;
            inverse = next;
        }
        return 1 / inverse;
    }

    /// <summary>The derivative of the sum of the negative log likelihoods by the logarithm of the temperature.</summary>
    /// <inheritdoc cref="Fit"/>
    public static double SlopeByLog(ReadOnlySpan<double> logits, ReadOnlySpan<int> labels, double temperature, double smoothing) =>
        -labels.Length * Derivatives(logits, labels, 1 / temperature, smoothing).Slope / temperature;

    /// <summary>
    /// How surely a fitted temperature is known: the second derivative of the sum of the negative log likelihoods by the logarithm of the
    /// temperature, where the first one is 0.
    /// </summary>
    public static double Precision(ReadOnlySpan<double> logits, ReadOnlySpan<int> labels, double temperature) =>
        labels.Length * Derivatives(logits, labels, 1 / temperature, smoothing: 0).Curvature / (temperature * temperature);

    /// <summary>[N], for each row the negative log likelihood of its label under softmax(logits / temperature).</summary>
    public static double[] NegativeLogLikelihoods(ReadOnlySpan<double> logits, ReadOnlySpan<int> labels, double temperature)
    {
        int classCount = logits.Length / labels.Length;
        double[] losses = new double[labels.Length];
        for (int i = 0; i < losses.Length; i++)
        {
            ReadOnlySpan<double> row = logits.Slice(i * classCount, classCount);
            double max = TensorPrimitives.Max(row), total = 0;
            foreach (double logit in row) total += Math.Exp((logit - max) / temperature);
            losses[i] = Math.Log(total) - (row[labels[i]] - max) / temperature;
        }
        return losses;
    }

    /// <summary>
    /// The first and the second derivative of the mean negative log likelihood with respect to the inverse temperature. They are the mean of the
    /// logits under the model minus that of the targets, and the variance of the logits under the model.
    /// </summary>
    private static (double Slope, double Curvature) Derivatives(
        ReadOnlySpan<double> logits, ReadOnlySpan<int> labels, double inverse, double smoothing)
    {
        int classCount = logits.Length / labels.Length;
        double slope = 0, curvature = 0;
        for (int i = 0; i < labels.Length; i++)
        {
            ReadOnlySpan<double> row = logits.Slice(i * classCount, classCount);
            double max = TensorPrimitives.Max(row), total = 0, first = 0, second = 0;
            foreach (double logit in row)
            {
                double below = logit - max;
                double weight = Math.Exp(inverse * below);
                total += weight;
                first += weight * below;
                second += weight * below * below;
            }
            double mean = first / total;
            double target = (1 - smoothing) * row[labels[i]] + smoothing * TensorPrimitives.Sum(row) / classCount - max;
            slope += mean - target;
            curvature += second / total - mean * mean;
        }
        return (slope / labels.Length, curvature / labels.Length);
    }
}
