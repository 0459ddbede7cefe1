using LlmEmbed.Files;

namespace LlmEmbed.Data;

/// <summary>
/// Reads a table row by row, forward and once, in memory that does not grow with the number of rows. (Of a Parquet file, one row group is in memory.)
/// Every error names the file and, if there is one, the line.
/// </summary>
/// <example>
/// <code>
/// using TableReader table = TableReader.Open("texts.csv");
/// int column = table.TextColumn();
/// foreach (TableRow row in table.Rows()) Console.WriteLine($"{row.LineNumber}: {table.Text(row, column)}");
/// </code>
/// </example>
public sealed class TableReader : IDisposable
{
    private readonly TableSource _source;
    private readonly ITableRows _rows;
    private bool _isStarted;

    private TableReader(TableSource source, TableFormat format, ITableRows rows)
    {
        source.CheckColumns(rows.Columns, rows.HeaderLine);
        (_source, Format, _rows) = (source, format, rows);
    }

    /// <summary>The path as it was given, or "standard input" for every stream.</summary>
    public string Source => _source.Name;

    /// <summary>The format.</summary>
    public TableFormat Format { get; }

    /// <summary>
    /// The names of the columns: the keys of the first object for JSON Lines, <c>text</c> for plain lines. None is blank, none occurs twice.
    /// </summary>
    public IReadOnlyList<string> Columns => _rows.Columns;

    /// <summary>Opens a file and reads the names of its columns.</summary>
    /// <param name="path">A file, or <c>-</c> for standard input.</param>
    /// <param name="format">The format; null to take the one for which the extension stands.</param>
    /// <exception cref="LlmEmbedException">
    /// The file cannot be opened, its format is not known, or it does not begin as a table of this format.
    /// </exception>
    public static TableReader Open(string path, TableFormat? format = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (path == "-")
        {
            return Open(Console.OpenStandardInput(), format
                ?? throw new LlmEmbedException("Standard input has no extension that tells its format: give --format (csv, tsv, jsonl or lines)."));
        }
        format ??= TableFormat.FromPath(path);
        return Open(OpenFile(path, format), new TableSource(path, path, UnitOf(format)), format);
    }

    /// <summary>Opens a stream, which errors call standard input, and reads the names of its columns.</summary>
    /// <param name="input">The stream, which is disposed with the reader. For Parquet it must be able to seek.</param>
    /// <param name="format">The format.</param>
    /// <exception cref="LlmEmbedException">The stream does not begin as a table of this format.</exception>
    public static TableReader Open(Stream input, TableFormat format)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(format);
        return Open(input, new TableSource("standard input", FilePath: null, UnitOf(format)), format);
    }

    /// <summary>The rows, which are read while they are enumerated. They can be enumerated once.</summary>
    /// <exception cref="LlmEmbedException">While enumerating: a row cannot be read, or there is none.</exception>
    /// <exception cref="InvalidOperationException">The rows have been asked for before.</exception>
    public IEnumerable<TableRow> Rows()
    {
        if (_isStarted) throw new InvalidOperationException("The rows of a table can be read once; open it again.");
        _isStarted = true;
        return AtLeastOne();
    }

    /// <summary>The index of the column of this name. Its case counts only if there are several columns that differ by case alone.</summary>
    /// <exception cref="LlmEmbedException">There is no such column, or several; the message lists the columns.</exception>
    public int ColumnIndex(string name) => FindColumn(name) ?? throw Error($"there is no column '{name}'. {ColumnList()}");

    /// <summary>
    /// The index of the column that holds the text: the named one; else the first that is called <c>text</c>, <c>sentence</c>, <c>content</c> or
    /// <c>review</c>; else the only one besides the label.
    /// </summary>
    /// <param name="name">The name of the column; null to look for it.</param>
    /// <exception cref="LlmEmbedException">There is no such column, or it is not clear which one it is; the message lists the columns.</exception>
    public int TextColumn(string? name = null) => TableColumns.Text(this, name);

    /// <summary>The value of a column that must hold a text or a label; null if it is missing.</summary>
    /// <param name="row">A row of this table.</param>
    /// <param name="column">The index of the column.</param>
    /// <exception cref="LlmEmbedException">The value is a JSON object or array.</exception>
    public string? Text(TableRow row, int column)
    {
        ArgumentNullException.ThrowIfNull(row);
        TableValue value = row.Fields[column];
        if (!value.IsNested) return value.Text;
        throw ErrorAt(row, $"the column '{Columns[column]}' holds a nested value ({TableSource.Shorten(value.Text!)}), expected a string.");
    }

    /// <summary>An error for a row that a program cannot use. Its message names the file and the line of the row.</summary>
    /// <param name="row">A row of this table.</param>
    /// <param name="problem">What is wrong, as a sentence that follows a colon.</param>
    public LlmEmbedException ErrorAt(TableRow row, string problem)
    {
        ArgumentNullException.ThrowIfNull(row);
        return Error(row.LineNumber, problem);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _rows.Dispose();

    /// <summary>As <see cref="ColumnIndex"/>, but null if there is no such column.</summary>
    internal int? FindColumn(string name)
    {
        int[] ColumnsLike(StringComparison comparison) =>
            [.. Enumerable.Range(0, Columns.Count).Where(column => string.Equals(Columns[column], name, comparison))];

        if (ColumnsLike(StringComparison.Ordinal) is [int exact, ..]) return exact;
        int[] similar = ColumnsLike(StringComparison.OrdinalIgnoreCase);
        if (similar.Length <= 1) return similar.Length == 1 ? similar[0] : null;
        string names = string.Join(" and ", similar.Select(column => $"'{Columns[column]}'"));
        throw Error($"the columns {names} differ only by case; say which with exactly that name.");
    }

    internal LlmEmbedException Error(string problem) => _source.Error(problem);

    internal LlmEmbedException Error(long lineNumber, string problem) => _source.Error(lineNumber, problem);

    internal string ColumnList() => $"The columns are: {string.Join(", ", Columns)}.";

    private IEnumerable<TableRow> AtLeastOne()
    {
        bool isEmpty = true;
        foreach (TableRow row in _rows.Read())
        {
            isEmpty = false;
            yield return row;
        }
        if (isEmpty) throw Error("there are no rows.");
    }

    private static string UnitOf(TableFormat format) => format.IsText ? "line" : "row";

    private static TableReader Open(Stream input, TableSource source, TableFormat format)
    {
        return Disposal.OnFailure([input], () =>
        {
            Stream checkedInput = format.IsText ? new Utf8Stream(input, source) : input;
            return new TableReader(source, format, format.Read(checkedInput, source));
        });
    }

    private static FileStream OpenFile(string path, TableFormat format)
    {
        if (Directory.Exists(path)) throw FileProblem.In(path, "this is a folder, expected a file.");
        try
        {
            // Text is read in blocks by Utf8Stream, so only other formats need a buffer.
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: format.IsText ? 0 : 4096);
        }
        catch (Exception exception) when (exception is FileNotFoundException or DirectoryNotFoundException)
        {
            throw FileProblem.In(path, "there is no such file.", exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw FileProblem.In(path, $"the file cannot be opened: {FileProblem.Describe(exception)}", exception);
        }
    }
}
