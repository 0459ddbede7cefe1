using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Recipes;

/// <summary>
/// The second choice of views, on more texts than the sample: sets of the views below the cut depth that the first choice ended with. All of these
/// views were read of all texts, so that every set costs the same and the least log loss decides.
/// </summary>
/// <param name="Rows">The number of texts on which the sets were compared.</param>
/// <param name="Read">All views below the cut depth.</param>
/// <param name="Sets">The sets that were compared, the smallest first.</param>
/// <param name="Chosen">One of <paramref name="Sets"/>.</param>
internal sealed record SecondLook(int Rows, FeatureLayout Read, IReadOnlyList<ViewSetScore> Sets, ViewSetScore Chosen)
{
    /// <summary>The most texts that are compared on. More would not change the choice.</summary>
    private const int MostTexts = 8000;

    /// <summary>The most texts × classes, because the time of a regression grows with both.</summary>
    private const int MostTextsTimesClasses = 64_000;

    /// <summary>The most sets that are taken over from the first choice, because each takes a cross-validation.</summary>
    private const int MostSets = 4;

    /// <summary>The most texts that sets are compared on, for so many classes.</summary>
    public static int TextsFor(int classCount) => Math.Min(MostTexts, MostTextsTimesClasses / classCount);

    /// <param name="features">All texts at all views below the cut depth.</param>
    /// <param name="first">What was found on the sample.</param>
    /// <param name="rows">The rows that the choice may look at.</param>
    /// <param name="options">How the regressions are fitted.</param>
    /// <param name="progress">Told about each set.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public static SecondLook Take(
        HeadTrainingData features,
        ViewChoice first,
        int[] rows,
        LinearOptions options,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        int[] labels = [.. rows.Select(row => features.Labels[row])];
        int[] part = [.. StratifiedSplit.Sample(labels, TextsFor(features.ClassCount), options.Seed).Select(index => rows[index])];
        HeadTrainingData data = features.Select(part);
        using FeatureMatrix seen = data.Features;
        (IReadOnlyList<ViewKey> Views, double C)[] sets = SetsWithin(features.Layout.Keys, first);
        List<ViewSetScore> scores = [];
        foreach ((IReadOnlyList<ViewKey> set, double c) in sets)
        {
            progress?.Report(new WorkProgress("Comparing sets on more texts", scores.Count, sets.Length, "sets"));
            HeadTrainingData columns = data.SelectViews(set);
            using FeatureMatrix _ = columns.Features;
            LinearOptions near = options with { Penalties = LinearHeadTrainer.PenaltiesNear(c) };
            CrossValidation validation = LinearHeadTrainer.CrossValidate(columns, near, cancellationToken)!;
            scores.Add(new ViewSetScore(set, validation.Chosen, Cost: 0, validation.RowLosses(columns.Labels)));
        }
        progress?.Report(new WorkProgress("Comparing sets on more texts", sets.Length, sets.Length, "sets"));
        return new SecondLook(part.Length, features.Layout, scores, scores.MinBy(score => score.Loss)!);
    }

    /// <summary>
    /// The set that the sample chose, those with the least log loss on it, and all views; each with the penalty that suited the sample.
    /// </summary>
    private static (IReadOnlyList<ViewKey> Views, double C)[] SetsWithin(IReadOnlyList<ViewKey> read, ViewChoice first)
    {
        (IReadOnlyList<ViewKey> Views, double C)[] within =
        [
            .. first.Sets.Where(set => set.Views.All(read.Contains))
                .OrderBy(set => set == first.Chosen ? 0 : set.Loss)
                .Select(set => (set.Views, set.Score.C)),
        ];
        // All views below a cut depth are one of the sets that were compared on the sample.
        (IReadOnlyList<ViewKey> Views, double C) everything = within.MaxBy(set => set.Views.Count);
        return [.. within.Take(MostSets).Append(everything).DistinctBy(set => set.Views, SameViews.Comparer).OrderBy(set => set.Views.Count)];
    }
}
