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
        foreach (int label in labels.Where(label => label >= 0)) counts[label]++;
        int present = counts.Count(count => count > 0);
        if (present < 2)
            throw new LlmEmbedException(
                $"The training data has texts of {present} class, expected at least 2: a classifier needs something to tell apart.");
        (Features, Labels, ClassCount, Layout, ClassCounts, LabelledRows) = (features, labels, classCount, layout, counts, counts.Sum());
    }

    /// <summary>Training texts with the features that were read from them.</summary>
    public static HeadTrainingData Of(TrainingTexts texts, FeatureMatrix features, FeatureLayout layout) =>
        new(features, texts.Labels, texts.ClassCount, layout) { Texts = texts.Texts, Groups = texts.Groups };

    /// <summary>[N,F].</summary>
    public FeatureMatrix Features { get; }

    /// <summary>[N], the index of the class of each row; -1 for the last rows if theirs are only supposed (see <see cref="LabelsFor"/>).</summary>
    public int[] Labels { get; }

    public int ClassCount { get; }

    public FeatureLayout Layout { get; }

    /// <summary>For each class the number of its rows.</summary>
    public IReadOnlyList<int> ClassCounts { get; }

    /// <summary>How many rows have a label, which are the first ones.</summary>
    public int LabelledRows { get; }

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
    /// For each backbone the states of all tokens of the N texts, from which queries for attention pooling are learned; empty if none are to be
    /// learned.
    /// </summary>
    public IReadOnlyList<TokenStates> Tokens { get; init; } = [];

    /// <summary>Texts whose classes are not known; null if there are none.</summary>
    public UnlabelledTexts? Unlabelled { get; init; }

    /// <summary>What each fit supposes (see <see cref="LabelsFor"/>), that on all rows last; empty if there are true labels only.</summary>
    private IReadOnlyList<int[]> LabelsOfFits { get; init; } = [];

    public int Rows => Labels.Length;

    /// <summary>
    /// [N]: the class of each row for the fit that does not see a fold, or for the one that sees all folds; -1 for rows that do not count for it.
    /// </summary>
    public int[] LabelsFor(int? fold) => LabelsOfFits.Count == 0 ? Labels : LabelsOfFits[fold ?? LabelsOfFits.Count - 1];

    /// <summary>The same rows and, behind them, some of the unlabelled texts with the classes that are supposed for them.</summary>
    /// <param name="rows">The unlabelled texts.</param>
    /// <param name="supposed">For each fold, and then for all rows, the class of each of these texts; -1 where none is supposed.</param>
    public HeadTrainingData With(int[] rows, IReadOnlyList<int[]> supposed)
    {
        ArrayFeatures features = new(new float[checked((Rows + rows.Length) * Features.Columns)], Rows + rows.Length, Features.Columns);
        for (int row = 0; row < Rows; row++) Features.Row(row).CopyTo(features.RowTarget(row));
        foreach ((int place, int row) in rows.Index()) Unlabelled!.Features.Row(row).CopyTo(features.RowTarget(Rows + place));
        return new HeadTrainingData(features, [.. Labels, .. rows.Select(_ => -1)], ClassCount, Layout)
        {
            Texts = Texts is null ? null : [.. Texts, .. rows.Select(row => Unlabelled!.Texts[row])],
            Groups = Groups,
            ClassNames = ClassNames,
            LabelsOfFits = [.. supposed.Select(own => (int[])[.. Labels, .. own])],
        };
    }

    /// <summary>The chosen rows' groups.</summary>
    public int[] GroupsOf(int[] rows) => OverlappingTexts.Select(Groups, rows);

    /// <summary>The chosen rows, copied.</summary>
    public HeadTrainingData Select(int[] rows) => new(Features.Select(rows), [.. rows.Select(row => Labels[row])], ClassCount, Layout)
    {
        Texts = Texts is null ? null : [.. rows.Select(row => Texts[row])],
        Groups = GroupsOf(rows),
        ClassNames = ClassNames,
        Tokens = [.. Tokens.Select(tokens => tokens.Select(rows))],
        Unlabelled = Unlabelled,
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
            Tokens = Tokens,
            Unlabelled = Unlabelled is null ? null : Unlabelled with { Features = Unlabelled.Features.Select(columns) },
            LabelsOfFits = LabelsOfFits,
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

/// <summary>Texts whose classes are not known.</summary>
/// <param name="Features">[U,F], of the same layout as those of the texts with labels.</param>
/// <param name="Texts">[U].</param>
/// <param name="Given">As many as were given; empty ones and repetitions are not among the U texts, and of very many only a sample is.</param>
internal sealed record UnlabelledTexts(FeatureMatrix Features, IReadOnlyList<string> Texts, int Given);

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
