using System.Globalization;

namespace LlmEmbed.Data;

/// <summary>One row of a table.</summary>
/// <param name="LineNumber">The line on which the row starts, counted from 1; the number of the row for a Parquet file.</param>
/// <param name="Fields">One value for each column of the table.</param>
public sealed record TableRow(long LineNumber, IReadOnlyList<TableValue> Fields)
{
    /// <summary>
    /// The byte at which the row begins in the unpacked file, counted from its beginning with the byte order mark; -1 for a Parquet file, whose rows
    /// begin nowhere.
    /// </summary>
    internal long Offset { get; init; } = -1;

    /// <summary>Why the row cannot be read, as a sentence that follows a colon; null if it can.</summary>
    internal string? Problem { get; private init; }

    /// <summary>A row that cannot be read, while the rows behind it can.</summary>
    internal static TableRow Unreadable(long lineNumber, long offset, string problem) => new(lineNumber, []) { Offset = offset, Problem = problem };
}

/// <summary>
/// One field of a table: a text, a JSON value, or nothing (<c>default</c>). Numbers and truth values stay the text as which they were written, so
/// that nothing is lost between reading and writing. A string converts to a text by itself.
/// </summary>
public readonly record struct TableValue
{
    internal TableValue(string? text, bool isJson) => (Text, IsJson) = (text, isJson);

    /// <summary>The characters; null if the field is missing or null.</summary>
    public string? Text { get; }

    /// <summary>Whether <see cref="Text"/> is a JSON number, truth value, object or array, and not the content of a string.</summary>
    public bool IsJson { get; }

    /// <summary>Whether the field is a JSON object or array.</summary>
    internal bool IsNested => IsJson && Text is ['{' or '[', ..];

    /// <summary>A number with as many digits as tell it from its neighbours. JSON knows no infinity and no NaN, so these become texts.</summary>
    public static TableValue Number(double value) => new(value.ToString("R", CultureInfo.InvariantCulture), isJson: double.IsFinite(value));

    /// <summary>A text, or nothing for null.</summary>
    public static implicit operator TableValue(string? text) => new(text, isJson: false);
}
