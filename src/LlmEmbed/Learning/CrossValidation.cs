using System.Numerics.Tensors;
using LlmEmbed.Evaluation;

namespace LlmEmbed.Learning;

/// <summary>What cross-validation found for one penalty.</summary>
/// <param name="C">The inverse strength of the penalty.</param>
/// <param name="Accuracy">Mean over folds.</param>
/// <param name="AccuracyDeviation">Standard deviation over folds.</param>
/// <param name="MacroF1">Over all out-of-fold predictions.</param>
/// <param name="LogLoss">Mean log loss of the out-of-fold predictions as they are.</param>
/// <param name="Temperature">The temperature that suits these predictions.</param>
/// <param name="CalibratedLogLoss">Mean log loss at that temperature.</param>
internal sealed record PenaltyScore(
    double C, double Accuracy, double AccuracyDeviation, double MacroF1, double LogLoss, double Temperature, double CalibratedLogLoss);

/// <summary>The choice of a penalty.</summary>
/// <param name="Table">One line for each penalty tried, in ascending order of C.</param>
/// <param name="Chosen">The chosen line.</param>
/// <param name="Rows">The training rows that took part, ascending.</param>
/// <param name="Logits">[Rows, C], the logits of each row from the fit that did not see it, at the chosen penalty.</param>
/// <param name="Folds">[Rows], the fold in which each row was held out.</param>
internal sealed record CrossValidation(IReadOnlyList<PenaltyScore> Table, PenaltyScore Chosen, int[] Rows, double[] Logits, int[] Folds)
{
    /// <summary>For each fold the head that did not see it; empty unless there are unlabelled texts, which are classified by them.</summary>
    public IReadOnlyList<LinearHead> FoldHeads { get; init; } = [];

    /// <summary>The number of parts that were held out in turn.</summary>
    public int FoldCount => Folds.Max() + 1;

    /// <summary>
    /// For each of all training rows, whether the fit of a fold saw it. It saw the rows of the other folds and those that took no part; if there is
    /// only one fold, everything but its own rows.
    /// </summary>
    public bool[] SeenBy(int fold, int rowCount)
    {
        bool[] seen = new bool[rowCount];
        if (FoldCount == 1) Array.Fill(seen, true);
        for (int i = 0; i < Rows.Length; i++) seen[Rows[i]] = Folds[i] != fold;
        return seen;
    }

    /// <summary>[Rows]: the log loss of each at the chosen temperature.</summary>
    public double[] RowLosses(IReadOnlyList<int> labels) =>
        TemperatureScaling.NegativeLogLikelihoods(Logits, Rows.Select(row => labels[row]).ToArray(), Chosen.Temperature);
}

/// <summary>A penalty that was tried, with the out-of-fold logits that it gives.</summary>
internal sealed class PenaltyCandidate
{
    /// <summary>
    /// Up to so many rows the best penalty is taken, and not the strongest within one standard error: with few rows the standard error is so wide
    /// that the strongest penalty would nearly always be chosen, and it is too strong.
    /// </summary>
    private const int FewRows = 500;

    private readonly double[] _rowLosses;

    /// <param name="c">The penalty.</param>
    /// <param name="logits">[N,C], out of fold.</param>
    /// <param name="labels">[N].</param>
    /// <param name="folds">[N], the fold in which each row was held out.</param>
    /// <param name="foldCount">The number of folds.</param>
    /// <param name="meanParameters">The mean of the folds' fits: a good start for a fit on all rows.</param>
    public PenaltyCandidate(double c, double[] logits, int[] labels, int[] folds, int foldCount, double[] meanParameters)
    {
        Logits = logits;
        MeanParameters = meanParameters;
        Score = ScoreOf(c, logits, labels, folds, foldCount);
        _rowLosses = TemperatureScaling.NegativeLogLikelihoods(logits, labels, Score.Temperature);
    }

