using LlmEmbed.Files;

namespace LlmEmbed.Data;

/// <summary>
/// How a table lies in its file. Text formats are UTF-8, with or without a byte order mark. A new format is one row of <see cref="All"/> and one file
/// that reads and writes it.
/// </summary>
public sealed class TableFormat
{
    private TableFormat(string name, IReadOnlyList<string> extensions, Func<TableInput, ITableRows> read) =>
        (Name, Extensions, Read) = (name, extensions, read);

    /// <summary>
    /// Comma-separated values as RFC 4180 defines them, with a header line. Fields with commas, quotes or line breaks are quoted, and quotes inside
    /// them are doubled. What separates fields and what quotes mean can be told by <see cref="TableOptions"/>.
    /// </summary>
    public static TableFormat Csv { get; } = new("csv", [".csv"], input => new CsvRows(input, own: ','))
    {
        HasSeparator = true,
        Write = (output, columns, _) => new CsvOutput(output, columns, separator: ','),
    };

    /// <summary>
    /// As <see cref="Csv"/>, with tabs in place of commas. It is written with quotes and read with or without them, see <see cref="Quotes.Auto"/>.
    /// </summary>
    public static TableFormat Tsv { get; } = new("tsv", [".tsv"], input => new CsvRows(input, own: '\t'))
    {
        HasSeparator = true,
        Write = (output, columns, _) => new CsvOutput(output, columns, separator: '\t'),
    };

    /// <summary>One JSON object on each line. The columns are the keys of the first 1,000 objects.</summary>
    public static TableFormat JsonLines { get; } = new(
        "jsonl", [".jsonl", ".ndjson", ".json"], input => new JsonLinesRows(input))
    {
        Write = (output, columns, _) => new JsonLinesOutput(output, columns),
    };

    /// <summary>
    /// Apache Parquet. Its flat columns are read, nested ones left alone; it is not read through a pipe. It is written with columns of texts, and of
    /// doubles where the writer is told so.
    /// </summary>
    public static TableFormat Parquet { get; } = new("parquet", [".parquet"], ParquetRows.Open)
    {
        IsText = false,
        Write = (output, columns, numbers) => new ParquetOutput(output, columns, numbers),
    };

    /// <summary>One text on each line and nothing else. Its only column is called <c>text</c>. It can be read only.</summary>
    public static TableFormat Lines { get; } = new("lines", [".txt"], input => new LinesRows(input));

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

    /// <summary>Whether rows are lines of fields between separators, with a header.</summary>
    internal bool HasSeparator { get; private init; }

    /// <summary>Opens the rows of an input.</summary>
    internal Func<TableInput, ITableRows> Read { get; }

    /// <summary>
    /// Opens a stream for rows with the given columns, and the names of those that hold numbers, for a format whose columns have types; null if the
    /// format cannot be written.
    /// </summary>
    internal Func<Stream, IReadOnlyList<string>, IReadOnlyCollection<string>, ITableOutput>? Write { get; private init; }

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

    /// <summary>The format for which the extension of a file stands; the one before it, if that of a compression comes last (.gz, .zst).</summary>
    /// <exception cref="LlmEmbedException">The extension stands for no format; the message lists those that do.</exception>
    public static TableFormat FromPath(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (TryFromPath(path) is { } format) return format;
        string extension = Path.GetExtension(Compression.WithoutExtension(path));
        string extensions = FileProblem.List([.. All.SelectMany(known => known.Extensions)]);
        throw FileProblem.In(
            path,
            $"the extension '{extension}' does not tell the format. Known are {extensions}; " +
            $"give --format for a file that is called otherwise ({Known}).");
    }

    /// <summary>As <see cref="FromPath"/>, but null if the extension stands for no format.</summary>
    internal static TableFormat? TryFromPath(string path) => OfExtension(Path.GetExtension(Compression.WithoutExtension(path)));

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

    /// <summary>How the file was read.</summary>
    TableLayout Layout { get; }

    /// <summary>What was found so far that is no error. It is complete when all rows have been read.</summary>
    IEnumerable<TableNote> Notes { get; }

    /// <summary>Why a column of the file is not among <see cref="Columns"/>, or its values are missing; null if neither is so.</summary>
    string? WhyUnread(string column) => null;

    /// <summary>Makes <see cref="Read"/> begin at a row that is not the first, before anything is read. The input must be able to restart.</summary>
    void GoTo(TablePosition position);

    IEnumerable<TableRow> Read();
}

/// <summary>An open file that takes rows. Its column names are written when it is opened.</summary>
internal interface ITableOutput : IDisposable
{
    /// <param name="fields">One value for each column.</param>
    void Write(ReadOnlySpan<TableValue> fields);

    /// <summary>Brings all rows to the file, as far as the format can hand on a part of a table.</summary>
    void Flush();

    /// <summary>Writes what makes the table whole, behind the last row. A table that is given up is disposed without it.</summary>
    void Complete() => Flush();

    /// <summary>How many characters were written as another one, because the format cannot hold them.</summary>
    long ReplacedCharacters => 0;
}
