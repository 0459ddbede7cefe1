using LlmEmbed.Data;

namespace LlmEmbed.Learning;

/// <summary>The words of the texts: a regression on them (see <see cref="LexicalHead"/>), whose logits are added to those of the head.</summary>
internal sealed class Words : Addition
{
    /// <summary>The inverse strength of the penalty. It suits rows of length 1 over a wide range of data, so that it is not chosen again.</summary>
    private const double C = 10;

    /// <summary>
    /// The most weights of a regression. Rarer terms are left out: they help few texts, and with many classes they take minutes and gigabytes.
    /// </summary>
    private const int MostWeights = 1_000_000;

    /// <summary>In how many texts a term must occur: one of a single text cannot help another, and would give that text away.</summary>
    private const int LeastTexts = 2;

    /// <summary>
    /// The most texts, and characters, that are learned from. More would need the memory that was saved by keeping the features on disk.
    /// </summary>
    private const int MostTexts = 100_000, MostCharacters = 50_000_000;

    public override string Name => "words";

    protected override string? Stage => "Training on words";

    public override bool AppliesTo(TrainedHead head, HeadTrainingData data, LearningPlan plan) =>
        data.Texts is not null && plan.Head is HeadOptions.Automatic { UseWords: true };

    public override IAddedPart? Load(SavedHead saved) => saved.Terms is null ? null : LexicalHead.Load(saved.Terms, saved.Tensors, saved.ClassCount);

    /// <summary>
    /// Fits words to the texts outside of each fold in turn, and takes the share of their logits that suits the texts in the folds best.
    /// </summary>
    /// <returns>Null if the words are not clearly better for these texts or cost macro-F1: rare classes have few words.</returns>
    public override Contribution? FindOut(
        TrainedHead head, CrossValidation validation, HeadTrainingData data, LearningPlan plan, CancellationToken cancellationToken)
    {
        ClassWeighting weighting = WeightingFor(head);
        int[] rows = RowsToLearnFrom(data, validation, plan.Seed);
        string[] texts = [.. rows.Select(row => data.Texts![row])];
        int[] labels = [.. rows.Select(row => data.Labels[row])];
        TfidfVectorizer vectorizer = TfidfVectorizer.Learn(texts, LeastTexts, MostWeights / data.ClassCount);
        SparseMatrix features = vectorizer.Transform(texts);

        Dictionary<int, int> placeOf = validation.Rows.Index().ToDictionary(row => row.Item, row => row.Index);
        int[] places = [.. rows.Select(row => placeOf.GetValueOrDefault(row, -1))]; // among the rows of the validation
        double[][] parameters = new double[validation.FoldCount][];
        double[] words = new double[validation.Logits.Length];
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = plan.Threads, CancellationToken = cancellationToken };
        Parallel.For(0, validation.FoldCount, parallel, fold =>
        {
            bool[] seen = validation.SeenBy(fold, data.Rows);
            parameters[fold] = Fit(i => seen[rows[i]], new double[data.ClassCount * (features.Columns + 1)]);
            for (int i = 0; i < rows.Length; i++)
            {
                if (places[i] < 0 || validation.Folds[places[i]] != fold) continue;
                SparseLogisticRegression.Logits(features.Rows[i], parameters[fold], words.AsSpan(places[i] * data.ClassCount, data.ClassCount));
            }
        });
        if (validation.PlusBestShareOf(words, data.Labels) is not var (share, factor, together)) return null;
        AdditionGain gain = AdditionGain.Of(share, validation, together) with { Terms = vectorizer.Terms.Count };
        return new Contribution(gain, together, before => before with { Additions = [.. before.Additions, FitAll(factor)] });

        LexicalHead FitAll(double factor)
        {
            double[] all = Fit(_ => true, LinearHeadTrainer.MeanOf(parameters));
            return new LexicalHead(vectorizer, [.. all.Select(value => (double)(float)(value * factor))], data.ClassCount);
        }

        double[] Fit(Predicate<int> isSeen, double[] start)
        {
            int[] counts = new int[data.ClassCount];
            for (int i = 0; i < labels.Length; i++)
                if (isSeen(i)) counts[labels[i]]++;
            double[] weights = ClassWeights.Of(weighting, counts);
            return SparseLogisticRegression.Fit(
                features, labels, data.ClassCount, C, i => isSeen(i) ? weights[labels[i]] : 0, start, cancellationToken);
        }
    }

    /// <summary>All rows, or a sample of very many; those that were held out are always among them.</summary>
    private static int[] RowsToLearnFrom(HeadTrainingData data, CrossValidation validation, ulong seed)
    {
        double characters = data.Texts!.Average(text => 1.0 + text.Length);
        int[] rows = StratifiedSplit.Sample(data.Labels, (int)Math.Min(MostTexts, MostCharacters / characters), seed);
        return rows.Length < data.Rows ? [.. rows.Union(validation.Rows).Order()] : rows;
    }
}