    /// <summary>How good out-of-fold logits are.</summary>
    /// <param name="c">The penalty.</param>
    /// <param name="logits">[N,C].</param>
    /// <param name="labels">[N].</param>
    /// <param name="folds">[N], the fold in which each row was held out.</param>
    /// <param name="foldCount">The number of folds.</param>
    /// <param name="doubt">The number of rows whose targets are spread over all classes where the temperature is fitted.</param>
    public static PenaltyScore ScoreOf(double c, double[] logits, int[] labels, int[] folds, int foldCount, double doubt = 1)
    {
        int classCount = logits.Length / labels.Length;
        double temperature = TemperatureScaling.Fit(logits, labels, TemperatureScaling.SmoothingFor(labels.Length, doubt));
        int[] predicted = RowMaxima.IndexesOf<double>(logits, classCount);
        double[] accuracies = FoldAccuracies(predicted, labels, folds, foldCount);
        double accuracy = accuracies.Average();
        return new PenaltyScore(
            c,
            accuracy,
            Math.Sqrt(accuracies.Average(a => (a - accuracy) * (a - accuracy))),
            MacroF1(predicted, labels, classCount),
            TemperatureScaling.NegativeLogLikelihoods(logits, labels, temperature: 1).Average(),
            temperature,
            TemperatureScaling.NegativeLogLikelihoods(logits, labels, temperature).Average());
    }

    public PenaltyScore Score { get; }

    public double[] Logits { get; }

    public double[] MeanParameters { get; }

    /// <inheritdoc cref="CrossValidation.FoldHeads"/>
    public IReadOnlyList<LinearHead> FoldHeads { get; init; } = [];

    /// <summary>
    /// The strongest penalty that is not clearly worse than the best one, which means that its mean excess of loss is within one standard error. With
    /// few rows it is the best one. The loss is that of calibrated probabilities, because these are what the classifier gives and because it shows
    /// small differences that accuracy on few texts cannot.
    /// </summary>
    public static PenaltyCandidate Choose(IReadOnlyList<PenaltyCandidate> candidates)
    {
        PenaltyCandidate best = candidates.MinBy(candidate => candidate.Score.CalibratedLogLoss)!;
        return candidates.First(
            candidate => candidate == best || best._rowLosses.Length > FewRows && Excess(candidate, best) is var (mean, error) && mean <= error);
    }

    /// <summary>
    /// Whether the search for a penalty can end, because the last one is clearly worse than the best one. Even weaker penalties would take longer to
    /// fit and overfit more.
    /// </summary>
    public static bool IsPastTheBest(IReadOnlyList<PenaltyCandidate> candidates)
    {
        PenaltyCandidate best = candidates.MinBy(candidate => candidate.Score.CalibratedLogLoss)!;
        return candidates.Count > 2 && candidates[^1] != best && Excess(candidates[^1], best) is var (mean, error) && mean > error;
    }

    private static (double Mean, double StandardError) Excess(PenaltyCandidate candidate, PenaltyCandidate best) =>
        PairedLosses.Excess(candidate._rowLosses, best._rowLosses);

    private static double[] FoldAccuracies(int[] predicted, int[] labels, int[] folds, int foldCount)
    {
        double[] right = new double[foldCount], counts = new double[foldCount];
        for (int row = 0; row < labels.Length; row++)
        {
            counts[folds[row]]++;
            if (predicted[row] == labels[row]) right[folds[row]]++;
        }
        return [.. right.Zip(counts, (r, n) => r / n)];
    }

    private static double MacroF1(int[] predicted, int[] labels, int classCount)
    {
        int[] right = new int[classCount], either = new int[classCount];
        for (int row = 0; row < labels.Length; row++)
        {
            either[labels[row]]++;
            either[predicted[row]]++;
            if (predicted[row] == labels[row]) right[labels[row]]++;
        }
        return right.Zip(either, (r, e) => e == 0 ? 0 : 2.0 * r / e).Average();
    }
}

/// <summary>Two choices compared on the same rows.</summary>
internal static class PairedLosses
{
    /// <summary>Mean and standard error of the rows' differences in loss.</summary>
    public static (double Mean, double StandardError) Excess(double[] losses, double[] best)
    {
        double[] differences = new double[best.Length];
        TensorPrimitives.Subtract(losses, best, differences);
        double mean = differences.Average();
        double variance = differences.Average(d => (d - mean) * (d - mean));
        return (mean, Math.Sqrt(variance / differences.Length));
    }
}
