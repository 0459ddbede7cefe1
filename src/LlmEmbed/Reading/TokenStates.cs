namespace LlmEmbed.Reading;

/// <summary>The states of N texts at one depth, token by token: what attention pooling is learned from.</summary>
internal sealed class TokenStates
{
    private readonly float[] _values; // [tokens of all texts,H]
    private readonly (int Start, int Count)[] _texts; // in values

    private TokenStates(string backbone, int depth, int hiddenSize, float[] values, (int Start, int Count)[] texts) =>
        (Backbone, Depth, HiddenSize, _values, _texts) = (backbone, depth, hiddenSize, values, texts);

    /// <summary>As the features' layout names it.</summary>
    public string Backbone { get; }

    public int Depth { get; }

    /// <summary>H.</summary>
    public int HiddenSize { get; }

    /// <summary>N.</summary>
    public int Rows => _texts.Length;

    /// <param name="backbone">As the features' layout names it.</param>
    /// <param name="depth">Of the states.</param>
    /// <param name="hiddenSize">H.</param>
    /// <param name="counts">[N], the tokens of each text.</param>
    /// <param name="memoryBytes">What they may take.</param>
    /// <returns>Zeros; null where they would take more.</returns>
    public static TokenStates? Allocate(string backbone, int depth, int hiddenSize, int[] counts, long memoryBytes)
    {
        long values = counts.Sum(count => (long)count) * hiddenSize;
        if (values > Math.Min(Array.MaxLength, memoryBytes / sizeof(float))) return null;
        int end = 0;
        return new TokenStates(backbone, depth, hiddenSize, new float[values], [.. counts.Select(count => ((end += count * hiddenSize) - count * hiddenSize, count * hiddenSize))]);
    }

    /// <summary>[tokens,H] of a text.</summary>
    public Span<float> Of(int text) => _values.AsSpan(_texts[text].Start, _texts[text].Count);

    /// <summary>The chosen texts, not copied.</summary>
    public TokenStates Select(int[] rows) => new(Backbone, Depth, HiddenSize, _values, [.. rows.Select(row => _texts[row])]);
}
