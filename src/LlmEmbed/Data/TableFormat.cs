using LlmEmbed.Files;

namespace LlmEmbed.Data;

/// <summary>
/// How a table lies in its file. Text formats are UTF-8, with or without a byte order mark. A new format is one row of <see cref="All"/> and one file
/// that reads and writes it.
/// </summary>
public sealed class TableFormat
{
    private TableFormat(string name, IReadOnlyList<string> extensions, Func<Stream, TableSource, ITableRows> read) =>
        (Name, Extensions, Read) = (name, extensions, read);

    /// <summary>
    /// Comma-separated values as RFC 4180 defines them, with a header line. Fields with commas, quotes or line breaks are quoted, and quotes inside
    /// them are doubled.
    /// </summary>
    public static TableFormat Csv { get; } = new("csv", [".csv"], (input, source) => new CsvRows(input, source, separator: ','))
    {
        Write = (output, columns) => new CsvOutput(output, columns, separator: ','),
    };

    /// <summary>As <see cref="Csv"/>, quotes included, with tabs in place of commas.</summary>
    public static TableFormat Tsv { get; } = new("tsv", [".tsv"], (input, source) => new CsvRows(input, source, separator: '\t'))
    {
        Write = (output, columns) => new CsvOutput(output, columns, separator: '\t'),
    };

    /// <summary>One JSON object on each line. The keys of the first object are the columns.</summary>
    public static TableFormat JsonLines { get; } = new("jsonl", [".jsonl", ".ndjson"], (input, source) => new JsonLinesRows(input, source))
    {
        Write = (output, columns) => new JsonLinesOutput(output, columns),
    };

    /// <summary>Apache Parquet with flat columns. It can be read only, and not through a pipe.</summary>
    public static TableFormat Parquet { get; } = new("parquet", [".parquet"], ParquetRows.Open) { IsText = false };

    /// <summary>One text on each line and nothing else. Its only column is called <c>text</c>. It can be read only.</summary>
    public static TableFormat Lines { get; } = new("lines", [".txt"], (input, _) => new LinesRows(input));

    /// <summary>All formats.</summary>
    public static IReadOnlyList<TableFormat> All { get; } = [Csv, Tsv, JsonLines, Parquet, Lines];

    /// <summary>The name, for example <c>jsonl</c>.</summary>
    public string Name { get; }

    /// <summary>The extensions of its files with their dots, for example <c>.jsonl</c>.</summary>
    public IReadOnlyList<string> Extensions { get; }

    /// <summary>Whether tables of this format can be written.</summary>
    public bool CanWrite => Write is not null;

    /// <summary>Whether the file is UTF-8 text with rows on lines; else the reader jumps about in it and counts rows.</summary>
    internal bool IsText { get; private init; } = true;

    /// <summary>Opens the rows of a stream, which is checked to be UTF-8 if the format is text.</summary>
    internal Func<Stream, TableSource, ITableRows> Read { get; }

    /// <summary>Opens a stream for rows with the given columns; null if the format cannot be written.</summary>
    internal Func<Stream, IReadOnlyList<string>, ITableOutput>? Write { get; private init; }

    private static string Known => $"{FileProblem.List([.. All.Select(format => format.Name)])} (one text per line)";

    /// <summary>
    /// The format of a name (<c>csv</c>, <c>tsv</c>, <c>jsonl</c>, <c>parquet</c>, <c>lines</c>) or of an extension without its dot, in any case.
    /// </summary>
    /// <exception cref="LlmEmbedException">There is no such format; the message lists those that there are.</exception>
    public static TableFormat Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        return All.FirstOrDefault(format => IsSame(format.Name, name)) ?? OfExtension("." + name)
            ?? throw new LlmEmbedException($"The format '{name}' is not known. Known are {Known}.");
    }

    /// <summary>The format for which the extension of a file stands.</summary>
    /// <exception cref="LlmEmbedException">The extension stands for no format; the message lists those that do.</exception>
    public static TableFormat FromPath(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        string extension = Path.GetExtension(path);
        if (OfExtension(extension) is { } format) return format;
        string extensions = FileProblem.List([.. All.SelectMany(known => known.Extensions)]);
        throw FileProblem.In(
            path,
            $"the extension '{extension}' does not tell the format. Known are {extensions}; " +
            $"give --format for a file that is called otherwise ({Known}).");
    }

    /// <summary>The name.</summary>
    public override string ToString() => Name;

    private static TableFormat? OfExtension(string extension) =>
        All.FirstOrDefault(format => format.Extensions.Any(known => IsSame(known, extension)));

    private static bool IsSame(string one, string other) => one.Equals(other, StringComparison.OrdinalIgnoreCase);
}

/// <summary>The rows of an open file. Rows are read forward and once.</summary>
internal interface ITableRows : IDisposable
{
    IReadOnlyList<string> Columns { get; }

    /// <summary>The line that names the columns, counted from 1; null if no line does.</summary>
    long? HeaderLine { get; }

    IEnumerable<TableRow> Read();
}

/// <summary>An open file that takes rows. Its column names are written when it is opened.</summary>
internal interface ITableOutput : IDisposable
{
    /// <param name="fields">One value for each column.</param>
    void Write(ReadOnlySpan<TableValue> fields);

    /// <summary>Brings all rows to the file.</summary>
    void Flush();
}
