namespace LlmEmbed.Reading;

/// <summary>The states of N texts at one depth, token by token: what attention pooling is learned from.</summary>
internal sealed class TokenStates
{
    private readonly float[] _values; // [tokens of all texts,H]
    private readonly (int Start, int Count)[] _texts; // [N], the part of the values that a text has

    private TokenStates(string backbone, int depth, int hiddenSize, float[] values, (int Start, int Count)[] texts) =>
        (Backbone, Depth, HiddenSize, _values, _texts) = (backbone, depth, hiddenSize, values, texts);

    /// <summary>The backbone, as the layout of the features names it.</summary>
    public string Backbone { get; }

    public int Depth { get; }

    /// <summary>H.</summary>
    public int HiddenSize { get; }

    /// <summary>N.</summary>
    public int Rows => _texts.Length;

    /// <param name="backbone">As the layout of the features names it.</param>
    /// <param name="depth">Of the states.</param>
    /// <param name="hiddenSize">H.</param>
    /// <param name="counts">[N], the tokens of each text.</param>
    /// <param name="memoryBytes">The most that the states may take.</param>
    /// <returns>States that are all zero, to be filled; null if they would take more than <paramref name="memoryBytes"/>.</returns>
    public static TokenStates? Allocate(string backbone, int depth, int hiddenSize, int[] counts, long memoryBytes)
    {
        long values = counts.Sum(count => (long)count) * hiddenSize;
        if (values > Math.Min(Array.MaxLength, memoryBytes / sizeof(float))) return null;
        int end = 0;
        (int, int)[] texts = [.. counts.Select(count => ((end += count * hiddenSize) - count * hiddenSize, count * hiddenSize))];
        return new TokenStates(backbone, depth, hiddenSize, new float[values], texts);
    }

    /// <summary>[tokens,H] of a text.</summary>
    public Span<float> Of(int text) => _values.AsSpan(_texts[text].Start, _texts[text].Count);

    /// <summary>Where the tokens of some texts go, if they are read by this backbone; null for another backbone.</summary>
    public TokenRows? RowsOf(string backbone, int[] rows) => backbone == Backbone ? new TokenRows(Depth, text => Of(rows[text])) : null;

    /// <summary>The states of the chosen texts, without a copy.</summary>
    public TokenStates Select(int[] rows) => new(Backbone, Depth, HiddenSize, _values, [.. rows.Select(row => _texts[row])]);
}
