using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>What an expert of a mixture is; saved with the classifier.</summary>
/// <param name="Kind">The name of its kind (see <see cref="ExpertKind.All"/>).</param>
internal sealed record ExpertFacts(string Kind)
{
    /// <summary>The number of views that a regression reads; null if it is none on views.</summary>
    public int? Views { get; init; }

    /// <summary>The backbone whose states are read; null if there may be several.</summary>
    public string? Backbone { get; init; }

    /// <summary>The depth of these states; null together with <see cref="Backbone"/>.</summary>
    public int? Depth { get; init; }

    /// <summary>The inverse strength of the penalty of a regression; null for attention, which has a penalty of its own.</summary>
    public double? C { get; init; }

    /// <summary>The number of words and pairs of words; null if the expert reads none.</summary>
    public int? Terms { get; init; }
}

/// <summary>A member of a mixture, trained on parts of the texts to be judged, and to be trained on all of them if it is kept.</summary>
/// <param name="Facts">What it is.</param>
/// <param name="Share">Towards which its weight is drawn, relative to the shares of the others.</param>
/// <param name="Logits">[Rows,C], of texts that it had not seen.</param>
internal sealed record Expert(ExpertFacts Facts, double Share, double[] Logits)
{
    /// <summary>
    /// The logits [U,C] of the unlabelled texts by the fit that did not see a fold, or by that on all texts; null for an expert that is not asked
    /// about them and does not learn from them.
    /// </summary>
    public Func<int?, double[]>? UnlabelledLogits { get; init; }

    /// <summary>Trains it on all texts, if it is linear in the features; else null.</summary>
    public Func<LinearPart>? Linear { get; init; }

    /// <summary>Trains it on all texts, if it reads words; else null. Its logits are multiplied by a factor.</summary>
    public Func<double, LexicalHead>? Words { get; init; }
}

/// <summary>What all experts of a mixture are trained on.</summary>
/// <param name="Data">All texts.</param>
/// <param name="Plan">What was asked for.</param>
/// <param name="First">The regression on the first set of views.</param>
/// <param name="Validation">That of the first regression, whose folds are those of all experts.</param>
internal sealed record MixtureTask(HeadTrainingData Data, LearningPlan Plan, TrainedHead First, CrossValidation Validation)
{
    /// <summary>How rare classes are weighed.</summary>
    public ClassWeighting Weighting { get; } = ((RegressionDecision)First.Decisions.Head).ClassWeighting;

    /// <summary>For each of all rows what it counts for the fit that does not see a fold; null for the fit that sees all.</summary>
    public double[] WeightsWithout(int? fold)
    {
        bool[] seen = fold is int held ? Validation.SeenBy(held, Data.Rows) : [.. Enumerable.Repeat(true, Data.Rows)];
        int[] counts = new int[Data.ClassCount], labels = Data.LabelsFor(fold);
        for (int row = 0; row < seen.Length; row++)
            if (seen[row] && labels[row] >= 0) counts[labels[row]]++;
        double[] weights = ClassWeights.Of(Weighting, counts);
        return [.. seen.Select((isSeen, row) => isSeen && labels[row] >= 0 ? weights[labels[row]] : 0)];
    }

    /// <summary>The logits [U,C] of the unlabelled texts by a head that reads some of the views.</summary>
    public double[] UnlabelledLogits(LinearHead head, FeatureLayout layout)
    {
        FeatureMatrix features = Data.Unlabelled!.Features.Select(Data.Layout.ColumnsOf(layout.Keys));
        float[] own = new float[Data.ClassCount];
        return [.. Enumerable.Range(0, features.Rows).SelectMany(row =>
        {
            head.Logits(features.Row(row), 1, own);
            return own.Select(logit => (double)logit).ToArray();
        })];
    }

    /// <summary>[Rows,C]: for each row that is held out what a function of its fold and its place among all rows gives.</summary>
    public double[] HeldOutLogits(Action<int, int, Span<double>> logitsOf)
    {
        double[] logits = new double[Validation.Rows.Length * Data.ClassCount];
        for (int i = 0; i < Validation.Rows.Length; i++)
            logitsOf(Validation.Folds[i], Validation.Rows[i], logits.AsSpan(i * Data.ClassCount, Data.ClassCount));
        return logits;
    }
}

/// <summary>A kind of expert: one row of the table of kinds.</summary>
/// <param name="Name">The name that the record of decisions has for it.</param>
/// <param name="Stage">What a user is told while it is trained.</param>
/// <param name="Train">Trains those of its experts that the data has what they need for.</param>
internal sealed record ExpertKind(string Name, string Stage, Func<MixtureTask, CancellationToken, IReadOnlyList<Expert>> Train)
{
    /// <summary>Every kind. To add one: a file that trains it, and a row here.</summary>
    public static IReadOnlyList<ExpertKind> All { get; } =
    [
        new(ViewsExperts.Kind, "Training on views", ViewsExperts.Train),
        new(SentenceExperts.Kind, "Training on sentence vectors", SentenceExperts.Train),
        new(AttentionExperts.Kind, "Learning to pool", AttentionExperts.Train),
        new(WordsExpert.Kind, "Training on words", WordsExpert.Train),
    ];
}
