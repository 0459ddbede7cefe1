using LlmEmbed.Data;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>What a head is trained on: features [N,F], for each row the index of its class, and what the features are.</summary>
internal sealed record HeadTrainingData
{
    public HeadTrainingData(FeatureMatrix features, int[] labels, int classCount, FeatureLayout layout)
    {
        if (labels.Length != features.Rows) throw new ArgumentException($"{labels.Length} labels for {features.Rows} rows.", nameof(labels));
        if (layout.FeatureCount != features.Columns)
            throw new ArgumentException($"The layout has {layout.FeatureCount} features, the rows have {features.Columns}.", nameof(layout));
        int[] counts = new int[classCount];
        foreach (int label in labels) counts[label]++;
        int present = counts.Count(count => count > 0);
        if (present < 2)
            throw new LlmEmbedException(
                $"The training data has texts of {present} class, expected at least 2: a classifier needs something to tell apart.");
        (Features, Labels, ClassCount, Layout, ClassCounts) = (features, labels, classCount, layout, counts);
    }

    /// <summary>Training texts with the features that were read from them.</summary>
    public static HeadTrainingData Of(TrainingTexts texts, FeatureMatrix features, FeatureLayout layout) =>
        new(features, texts.Labels, texts.ClassCount, layout) { Texts = texts.Texts, Groups = texts.Groups };

    /// <summary>[N,F].</summary>
    public FeatureMatrix Features { get; }

    /// <summary>[N], the index of the class of each row.</summary>
    public int[] Labels { get; }

    public int ClassCount { get; }

    public FeatureLayout Layout { get; }

    /// <summary>For each class the number of its rows.</summary>
    public IReadOnlyList<int> ClassCounts { get; }

    /// <summary>
    /// [N], the texts that the features were read from; null if there are only features, so that nothing can be learned from words.
    /// </summary>
    public IReadOnlyList<string>? Texts { get; init; }

    /// <summary>
    /// [N]: rows with the same number must not be told apart when rows are held out (see <see cref="OverlappingTexts"/>). Empty if every row is a
    /// group of its own.
    /// </summary>
    public int[] Groups { get; init; } = [];

    /// <summary>
    /// [C,F], the features of the names of the classes (see <see cref="Learning.ClassNames"/>); null if the names are not to be used.
    /// </summary>
    public FeatureMatrix? ClassNames { get; init; }

    /// <summary>
    /// The states of all tokens of the N texts, from which a query for attention pooling is learned; null if none is to be learned.
    /// </summary>
    public TokenStates? Tokens { get; init; }

    public int Rows => Labels.Length;

    /// <summary>The chosen rows' groups.</summary>
    public int[] GroupsOf(int[] rows) => OverlappingTexts.Select(Groups, rows);

    /// <summary>The chosen rows, copied.</summary>
    public HeadTrainingData Select(int[] rows) => new(Features.Select(rows), [.. rows.Select(row => Labels[row])], ClassCount, Layout)
    {
        Texts = Texts is null ? null : [.. rows.Select(row => Texts[row])],
        Groups = GroupsOf(rows),
        ClassNames = ClassNames,
        Tokens = Tokens?.Select(rows),
    };

    /// <summary>The chosen views of all rows, copied, in the given order.</summary>
    public HeadTrainingData SelectViews(IReadOnlyList<ViewKey> views)
    {
        IReadOnlyList<FeatureView> columns = Layout.ColumnsOf(views);
        return new HeadTrainingData(Features.Select(columns), Labels, ClassCount, Layout.Select(views))
        {
            Texts = Texts,
            Groups = Groups,
            ClassNames = ClassNames?.Select(columns),
        };
    }

    /// <summary>Names the first feature that is NaN or infinite.</summary>
    public LlmEmbedException NonFinite()
    {
        for (int row = 0; row < Rows; row++)
        {
            ReadOnlySpan<float> features = Features.Row(row);
            for (int column = 0; column < features.Length; column++)
            {
                if (float.IsFinite(features[column])) continue;
                FeatureView view = Layout.Views.First(v => column >= v.Offset && column < v.Offset + v.Size);
                return new LlmEmbedException(
                    $"The features of training text {row} hold {features[column]} at depth {view.Depth} of '{view.Backbone}' " +
                    $"({view.Pooling}, channel {column - view.Offset}), expected numbers. " +
                    "The backbone overflowed on this text: use fp32 precision or leave the text out.");
            }
        }
        throw new InvalidOperationException("All features are finite.");
    }
}

/// <summary>The weight of a row by its class.</summary>
internal static class ClassWeights
{
    /// <param name="weighting">The rule.</param>
    /// <param name="counts">[C], how often each class occurs; absent classes weigh nothing.</param>
    public static double[] Of(ClassWeighting weighting, IReadOnlyList<int> counts)
    {
        if (weighting != ClassWeighting.Balanced) return [.. counts.Select(_ => 1.0)];
        double present = counts.Count(count => count > 0), total = counts.Sum();
        return [.. counts.Select(count => count == 0 ? 0 : total / (present * count))];
    }
}
