using System.Numerics.Tensors;

namespace LlmEmbed.Learning;

/// <summary>
/// Weights of a mixture of log-probabilities, from predictions of texts that the experts had not seen: not negative, summing to 1, with the least
/// log loss, and drawn towards given shares. The pull does not grow with the number of texts, so that it decides with few and fades with many.
/// </summary>
internal static class MixtureWeights
{
    /// <summary>How strongly the weights are drawn: as much as the evidence of about so many texts.</summary>
    private const double Pull = 5;

    private const double Tolerance = 1e-9;

    private const int MostEvaluations = 200;

    /// <param name="logProbabilities">For each of E experts the log-probabilities [N,C].</param>
    /// <param name="labels">[N].</param>
    /// <param name="shares">[E], positive, towards which the weights are drawn; they are brought to a sum of 1.</param>
    /// <returns>[E].</returns>
    public static double[] Learn(IReadOnlyList<double[]> logProbabilities, int[] labels, IReadOnlyList<double> shares)
    {
        double total = shares.Sum();
        double[] prior = [.. shares.Select(share => share / total)];
        LimitedMemoryBfgs minimizer = new([.. prior.Select(share => Math.Log(share))], Tolerance);
        double[] weights = new double[prior.Length], slopes = new double[prior.Length], gradient = new double[prior.Length];
        for (int evaluation = 0; evaluation < MostEvaluations && !minimizer.Done; evaluation++)
        {
            SoftMax(minimizer.Point, weights);
            double loss = LossAndSlopes(logProbabilities, labels, weights, slopes);
            double mean = TensorPrimitives.Dot<double>(weights, slopes);
            for (int i = 0; i < weights.Length; i++)
            {
                loss -= Pull * prior[i] * Math.Log(Math.Max(weights[i], double.Epsilon));
                gradient[i] = weights[i] * (slopes[i] - mean) + Pull * (weights[i] - prior[i]);
            }
            minimizer.Report(loss, gradient);
        }
        SoftMax(minimizer.Best, weights);
        return weights;
    }

    /// <summary>The weighted sum of log-probabilities [N,C].</summary>
    public static double[] Mix(IReadOnlyList<double[]> logProbabilities, IReadOnlyList<double> weights)
    {
        double[] sum = new double[logProbabilities[0].Length];
        foreach ((double[] own, double weight) in logProbabilities.Zip(weights)) TensorPrimitives.MultiplyAdd(own, weight, sum, sum);
        return sum;
    }

    private static void SoftMax(ReadOnlySpan<double> logs, double[] weights)
    {
        TensorPrimitives.Subtract(logs, TensorPrimitives.Max(logs), weights);
        TensorPrimitives.SoftMax<double>(weights, weights);
    }

    /// <summary>The sum of the log losses of the mixture, and its derivatives by the weights.</summary>
    private static double LossAndSlopes(IReadOnlyList<double[]> logProbabilities, int[] labels, double[] weights, double[] slopes)
    {
        double[] errors = Mix(logProbabilities, weights); // [N,C]
        int classCount = errors.Length / labels.Length;
        double loss = 0;
        for (int row = 0; row < labels.Length; row++)
        {
            Span<double> own = errors.AsSpan(row * classCount, classCount);
            TensorPrimitives.Subtract(own, TensorPrimitives.Max<double>(own), own);
            double truth = own[labels[row]];
            TensorPrimitives.Exp(own, own);
            double total = TensorPrimitives.Sum<double>(own);
            loss += Math.Log(total) - truth;
            TensorPrimitives.Divide(own, total, own);
            own[labels[row]] -= 1;
        }
        for (int i = 0; i < slopes.Length; i++) slopes[i] = TensorPrimitives.Dot<double>(errors, logProbabilities[i]);
        return loss;
    }
}
