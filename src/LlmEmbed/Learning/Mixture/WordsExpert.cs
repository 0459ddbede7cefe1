using LlmEmbed.Data;

namespace LlmEmbed.Learning;

/// <summary>The words of the texts: a regression on them (see <see cref="LexicalHead"/>).</summary>
internal static class WordsExpert
{
    public const string Kind = "words";

    /// <summary>Words of few texts say little, so they are drawn to half of what others are drawn to.</summary>
    private const double Share = 0.5;

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

    public static IReadOnlyList<Expert> Train(MixtureTask task, CancellationToken cancellationToken)
    {
        (HeadTrainingData data, CrossValidation validation) = (task.Data, task.Validation);
        if (data.Texts is null || task.Plan.Head is not HeadOptions.Automatic { UseWords: true }) return [];
        int[] rows = RowsToLearnFrom(data, validation, task.Plan.Seed);
        string[] texts = [.. rows.Select(row => data.Texts[row])];
        TfidfVectorizer vectorizer = TfidfVectorizer.Learn(texts, LeastTexts, MostWeights / data.ClassCount);
        if (vectorizer.Terms.Count == 0) return [];
        SparseMatrix features = vectorizer.Transform(texts);
        double[][] parameters = new double[validation.FoldCount][];
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = task.Plan.Threads, CancellationToken = cancellationToken };
        Parallel.For(0, parameters.Length, parallel, fold => parameters[fold] = Fit(fold, new double[data.ClassCount * (features.Columns + 1)]));
        Dictionary<int, int> placeOf = rows.Index().ToDictionary(row => row.Item, row => row.Index);
        double[] logits = task.HeldOutLogits(
            (fold, row, target) => SparseLogisticRegression.Logits(features.Rows[placeOf[row]], parameters[fold], target));
        Lazy<double[]> onAll = new(() => Fit(fold: null, LinearHeadTrainer.MeanOf(parameters)));
        return [new Expert(new ExpertFacts(Kind) { Terms = vectorizer.Terms.Count, C = C }, Share, logits)
        {
            Words = factor => new LexicalHead(vectorizer, [.. onAll.Value.Select(value => (double)(float)(value * factor))], data.ClassCount),
            UnlabelledLogits = fold => LogitsOf(data.Unlabelled!.Texts, fold is int held ? parameters[held] : onAll.Value),
        }];

        double[] LogitsOf(IReadOnlyList<string> unlabelled, double[] fitted)
        {
            double[] own = new double[unlabelled.Count * data.ClassCount];
            for (int i = 0; i < unlabelled.Count; i++)
                SparseLogisticRegression.Logits(vectorizer.Row(unlabelled[i]), fitted, own.AsSpan(i * data.ClassCount, data.ClassCount));
            return own;
        }

        double[] Fit(int? fold, double[] start)
        {
            double[] weights = task.WeightsWithout(fold);
            int[] own = data.LabelsFor(fold), labels = [.. rows.Select(row => own[row])];
            return SparseLogisticRegression.Fit(features, labels, data.ClassCount, C, i => weights[rows[i]], start, cancellationToken);
        }
    }

    /// <summary>All rows, or a sample of very many; those that are held out are always among them.</summary>
    private static int[] RowsToLearnFrom(HeadTrainingData data, CrossValidation validation, ulong seed)
    {
        double characters = data.Texts!.Average(text => 1.0 + text.Length);
        int[] rows = StratifiedSplit.Sample(data.Labels, (int)Math.Min(MostTexts, MostCharacters / characters), seed);
        return rows.Length < data.Rows ? [.. rows.Union(validation.Rows).Order()] : rows;
    }
}
