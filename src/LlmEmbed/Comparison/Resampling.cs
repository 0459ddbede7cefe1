using LlmEmbed.Heads;

namespace LlmEmbed.Comparison;

/// <summary>Where a figure lies 95 times of 100.</summary>
internal readonly record struct Interval(double Low, double High);

/// <summary>How far figures would swing on other test texts of the same kind: the texts are drawn again and again, with replacement.</summary>
internal static class Resampling
{
    private const int Draws = 1000;

    /// <summary>95 % intervals of accuracy and macro-F1 by the percentile bootstrap.</summary>
    /// <param name="truth">[N].</param>
    /// <param name="predicted">[N].</param>
    /// <param name="classCount">C; a class that occurs in neither part of a draw does not count in it.</param>
    /// <param name="seed">Of the draws.</param>
    public static (Interval Accuracy, Interval MacroF1) Intervals(int[] truth, int[] predicted, int classCount, ulong seed)
    {
        DeterministicRandom random = new(seed);
        double[] accuracies = new double[Draws], scores = new double[Draws];
        int[] rows = new int[truth.Length];
        for (int draw = 0; draw < Draws; draw++)
        {
            for (int i = 0; i < rows.Length; i++) rows[i] = random.Next(truth.Length);
            (accuracies[draw], scores[draw]) = Score(truth, predicted, rows, classCount);
        }
        return (Percentiles(accuracies), Percentiles(scores));
    }

    private static Interval Percentiles(double[] draws)
    {
        Array.Sort(draws);
        return new Interval(draws[(int)(0.025 * Draws)], draws[(int)(0.975 * Draws) - 1]);
    }

    private static (double Accuracy, double MacroF1) Score(int[] truth, int[] predicted, int[] rows, int classCount)
    {
        int right = 0;
        int[] hits = new int[classCount], either = new int[classCount];
        foreach (int row in rows)
        {
            either[truth[row]]++;
            either[predicted[row]]++;
            if (truth[row] != predicted[row]) continue;
            right++;
            hits[truth[row]]++;
        }
        int[] present = [.. Enumerable.Range(0, classCount).Where(c => either[c] > 0)];
        return ((double)right / rows.Length, present.Average(c => 2.0 * hits[c] / either[c]));
    }
}
