using LlmEmbed.Data;

namespace LlmEmbed.Jobs;

/// <summary>How the files of a job are read.</summary>
/// <param name="Format">The format; null takes the one of each file's extension.</param>
/// <param name="Separator">The separator of csv and tsv; null takes what each header shows.</param>
/// <param name="Quotes">What quotation marks mean.</param>
/// <param name="HasHeader">Whether the first row names the columns.</param>
/// <param name="TextColumn">The column of the texts; null to look for it in each file.</param>
/// <param name="Keep">The columns whose values are carried into the result; empty for none.</param>
internal sealed record JobTables(string? Format, char? Separator, Quotes Quotes, bool HasHeader, string? TextColumn, IReadOnlyList<string> Keep)
{
    public static JobTables Of(TableOptions table, string? textColumn, IReadOnlyList<string> keep) =>
        new(table.Format?.Name, table.Separator, table.Quotes, table.HasHeader, textColumn, keep);

    public TableReader Open(string path) => TableReader.Open(path, new TableOptions
    {
        Format = Format is null ? null : TableFormat.Parse(Format),
        Separator = Separator,
        Quotes = Quotes,
        HasHeader = HasHeader,
    });

    /// <summary>The rows of a file from a position on.</summary>
    /// <param name="path">The file.</param>
    /// <param name="file">Its index.</param>
    /// <param name="position">Where to begin.</param>
    public IEnumerable<JobRow> Rows(string path, int file, TablePosition position)
    {
        using TableReader table = Open(path);
        int text = table.TextColumn(TextColumn);
        int[] kept = [.. Keep.Select(table.ColumnIndex)];
        long row = position.Row;
        foreach (TableRow read in table.AllRowsFrom(position))
        {
            string? problem = table.WhyNoText(read, text);
            yield return new JobRow(
                file,
                new TablePosition(row++, read.LineNumber, read.Offset),
                problem is null ? read.Fields[text].Text ?? "" : "",
                problem is null ? Array.ConvertAll(kept, column => read.Fields[column]) : [],
                problem);
        }
    }
}

/// <summary>A row of the input.</summary>
/// <param name="File">The index of its file.</param>
/// <param name="Position">Where it begins.</param>
/// <param name="Text">Its text; empty if it cannot be read.</param>
/// <param name="Kept">The values that are carried into the result.</param>
/// <param name="Problem">Why it cannot be read, as a sentence; null if it can.</param>
internal sealed record JobRow(int File, TablePosition Position, string Text, TableValue[] Kept, string? Problem);
