using LlmEmbed.Data;

namespace LlmEmbed.Evaluation;

/// <summary>Where a figure lies 95 times of 100.</summary>
internal readonly record struct Interval(double Low, double High)
{
    public Interval Including(double value) => new(Math.Min(Low, value), Math.Max(High, value));
}

/// <summary>How far figures would swing on other test texts of the same kind: the texts are drawn again and again, with replacement.</summary>
internal static class Resampling
{
    private const int Draws = 1000;

    /// <summary>95 % intervals of accuracy and macro-F1 by the percentile bootstrap; with few texts a figure can lie beyond the percentiles, which are then widened to it.</summary>
    /// <param name="truth">[N].</param>
    /// <param name="predicted">[N].</param>
    /// <param name="classCount">C; a class that occurs in neither part of a draw keeps the score that it has over all texts, or rare classes would lift the mean.</param>
    /// <param name="seed">Of the draws.</param>
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
        return (Percentiles(accuracies).Including(accuracy), Percentiles(scores).Including(classScores.Average()));
    }

    private static Interval Percentiles(double[] draws)
    {
        Array.Sort(draws);
        return new Interval(draws[(int)(0.025 * Draws)], draws[(int)(0.975 * Draws) - 1]);
    }

    /// <returns>Accuracy, and F1 of each class; where a class does not occur, its entry of <paramref name="absent"/>.</returns>
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
