namespace LlmEmbed.Reading;

/// <summary>The states of N texts at some depths of one backbone, token by token: what attention pooling is learned from.</summary>
internal sealed class TokenStates
{
    private readonly int[] _depths;
    private readonly float[][] _values; // for each depth [tokens of all texts,H]
    private readonly (int Start, int Count)[] _texts; // [N], the part of the values of each depth that a text has

    private TokenStates(string backbone, int[] depths, int hiddenSize, float[][] values, (int Start, int Count)[] texts) =>
        (Backbone, _depths, HiddenSize, _values, _texts) = (backbone, depths, hiddenSize, values, texts);

    /// <summary>The backbone, as the layout of the features names it.</summary>
    public string Backbone { get; }

    /// <summary>The depths, at least one, all different.</summary>
    public IReadOnlyList<int> Depths => _depths;

    /// <summary>H.</summary>
    public int HiddenSize { get; }

    /// <summary>N.</summary>
    public int Rows => _texts.Length;

    /// <param name="backbone">As the layout of the features names it.</param>
    /// <param name="depths">Of the states: at least one, all different.</param>
    /// <param name="hiddenSize">H.</param>
    /// <param name="counts">[N], the tokens of each text.</param>
    /// <param name="memoryBytes">The most that the states of all depths may take together.</param>
    /// <returns>States that are all zero, to be filled; null if they would take more than <paramref name="memoryBytes"/>.</returns>
    public static TokenStates? Allocate(string backbone, IReadOnlyList<int> depths, int hiddenSize, int[] counts, long memoryBytes)
    {
        if (depths.Count == 0 || depths.Distinct().Count() != depths.Count)
            throw new ArgumentException("There must be at least one depth, and none twice.", nameof(depths));
        long values = counts.Sum(count => (long)count) * hiddenSize;
        if (values > Math.Min(Array.MaxLength, memoryBytes / sizeof(float) / depths.Count)) return null;
        int end = 0;
        (int, int)[] texts = [.. counts.Select(count => ((end += count * hiddenSize) - count * hiddenSize, count * hiddenSize))];
        return new TokenStates(backbone, [.. depths], hiddenSize, [.. depths.Select(_ => new float[values])], texts);
    }

    /// <summary>[tokens,H] of a text at one of the depths.</summary>
    public Span<float> Of(int text, int depth)
    {
        int place = Array.IndexOf(_depths, depth);
        if (place < 0) throw new ArgumentOutOfRangeException(nameof(depth), depth, $"Expected one of the depths {string.Join(", ", _depths)}.");
        return _values[place].AsSpan(_texts[text].Start, _texts[text].Count);
    }

    /// <summary>Where the tokens of some texts go, if they are read by this backbone; null for another backbone.</summary>
    public TokenRows? RowsOf(string backbone, int[] rows) =>
        backbone == Backbone ? new TokenRows(_depths, (text, depth) => Of(rows[text], depth)) : null;

    /// <summary>The states of the chosen texts, without a copy.</summary>
    public TokenStates Select(int[] rows) => new(Backbone, _depths, HiddenSize, _values, [.. rows.Select(row => _texts[row])]);

    /// <summary>The states of the chosen depths, without a copy; null if none is chosen.</summary>
    public TokenStates? WithDepths(Predicate<int> isChosen)
    {
        int[] places = [.. Enumerable.Range(0, _depths.Length).Where(place => isChosen(_depths[place]))];
        return places.Length == 0 ? null : new TokenStates(
            Backbone, [.. places.Select(place => _depths[place])], HiddenSize, [.. places.Select(place => _values[place])], _texts);
    }
}
