namespace LlmEmbed;

/// <summary>A backbone as it was read, and what reading met and cost.</summary>
/// <param name="Name">The backbone's name.</param>
/// <param name="Views">The views that were read.</param>
/// <param name="BlockCount">L, the number of blocks of the backbone, of which those up to the deepest view ran.</param>
/// <param name="MaxTokens">Longest input in tokens; longer texts lost their end.</param>
/// <param name="Precision">What matrix products were computed in.</param>
/// <param name="Statistics">What the reading met and cost.</param>
public sealed record BackboneReading(
    string Name, IReadOnlyList<View> Views, int BlockCount, int MaxTokens, Precision Precision, EncodingStatistics Statistics)
{
    /// <summary>Why <see cref="Precision"/> was chosen, in words for people; empty if it was asked for.</summary>
    public string PrecisionReason { get; init; } = "";

    /// <summary>What texts were read behind, as a sentence for people; empty if they were read as they stand.</summary>
    public string Lead { get; init; } = "";

    /// <summary>What deserves a word: what was passed over in a configuration, damaged files of the cache, texts that lost their end.</summary>
    public IReadOnlyList<Warning> Warnings { get; init; } = [];
}

/// <summary>Something that a user should know, though the work went on.</summary>
/// <param name="Kind">What it is about.</param>
/// <param name="Message">A sentence for people.</param>
public sealed record Warning(WarningKind Kind, string Message);

/// <summary>What a warning is about.</summary>
public enum WarningKind
{
    /// <summary>Texts were longer than the backbone reads, and lost their end.</summary>
    TruncatedTexts,

    /// <summary>A file of the cache was damaged. It was set aside, and its texts are computed again.</summary>
    DamagedStore,

    /// <summary>The backbone's configuration says something that was passed over.</summary>
    Configuration,
}
