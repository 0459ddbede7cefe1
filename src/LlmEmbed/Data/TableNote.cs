namespace LlmEmbed.Data;

/// <summary>Something about a table that is no error, but that its reader should know before relying on it.</summary>
/// <param name="Kind">What the note is about.</param>
/// <param name="Message">The note as a sentence with counts and lines.</param>
public sealed record TableNote(TableNoteKind Kind, string Message)
{
    /// <summary>The sentence.</summary>
    public override string ToString() => Message;
}

/// <summary>What a note about a table is about.</summary>
public enum TableNoteKind
{
    /// <summary>A quoted field spans lines that look like rows of their own.</summary>
    SwallowedRows,

    /// <summary>Records behind the first 1,000 have keys that are no columns.</summary>
    LaterKeys,

    /// <summary>Columns hold values that cannot be read and were left alone.</summary>
    UnreadColumns,

    /// <summary>The names of the columns look like the first row of data.</summary>
    HeaderLikeData,

    /// <summary>Several labels are the same but for case, white space, invisible characters or a final ".0".</summary>
    SimilarLabels,

    /// <summary>Texts occur with more than one label.</summary>
    ConflictingTexts,

    /// <summary>Texts have labels that the training data do not have.</summary>
    UnknownLabels,
}
