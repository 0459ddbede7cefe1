namespace LlmEmbed.Data;

/// <summary>How a table was read: what was found out about its file, and which of its columns were taken.</summary>
/// <param name="Source">The path as it was given, or "standard input".</param>
/// <param name="Layout">Format, separator, quotes and compression.</param>
/// <param name="TextColumn">The name of the column with the text.</param>
/// <param name="LabelColumn">The name of the column with the label; null if labels were not asked for.</param>
/// <param name="Notes">What is no error but worth knowing; what shows while rows are read is there if all have been read.</param>
public sealed record TableDescription(
    string Source, TableLayout Layout, string TextColumn, string? LabelColumn, IReadOnlyList<TableNote> Notes)
{
    /// <summary>One line, for example "text in 'review', label in 'stars' (csv, semicolons, fields quoted as in RFC 4180)".</summary>
    public override string ToString() =>
        $"text in '{TextColumn}'{(LabelColumn is null ? "" : $", label in '{LabelColumn}'")} ({Layout})";
}
