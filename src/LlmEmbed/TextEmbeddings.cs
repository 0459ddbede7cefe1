namespace LlmEmbed;

/// <summary>Pooled hidden states of N texts: [N,D,H], D views of hidden size H each.</summary>
public sealed class TextEmbeddings
{
    private readonly float[] _values;

    /// <summary>Embeddings made by hand, for an implementation of <see cref="ITextEncoder"/>.</summary>
    /// <param name="views">The D views.</param>
    /// <param name="hiddenSize">H.</param>
    /// <param name="values">[N,D,H], text after text; kept, not copied.</param>
    /// <param name="statistics">What the encoding met and cost.</param>
    /// <exception cref="ArgumentException">The values are not N rows of D × H.</exception>
    public TextEmbeddings(IReadOnlyList<View> views, int hiddenSize, float[] values, EncodingStatistics statistics)
    {
        ArgumentNullException.ThrowIfNull(views);
        ArgumentNullException.ThrowIfNull(values);
        ArgumentNullException.ThrowIfNull(statistics);
        if (values.Length != (long)statistics.Texts * views.Count * hiddenSize)
            throw new ArgumentException(
                $"{values.Length} values are not {statistics.Texts} texts of {views.Count} views with {hiddenSize} numbers each.", nameof(values));
        Views = views;
        HiddenSize = hiddenSize;
        _values = values;
        Statistics = statistics;
    }

    /// <summary>N, the number of texts.</summary>
    public int Count => Statistics.Texts;

    /// <summary>The D views, in the order of the second axis.</summary>
    public IReadOnlyList<View> Views { get; }

    /// <summary>H, the size of a view: the backbone's hidden size, unless only <see cref="Pooling.Sentence"/> is read.</summary>
    public int HiddenSize { get; }

    /// <summary>What the encoding met and cost.</summary>
    public EncodingStatistics Statistics { get; }

    /// <summary>The same embeddings, with the time of the whole call.</summary>
    internal TextEmbeddings Within(TimeSpan elapsed) => new(Views, HiddenSize, _values, Statistics with { Elapsed = elapsed });

    /// <summary>D × H, the number of values per text.</summary>
    public int RowLength => Views.Count * HiddenSize;

    /// <summary>All values, text after text: [N,D,H].</summary>
    public ReadOnlySpan<float> Values => _values;

    /// <summary>All views of one text: [D,H].</summary>
    public ReadOnlySpan<float> this[int text] => _values.AsSpan(text * RowLength, RowLength);

    /// <summary>One view of one text: [H].</summary>
    public ReadOnlySpan<float> this[int text, int view] => _values.AsSpan(text * RowLength + view * HiddenSize, HiddenSize);
}

/// <summary>What an encoding met and cost.</summary>
/// <param name="Texts">Texts asked for, repeated ones included.</param>
/// <param name="ComputedTexts">Texts that went through the backbone in this call.</param>
/// <param name="CachedTexts">Distinct texts whose embeddings were found in the store.</param>
/// <param name="TruncatedTexts">Texts that were longer than the maximum and lost their end, repeated ones included.</param>
/// <param name="Tokens">Tokens that went through the backbone, padding not counted.</param>
/// <param name="PaddedTokens">The same with padding.</param>
/// <param name="Elapsed">Wall-clock time of the call.</param>
/// <param name="TextsWithoutTokens">Indexes of texts that gave no token at all; their rows are zeros.</param>
public sealed record EncodingStatistics(
    int Texts,
    int ComputedTexts,
    int CachedTexts,
    int TruncatedTexts,
    long Tokens,
    long PaddedTokens,
    TimeSpan Elapsed,
    IReadOnlyList<int> TextsWithoutTokens)
{
    /// <summary>
    /// Indexes of texts that gave special tokens only, such as <c>[CLS]</c> and <c>[SEP]</c> around nothing. Their rows are the states of these, and
    /// a classifier gives them no label.
    /// </summary>
    public IReadOnlyList<int> TextsOfSpecialTokens { get; init; } = [];

    /// <summary>
    /// Tokens of all texts as the backbone reads them, with special tokens and prompts and without the ends that were cut off: repeated texts and
    /// those whose embeddings were found in the store count too.
    /// </summary>
    public long InputTokens { get; init; }

    /// <summary>The same, the texts being these rows of a longer list.</summary>
    internal EncodingStatistics AtRows(int[] rows) => this with
    {
        TextsWithoutTokens = [.. TextsWithoutTokens.Select(text => rows[text])],
        TextsOfSpecialTokens = [.. TextsOfSpecialTokens.Select(text => rows[text])],
    };

    /// <summary>Two calls on two parts of one list of texts as one.</summary>
    internal EncodingStatistics Plus(EncodingStatistics other) => new(
        Texts + other.Texts,
        ComputedTexts + other.ComputedTexts,
        CachedTexts + other.CachedTexts,
        TruncatedTexts + other.TruncatedTexts,
        Tokens + other.Tokens,
        PaddedTokens + other.PaddedTokens,
        Elapsed + other.Elapsed,
        [.. TextsWithoutTokens.Concat(other.TextsWithoutTokens).Order()])
    {
        TextsOfSpecialTokens = [.. TextsOfSpecialTokens.Concat(other.TextsOfSpecialTokens).Order()],
        InputTokens = InputTokens + other.InputTokens,
    };
}
