using LlmEmbed.Data;

namespace LlmEmbed.Learning;

/// <summary>
/// Logistic regression on words and pairs of words. Pooled hidden states blur which words a text has, and its words say little of how they stand together,
/// so the logits of both are added. Against a pass through a network it costs nothing.
/// </summary>
internal sealed class LexicalHead
{
    public const string TermsName = "lexical.inverse_document_frequency", WeightsName = "lexical.weight", InterceptsName = "lexical.intercept";

    /// <summary>What suits rows of length 1 over a wide range of data, so that it is not chosen again.</summary>
    private const double C = 10;

    /// <summary>Rarer terms are then left out: they help few texts, and with many classes they take minutes and gigabytes.</summary>
    private const int MostWeights = 1_000_000;

    /// <summary>A term of one text alone cannot help another, and would give that text away.</summary>
    private const int LeastTexts = 2;

    /// <summary>More texts, or longer ones, would need memory that features on disk have just saved.</summary>
    private const int MostTexts = 100_000, MostCharacters = 50_000_000;

    private readonly TfidfVectorizer _vectorizer;
    private readonly double[] _parameters; // [V,C], then [C]
    private readonly int _classCount;

    private LexicalHead(TfidfVectorizer vectorizer, double[] parameters, int classCount) => (_vectorizer, _parameters, _classCount) = (vectorizer, parameters, classCount);

    /// <summary>[V], the words and pairs of words.</summary>
    public IReadOnlyList<string> Terms => _vectorizer.Terms;

    public IReadOnlyList<HeadTensor> Tensors
    {
        get
        {
            float[] values = [.. _parameters.Select(value => (float)value)];
            int weights = Terms.Count * _classCount;
            return
            [
                new(TermsName, [Terms.Count], _vectorizer.InverseDocumentFrequency),
                new(WeightsName, [Terms.Count, _classCount], values[..weights]),
                new(InterceptsName, [_classCount], values[weights..]),
            ];
        }
    }

    public static LexicalHead Load(IReadOnlyList<string> terms, IReadOnlyList<HeadTensor> tensors, int classCount)
    {
        float[] frequencies = HeadTensor.Take(tensors, TermsName, terms.Count);
        float[] weights = HeadTensor.Take(tensors, WeightsName, terms.Count, classCount), intercepts = HeadTensor.Take(tensors, InterceptsName, classCount);
        return new LexicalHead(new TfidfVectorizer(terms, frequencies), [.. weights.Concat(intercepts).Select(value => (double)value)], classCount);
    }

    /// <summary>Adds what the words of N texts say to the logits [N,C] of another head.</summary>
    public void AddLogits(IReadOnlyList<string> texts, Span<float> logits)
    {
        double[] own = new double[_classCount];
        for (int text = 0; text < texts.Count; text++)
        {
            SparseLogisticRegression.Logits(_vectorizer.Row(texts[text]), _parameters, own);
            for (int k = 0; k < _classCount; k++) logits[text * _classCount + k] += (float)own[k];
        }
    }

    /// <summary>Trains on the words of the same texts as a head and finds out what they add to it, on texts that neither was fitted to.</summary>
    /// <param name="data">What the head was trained on, texts included.</param>
    /// <param name="validation">Of the head.</param>
    /// <param name="weighting">As for the head.</param>
    /// <param name="seed">Of the sample where there are very many texts.</param>
    /// <param name="threads">Most that work at a time.</param>
    /// <param name="cancellation">Stops between two steps.</param>
    /// <returns>The words' part, its share, and the validation of both together; null where they are not clearly better or cost macro-F1: rare classes have few words.</returns>
    public static (LexicalHead Head, double Share, CrossValidation Together)? Train(
        HeadTrainingData data, CrossValidation validation, ClassWeighting weighting, ulong seed, int threads, CancellationToken cancellation)
    {
        double characters = data.Texts!.Average(text => 1.0 + text.Length);
        int[] rows = StratifiedSplit.Sample(data.Labels, (int)Math.Min(MostTexts, MostCharacters / characters), seed);
        if (rows.Length < data.Rows) rows = [.. rows.Union(validation.Rows).Order()];
        string[] texts = [.. rows.Select(row => data.Texts![row])];
        int[] labels = [.. rows.Select(row => data.Labels[row])];
        TfidfVectorizer vectorizer = TfidfVectorizer.Learn(texts, LeastTexts, MostWeights / data.ClassCount);
        SparseMatrix features = vectorizer.Transform(texts);

        Dictionary<int, int> placeOf = validation.Rows.Index().ToDictionary(row => row.Item, row => row.Index);
        int[] places = [.. rows.Select(row => placeOf.GetValueOrDefault(row, -1))]; // among the rows of the validation
        double[][] parameters = new double[validation.FoldCount][];
        double[] words = new double[validation.Logits.Length];
        Parallel.For(0, validation.FoldCount, new ParallelOptions { MaxDegreeOfParallelism = threads, CancellationToken = cancellation }, fold =>
        {
            bool[] seen = validation.SeenBy(fold, data.Rows);
            parameters[fold] = Fit(i => seen[rows[i]], new double[data.ClassCount * (features.Columns + 1)]);
            for (int i = 0; i < rows.Length; i++)
                if (places[i] >= 0 && validation.Folds[places[i]] == fold) SparseLogisticRegression.Logits(features.Rows[i], parameters[fold], words.AsSpan(places[i] * data.ClassCount, data.ClassCount));
        });
        if (validation.PlusBestShareOf(words, data.Labels) is not var (share, factor, together)) return null;
        double[] all = Fit(_ => true, LinearHeadTrainer.MeanOf(parameters));
        return (new LexicalHead(vectorizer, [.. all.Select(value => (double)(float)(value * factor))], data.ClassCount), share, together);

        double[] Fit(Predicate<int> isSeen, double[] start)
        {
            int[] counts = new int[data.ClassCount];
            for (int i = 0; i < labels.Length; i++)
                if (isSeen(i)) counts[labels[i]]++;
            double[] weights = ClassWeights.Of(weighting, counts);
            return SparseLogisticRegression.Fit(features, labels, data.ClassCount, C, i => isSeen(i) ? weights[labels[i]] : 0, start, cancellation);
        }
    }
}
