using LlmEmbed.Data;
using LlmEmbed.Learning;

namespace LlmEmbed.Comparison;

/// <summary>
/// The baseline without a language model: logistic regression on the TF-IDF of words and pairs of words, its penalty chosen by cross-validation. A
/// classifier that is not clearly better than this one is not worth its cost.
/// </summary>
public sealed class WordClassifier : ITextClassifier
{
    /// <summary>From this many texts on, a word or pair of words of a single text is left out, since it cannot help with other texts.</summary>
    private const int FewTexts = 1000;

    private readonly TfidfVectorizer _vectorizer;
    private readonly SparseLogisticRegression _head;

    private WordClassifier(IReadOnlyList<string> labels, TfidfVectorizer vectorizer, SparseLogisticRegression head) =>
        (Labels, _vectorizer, _head) = (labels, vectorizer, head);

    /// <inheritdoc/>
    public IReadOnlyList<string> Labels { get; }

    /// <summary>The number of words and pairs of words that are known.</summary>
    public int TermCount => _vectorizer.Terms.Count;

    /// <summary>The number of weights and intercepts.</summary>
    public long ParameterCount => _head.ParameterCount;

    /// <summary>C, the weight of the training texts against the penalty.</summary>
    internal double C => _head.C;

    /// <summary>Trains a classifier.</summary>
    /// <param name="examples">At least two classes with two examples each.</param>
    /// <param name="seed">Of the parts of the cross-validation.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public static WordClassifier Train(IReadOnlyList<LabeledText> examples, int seed = 0, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(examples);
        string[] classes = ClassLabels.Of(examples);
        return Train(TrainingTexts.Of(examples, classes, [.. Enumerable.Range(0, examples.Count)], heldOutShare: 0, seed), seed, cancellationToken);
    }

    /// <inheritdoc/>
    public Prediction Predict(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return string.IsNullOrWhiteSpace(text) ? Prediction.Empty : Prediction.Of(Labels, Probabilities([text]), isTruncated: false);
    }

    /// <inheritdoc/>
    public IEnumerable<Prediction> Predict(IEnumerable<string> texts, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        return texts.Select(text =>
        {
            cancellationToken.ThrowIfCancellationRequested();
            return Predict(text);
        });
    }

    internal static WordClassifier Train(TrainingTexts texts, int seed, CancellationToken cancellationToken)
    {
        TfidfVectorizer vectorizer = TfidfVectorizer.Learn(texts.Texts, leastTexts: texts.Texts.Length < FewTexts ? 1 : 2);
        SparseLogisticRegression head = SparseLogisticRegression.Train(
            vectorizer.Transform(texts.Texts), texts.Labels, texts.ClassCount, texts.Groups, (ulong)seed, cancellationToken);
        return new WordClassifier(texts.Classes, vectorizer, head);
    }

    /// <summary>[N,C], calibrated.</summary>
    internal float[] Probabilities(IReadOnlyList<string> texts) => _head.Probabilities(_vectorizer.Transform(texts));

    /// <summary>Bytes that the features of texts take: a column and a value for each word or pair of words of a text.</summary>
    internal long FeatureBytes(IReadOnlyList<string> texts) => _vectorizer.Transform(texts).Rows.Sum(row => 8L * row.Columns.Length);
}
