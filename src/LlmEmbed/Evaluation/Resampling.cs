using LlmEmbed.Data;

namespace LlmEmbed.Evaluation;

/// <summary>
/// Estimates how far figures would change on other test texts of the same kind, by the percentile bootstrap: the texts are drawn again and again,
/// with replacement.
/// </summary>
internal static class Resampling
{
    private const int Draws = 1000;

    /// <summary>
    /// The 95 % intervals of accuracy and macro-F1. With few texts, a figure can lie beyond the percentiles; the interval is then widened to hold it.
    /// </summary>
    /// <param name="truth">[N], the true classes.</param>
    /// <param name="predicted">[N], the predicted classes.</param>
    /// <param name="classCount">
    /// C. A class that is neither true nor predicted in a draw keeps the score that it has over all texts; otherwise rare classes would lift the
    /// mean.
    /// </param>
    /// <param name="seed">The seed of the draws.</param>
    public static (Interval Accuracy, Interval MacroF1) Intervals(int[] truth, int[] predicted, int classCount, ulong seed)
    {
        DeterministicRandom random = new(seed);
        double[] accuracies = new double[Draws], scores = new double[Draws];
        int[] rows = [.. Enumerable.Range(0, truth.Length)];
        (double accuracy, double[] classScores) = Score(truth, predicted, rows, new double[classCount]);
        for (int draw = 0; draw < Draws; draw++)
        {
            for (int i = 0; i < rows.Length; i++) rows[i] = random.Next(truth.Length);
            (accuracies[draw], double[] drawn) = Score(truth, predicted, rows, classScores);
            scores[draw] = drawn.Average();
        }
        return (Percentiles(accuracies, accuracy), Percentiles(scores, classScores.Average()));
    }

    /// <summary>The interval that holds 95 % of the draws and the figure over all texts.</summary>
    private static Interval Percentiles(double[] draws, double figure)
    {
        Array.Sort(draws);
        return new Interval(Math.Min(draws[(int)(0.025 * Draws)], figure), Math.Max(draws[(int)(0.975 * Draws) - 1], figure));
    }

    /// <returns>The accuracy, and F1 of each class [C]; for a class that does not occur, its entry in <paramref name="absent"/>.</returns>
    private static (double Accuracy, double[] ClassScores) Score(int[] truth, int[] predicted, int[] rows, double[] absent)
    {
        int right = 0;
        int[] hits = new int[absent.Length], either = new int[absent.Length];
        foreach (int row in rows)
        {
            either[truth[row]]++;
            either[predicted[row]]++;
            if (truth[row] != predicted[row]) continue;
            right++;
            hits[truth[row]]++;
        }
        return ((double)right / rows.Length, [.. absent.Select((score, c) => either[c] > 0 ? 2.0 * hits[c] / either[c] : score)]);
    }
}
