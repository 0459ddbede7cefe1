namespace LlmEmbed.Learning;

/// <summary>
/// Logistic regression on words and pairs of words, whose logits are added to those of a head. Pooled hidden states blur which words a text has, and
/// words say little of how they stand together, so that both know something that the other does not. Next to a pass through a network it costs
/// nothing.
/// </summary>
internal sealed class LexicalHead
{
    public const string TermsName = "lexical.inverse_document_frequency", WeightsName = "lexical.weight", InterceptsName = "lexical.intercept";

    private readonly TfidfVectorizer _vectorizer;
    private readonly double[] _parameters; // [V,C], then [C]
    private readonly int _classCount;

    /// <param name="vectorizer">Of V words and pairs of words.</param>
    /// <param name="parameters">[V,C] weights, then [C] intercepts.</param>
    /// <param name="classCount">C.</param>
    public LexicalHead(TfidfVectorizer vectorizer, double[] parameters, int classCount) =>
        (_vectorizer, _parameters, _classCount) = (vectorizer, parameters, classCount);

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
        float[] weights = HeadTensor.Take(tensors, WeightsName, terms.Count, classCount);
        float[] intercepts = HeadTensor.Take(tensors, InterceptsName, classCount);
        double[] parameters = [.. weights.Concat(intercepts).Select(value => (double)value)];
        return new LexicalHead(new TfidfVectorizer(terms, frequencies), parameters, classCount);
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
}
