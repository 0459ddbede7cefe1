namespace LlmEmbed.Reading;

/// <summary>Where the embedding [D,H] of a text goes, by the text's index.</summary>
internal delegate Span<float> RowTarget(int text);

/// <summary>Where the states [tokens,H] of a text's tokens go, by the text's index and the depth.</summary>
internal delegate Span<float> TokenRowTarget(int text, int depth);

/// <summary>Where the states of texts' tokens go: those that attention pooling chooses among.</summary>
/// <param name="Depths">Their depths, all different; none if the caller does not want token states.</param>
/// <param name="Of">The target of a text at each of these depths.</param>
internal sealed record TokenRows(IReadOnlyList<int> Depths, TokenRowTarget Of)
{
    /// <summary>For callers that do not want token states.</summary>
    public static TokenRows None { get; } = new([], (_, depth) => throw new ArgumentOutOfRangeException(nameof(depth)));
}

/// <summary>Where the caller wants the states of its texts.</summary>
/// <param name="Rows">[D,H] of each text.</param>
/// <param name="Tokens">[tokens,H] of each text at some depths.</param>
internal sealed record StateTargets(RowTarget Rows, TokenRows Tokens);

/// <summary>Tokens that a call sent through the backbone.</summary>
/// <param name="Tokens">Without padding.</param>
/// <param name="PaddedTokens">With padding.</param>
internal readonly record struct ReadCost(long Tokens, long PaddedTokens)
{
    public static ReadCost operator +(ReadCost a, ReadCost b) => new(a.Tokens + b.Tokens, a.PaddedTokens + b.PaddedTokens);
}

/// <summary>
/// Reads states of texts that are all different. The engine does it by computing; the store does it by remembering and asks another reader for the
/// rest.
/// </summary>
internal interface IStateReader : IDisposable
{
    /// <param name="texts">All texts of the call.</param>
    /// <param name="wanted">The texts to read, as indexes: all different, each with at least one token.</param>
    /// <param name="targets">Where states go.</param>
    /// <param name="progress">Told how many texts have to be computed, and about each finished batch.</param>
    /// <param name="work">Told about quantization, if this is the first reading; stops between two batches.</param>
    /// <param name="finished">Told the texts of each shard as soon as their states are where they go; a shard is what a killed run may lose. Null if
    /// nobody keeps them.</param>
    ReadCost Read(
        PreparedTexts texts, int[] wanted, StateTargets targets, ReadingProgress progress, Work work, Action<int[]>? finished = null);
}

/// <summary>Tells how far a reading is. Texts that are not computed count as kept from before.</summary>
internal sealed class ReadingProgress(IProgress<WorkProgress>? progress, string stage, int total)
{
    private WorkProgress _value = new(stage, 0, total, "texts");

    /// <summary>Texts that had to be computed.</summary>
    public int Computed => total - (int)_value.Kept;

    /// <summary>Reports the start too, so that rates count from there, and a run that finds everything in the store says so.</summary>
    public void Start(int toCompute)
    {
        _value = _value with { Done = total - toCompute, Kept = total - toCompute };
        Advance(0);
    }

    public void Advance(int texts)
    {
        _value = _value with { Done = _value.Done + texts };
        if (total > 0) progress?.Report(_value);
    }
}
