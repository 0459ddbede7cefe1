namespace LlmEmbed.Data;

/// <summary>How the file of a table is to be read, where that is not left to the file. A format alone converts to these options by itself.</summary>
public sealed record TableOptions
{
    /// <summary>The format. Null takes the one for which the extension stands.</summary>
    public TableFormat? Format { get; init; }

    /// <summary>
    /// The character between the fields of a line, for <see cref="TableFormat.Csv"/> and <see cref="TableFormat.Tsv"/>. Null takes the one that the
    /// format is named after; if the header line does not hold it, the comma, semicolon, tab or vertical bar that occurs there most often.
    /// </summary>
    public char? Separator { get; init; }

    /// <summary>What quotation marks mean, for <see cref="TableFormat.Csv"/> and <see cref="TableFormat.Tsv"/>.</summary>
    public Quotes Quotes { get; init; }

    /// <summary>
    /// Whether the first row of <see cref="TableFormat.Csv"/> or <see cref="TableFormat.Tsv"/> names the columns. Else they are named by their
    /// numbers, from 1.
    /// </summary>
    public bool HasHeader { get; init; } = true;

    /// <summary>The options with this format, and everything else left to the file.</summary>
    public static implicit operator TableOptions(TableFormat? format) => new() { Format = format };
}

/// <summary>What quotation marks mean in comma- or tab-separated values.</summary>
public enum Quotes
{
    /// <summary>
    /// <see cref="Rfc4180"/>, except between tabs: most programs write tab-separated files without quoting. Such a file is read as
    /// <see cref="None"/> if its first 64 MiB are a sound table only without quoting, provided that it can be read twice (a pipe cannot).
    /// </summary>
    Auto,

    /// <summary>A field may stand in quotes, which are doubled inside it. Broken quoting is an error.</summary>
    Rfc4180,

    /// <summary>Quotes are characters like all others, and every line is a row.</summary>
    None,
}
