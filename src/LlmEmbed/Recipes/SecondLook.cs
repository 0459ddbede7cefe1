using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Recipes;

/// <summary>Sets of views below the chosen cut, compared on more texts than the sample. All cost the same to read, so the least log loss decides.</summary>
/// <param name="Rows">The texts.</param>
/// <param name="Read">All views below the cut.</param>
/// <param name="Sets">The sets, as indexes into <paramref name="Read"/>, the smallest first.</param>
/// <param name="Chosen">One of them.</param>
internal sealed record SecondLook(int Rows, FeatureLayout Read, IReadOnlyList<ViewSetScore> Sets, ViewSetScore Chosen)
{
    /// <summary>Like the penalty, the choice is settled long before.</summary>
    private const int MostTexts = 8000;

    /// <summary>The time of a regression grows with texts × classes.</summary>
    private const int MostTextsTimesClasses = 64_000;

    /// <summary>Each set takes a cross-validation.</summary>
    private const int MostSets = 4;

    /// <summary>How many texts it takes at the most.</summary>
    public static int TextsFor(int classCount) => Math.Min(MostTexts, MostTextsTimesClasses / classCount);

    /// <param name="features">All texts at the views that were read.</param>
    /// <param name="read">These views among the candidates.</param>
    /// <param name="first">What the sample said.</param>
    /// <param name="rows">The rows that the choice may look at.</param>
    /// <param name="options">How the regressions are fitted.</param>
    /// <param name="progress">Told about each set.</param>
    /// <param name="cancellation">Stops the work.</param>
    public static SecondLook Take(
        HeadTrainingData features, int[] read, ViewChoice first, int[] rows, LinearOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellation)
    {
        int[] part = [.. StratifiedSplit.Sample([.. rows.Select(row => features.Labels[row])], TextsFor(features.ClassCount), options.Seed).Select(index => rows[index])];
        HeadTrainingData data = features.Select(part);
        using FeatureMatrix seen = data.Features;
        (int[] Views, double C)[] sets = SetsWithin(read, first);
        List<ViewSetScore> scores = [];
        foreach ((int[] set, double c) in sets)
        {
            progress?.Report(new WorkProgress("Comparing sets on more texts", scores.Count, sets.Length, "sets"));
            HeadTrainingData columns = data.SelectViews(set);
            using FeatureMatrix _ = columns.Features;
            CrossValidation validation = LinearHeadTrainer.CrossValidate(columns, options with { Penalties = LinearHeadTrainer.PenaltiesNear(c) }, cancellation)!;
            scores.Add(new ViewSetScore(set, validation.Chosen, Cost: 0, validation.RowLosses(columns.Labels)));
        }
        progress?.Report(new WorkProgress("Comparing sets on more texts", sets.Length, sets.Length, "sets"));
        return new SecondLook(part.Length, features.Layout, scores, scores.MinBy(score => score.Loss)!);
    }

    /// <summary>What the sample liked the most, and everything, each with the penalty that suited the sample.</summary>
    private static (int[] Views, double C)[] SetsWithin(int[] read, ViewChoice first)
    {
        (int[] Views, double C)[] within =
        [
            .. first.Sets.Select(set => (Set: set, Views: set.Views.Select(view => Array.IndexOf(read, view)).ToArray())).Where(pair => !pair.Views.Contains(-1))
                .OrderBy(pair => pair.Set == first.Chosen ? 0 : pair.Set.Loss).Select(pair => (pair.Views, pair.Set.Score.C)),
        ];
        // All views below a cut are one of the sets that the sample compared.
        (int[] Views, double C) everything = within.MaxBy(set => set.Views.Length);
        return [.. within.Take(MostSets).Append(everything).DistinctBy(set => string.Join(',', set.Views)).OrderBy(set => set.Views.Length)];
    }
}
