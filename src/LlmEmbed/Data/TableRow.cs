using System.Globalization;

namespace LlmEmbed.Data;

/// <summary>One record of a table.</summary>
/// <param name="LineNumber">The line where the record starts, counted from 1; of a Parquet file the row.</param>
/// <param name="Fields">One value per column of the table.</param>
internal sealed record TableRow(long LineNumber, IReadOnlyList<TableValue> Fields);

/// <summary>
/// One field. Numbers and truth values stay the text they were written as, so that nothing is lost between reading and writing.
/// </summary>
/// <param name="Text">The characters, or null where the field is missing or null.</param>
/// <param name="IsJson"><paramref name="Text"/> is a JSON number, truth value, object or array and not the content of a string.</param>
internal readonly record struct TableValue(string? Text, bool IsJson = false)
{
    public bool IsNested => IsJson && Text is ['{' or '[', ..];

    /// <summary>JSON knows no infinity and no NaN: these become strings.</summary>
    public static TableValue Number(double value) => new(value.ToString("R", CultureInfo.InvariantCulture), IsJson: double.IsFinite(value));

    public static implicit operator TableValue(string? text) => new(text);
}
