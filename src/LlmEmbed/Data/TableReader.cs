using LlmEmbed.Files;

namespace LlmEmbed.Data;

/// <summary>
/// Reads a table row by row, forward and once, in memory that does not grow with the number of rows (of a Parquet file one row group is in memory).
/// Every error names the file and, where there is one, the line.
/// </summary>
internal abstract class TableReader : IDisposable
{
    private readonly TableSource _source;
    private bool _started;

    protected TableReader(TableSource source, TableFormat format, IReadOnlyList<string> columns, long? headerLine)
    {
        CheckColumns(source, columns, headerLine);
        _source = source;
        Format = format;
        Columns = columns;
    }

    /// <summary>The path as it was given, or "standard input".</summary>
    public string Source => _source.Name;

    public TableFormat Format { get; }

    /// <summary>The column names: of plain lines <c>text</c>, of JSON Lines the keys of the first object. None is blank and none occurs twice.</summary>
    public IReadOnlyList<string> Columns { get; }

    /// <param name="path">A file, or <c>-</c> for standard input.</param>
    /// <param name="format">Null: as the extension says.</param>
    public static TableReader Open(string path, TableFormat? format = null)
    {
        if (path != "-") return Open(OpenFile(path, format ??= TableFormats.FromPath(path)), new TableSource(path, path, Unit(format.Value)), format.Value);
        if (format is null) throw new LlmEmbedException("Standard input has no extension that tells its format: give --format (csv, tsv, jsonl or lines).");
        return Open(Console.OpenStandardInput(), format.Value);
    }

    /// <summary>Reads a stream that has no name, as standard input.</summary>
    public static TableReader Open(Stream input, TableFormat format) => Open(input, new TableSource("standard input", FilePath: null, Unit(format)), format);

    /// <summary>The rows, lazily; they can be enumerated once.</summary>
    /// <exception cref="LlmEmbedException">A row cannot be read, or there is none.</exception>
    public IEnumerable<TableRow> Rows()
    {
        if (_started) throw new InvalidOperationException("The rows of a table can be read once; open it again.");
        _started = true;
        return AtLeastOne();
    }

    /// <summary>The column of that name; its case counts only where it must, to tell two columns apart.</summary>
    public int ColumnIndex(string name) => FindColumn(name) ?? throw Error($"there is no column '{name}'. {ColumnList()}");

    /// <summary>As <see cref="ColumnIndex"/>, null where there is no such column.</summary>
    public int? FindColumn(string name)
    {
        for (int column = 0; column < Columns.Count; column++)
            if (string.Equals(Columns[column], name, StringComparison.Ordinal)) return column;

        int[] similar = Enumerable.Range(0, Columns.Count).Where(column => string.Equals(Columns[column], name, StringComparison.OrdinalIgnoreCase)).ToArray();
        if (similar.Length > 1) throw Error($"the columns {string.Join(" and ", similar.Select(column => $"'{Columns[column]}'"))} differ only by case; say which with exactly that name.");
        return similar.Length == 1 ? similar[0] : null;
    }

    /// <summary>The value of a column that must hold text or a label: null where it is missing, an error where it is nested.</summary>
    public string? Text(TableRow row, int column)
    {
        TableValue value = row.Fields[column];
        if (value.IsNested) throw Error(row.LineNumber, $"the column '{Columns[column]}' holds a nested value ({Shorten(value.Text!)}), expected a string.");
        return value.Text;
    }

    public LlmEmbedException Error(string problem) => _source.Error(problem);

    public LlmEmbedException Error(long lineNumber, string problem, Exception? cause = null) => _source.Error(lineNumber, problem, cause);

    public string ColumnList() => $"The columns are: {string.Join(", ", Columns)}.";

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    /// <summary>Refuses columns that could not be told apart by name.</summary>
    public static void CheckColumns(TableSource source, IReadOnlyList<string> columns, long? headerLine = null)
    {
        if (columns.Count == 0) throw source.Error(headerLine, "there are no columns.");
        Dictionary<string, int> seen = new(StringComparer.Ordinal);
        for (int column = 0; column < columns.Count; column++)
        {
            if (string.IsNullOrWhiteSpace(columns[column])) throw source.Error(headerLine, $"column {column + 1} has no name; every column needs one.");
            if (!seen.TryAdd(columns[column], column))
                throw source.Error(headerLine, $"columns {seen[columns[column]] + 1} and {column + 1} are both called '{columns[column]}'. Rename one.");
        }
    }

    protected abstract IEnumerable<TableRow> ReadRows();

    protected abstract void Dispose(bool disposing);

    protected static string Shorten(string text) => text.Length <= 60 ? text : text[..57] + "...";

    private IEnumerable<TableRow> AtLeastOne()
    {
        bool any = false;
        foreach (TableRow row in ReadRows())
        {
            any = true;
            yield return row;
        }

        if (!any) throw Error("there are no rows.");
    }

    private static string Unit(TableFormat format) => format == TableFormat.Parquet ? "row" : "line";

    private static TableReader Open(Stream input, TableSource source, TableFormat format)
    {
        try
        {
            return format switch
            {
                TableFormat.Csv => new CsvTableReader(new Utf8Stream(input, source), source, format, separator: ','),
                TableFormat.Tsv => new CsvTableReader(new Utf8Stream(input, source), source, format, separator: '\t'),
                TableFormat.JsonLines => JsonLinesTableReader.Open(new Utf8Stream(input, source), source),
                TableFormat.Lines => new LinesTableReader(new Utf8Stream(input, source), source),
                TableFormat.Parquet => ParquetTableReader.Open(input, source),
                _ => throw new ArgumentOutOfRangeException(nameof(format), format, message: null),
            };
        }
        catch
        {
            input.Dispose();
            throw;
        }
    }

    private static FileStream OpenFile(string path, TableFormat format)
    {
        if (Directory.Exists(path)) throw new LlmEmbedException($"{path}: this is a folder, expected a file.") { FilePath = path };
        try
        {
            // Text is read in blocks of its own; only Parquet jumps about.
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, format == TableFormat.Parquet ? 4096 : 0);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new LlmEmbedException($"{path}: there is no such file.", exception) { FilePath = path };
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new LlmEmbedException($"{path}: the file cannot be opened: {FileProblem.Describe(exception)}", exception) { FilePath = path };
        }
    }
}
