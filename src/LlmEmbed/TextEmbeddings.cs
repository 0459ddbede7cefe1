namespace LlmEmbed;

/// <summary>Pooled hidden states of N texts: [N,D,H], D views of hidden size H each.</summary>
public sealed class TextEmbeddings
{
    private readonly float[] _values;

    internal TextEmbeddings(IReadOnlyList<View> views, int hiddenSize, float[] values, EncodingStatistics statistics)
    {
        Views = views;
        HiddenSize = hiddenSize;
        _values = values;
        Statistics = statistics;
    }

    /// <summary>N, the number of texts.</summary>
    public int Count => _values.Length / RowLength;

    /// <summary>The D views, in the order of the second axis.</summary>
    public IReadOnlyList<View> Views { get; }

    /// <summary>H, the backbone's hidden size.</summary>
    public int HiddenSize { get; }

    /// <summary>What the encoding met and cost.</summary>
    public EncodingStatistics Statistics { get; }

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
    int Texts, int ComputedTexts, int CachedTexts, int TruncatedTexts, long Tokens, long PaddedTokens, TimeSpan Elapsed, IReadOnlyList<int> TextsWithoutTokens)
{
    /// <summary>The same, the texts being these rows of a longer list.</summary>
    internal EncodingStatistics AtRows(int[] rows) => this with { TextsWithoutTokens = [.. TextsWithoutTokens.Select(text => rows[text])] };

    /// <summary>Two calls on two parts of one list of texts as one.</summary>
    internal EncodingStatistics Plus(EncodingStatistics other) => new(
        Texts + other.Texts,
        ComputedTexts + other.ComputedTexts,
        CachedTexts + other.CachedTexts,
        TruncatedTexts + other.TruncatedTexts,
        Tokens + other.Tokens,
        PaddedTokens + other.PaddedTokens,
        Elapsed + other.Elapsed,
        [.. TextsWithoutTokens.Concat(other.TextsWithoutTokens).Order()]);
}
