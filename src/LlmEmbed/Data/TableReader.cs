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
    private readonly TableInput _input;
    private readonly ITableRows _rows;
    private bool _isStarted;

    private TableReader(TableInput input, ITableRows rows)
    {
        input.Source.CheckColumns(rows.Columns, rows.HeaderLine);
        (_input, _rows) = (input, rows);
    }

    /// <summary>The path as it was given, or "standard input" for every stream.</summary>
    public string Source => _input.Source.Name;

    /// <summary>The format, and what was found out about separator, quotes and compression.</summary>
    public TableLayout Layout => _rows.Layout;

    /// <summary>
    /// The names of the columns, without white space around them: the keys of the first 1,000 objects for JSON Lines, <c>text</c> for plain lines.
    /// A column without a name is called by its number, from 1. None is blank, none occurs twice.
    /// </summary>
    public IReadOnlyList<string> Columns => _rows.Columns;

    /// <summary>What was found so far that is no error but worth knowing. It is complete when all rows have been read.</summary>
    public IReadOnlyList<TableNote> Notes => [.. HeaderNotes(), .. _rows.Notes];

    /// <summary>Opens a file and reads the names of its columns.</summary>
    /// <param name="path">A file, or <c>-</c> for standard input.</param>
    /// <param name="options">How to read it, for example a format; null to leave that to the file.</param>
    /// <exception cref="LlmEmbedException">
    /// The file cannot be opened, its format is not known, or it does not begin as a table of this format.
    /// </exception>
    public static TableReader Open(string path, TableOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        if (path == "-") return Open(Console.OpenStandardInput(), options ?? new());
        if (!Path.Exists(path)) throw FileProblem.Missing(path);
        TableFormat format = options?.Format ?? TableFormat.FromPath(path);
        TableSource source = new(path, path, UnitOf(format));
        return Open(OpenFile(path, format), source, (options ?? new()) with { Format = format });
    }

    /// <summary>Opens a stream, which errors call standard input, and reads the names of its columns.</summary>
    /// <param name="input">The stream, which is disposed with the reader. For Parquet it must be able to seek.</param>
    /// <param name="options">How to read it, with its format, for which there is no extension; a format alone will do.</param>
    /// <exception cref="LlmEmbedException">The format is not given, or the stream does not begin as a table of this format.</exception>
    public static TableReader Open(Stream input, TableOptions options)
    {
        ArgumentNullException.ThrowIfNull(input);
        ArgumentNullException.ThrowIfNull(options);
        return Disposal.OnFailure([input], () =>
        {
            TableFormat format = options.Format
                ?? throw new LlmEmbedException("Standard input has no extension that tells its format: give --format (csv, tsv, jsonl or lines).");
            return Open(input, new TableSource("standard input", FilePath: null, UnitOf(format)), options);
        });
    }

    /// <summary>The rows, which are read while they are enumerated. They can be enumerated once.</summary>
    /// <exception cref="LlmEmbedException">While enumerating: a row cannot be read, or there is none.</exception>
    /// <exception cref="InvalidOperationException">The rows have been asked for before.</exception>
    public IEnumerable<TableRow> Rows()
    {
        return AllRows().Select(row => row.Problem is null ? row : throw ErrorAt(row, row.Problem));
    }

    /// <summary>The index of the column of this name. Its case counts only if there are several columns that differ by case alone.</summary>
    /// <exception cref="LlmEmbedException">There is no such column, or several; the message lists the columns.</exception>
    public int ColumnIndex(string name) => FindColumn(name)
        ?? throw Error(
            _rows.WhyUnread(name) is string reason
                ? $"the column '{name}' cannot be read: it holds {reason}. Store it as strings. {ColumnList()}"
                : $"there is no column '{name}'. {ColumnList()}");

    /// <summary>
    /// The index of the column that holds the text: the named one; else the first that is called <c>text</c>, <c>sentence</c>, <c>content</c> or
    /// <c>review</c>; else the only one besides the label.
    /// </summary>
    /// <param name="name">The name of the column; null to look for it.</param>
    /// <exception cref="LlmEmbedException">There is no such column, or it is not clear which one it is; the message lists the columns.</exception>
    public int TextColumn(string? name = null) => TableColumns.Text(this, name);

    /// <summary>How the table was read. Its notes are those that were found so far.</summary>
    /// <param name="textColumn">The index of the column that is read as text.</param>
    /// <param name="labelColumn">The index of the column that is read as label; null if none is.</param>
    public TableDescription Describe(int textColumn, int? labelColumn = null) =>
        new(Source, Layout, Columns[textColumn], labelColumn is int label ? Columns[label] : null, Notes);

    /// <summary>The value of a column that must hold a text or a label; null if it is missing.</summary>
    /// <param name="row">A row of this table.</param>
    /// <param name="column">The index of the column.</param>
    /// <exception cref="LlmEmbedException">The value is a JSON object or array.</exception>
    public string? Text(TableRow row, int column)
    {
        ArgumentNullException.ThrowIfNull(row);
        return WhyNoText(row, column) is string problem ? throw ErrorAt(row, problem) : row.Fields[column].Text;
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
    public void Dispose()
    {
        _rows.Dispose();
        _input.Raw.Dispose();
    }

    /// <summary>As <see cref="ColumnIndex"/>, but null if there is no such column.</summary>
    internal int? FindColumn(string name)
    {
        name = InvisibleCharacters.Trim(name);
        int[] ColumnsLike(StringComparison comparison) =>
            [.. Enumerable.Range(0, Columns.Count).Where(column => string.Equals(Columns[column], name, comparison))];

        if (ColumnsLike(StringComparison.Ordinal) is [int exact, ..]) return exact;
        int[] similar = ColumnsLike(StringComparison.OrdinalIgnoreCase);
        if (similar.Length <= 1) return similar.Length == 1 ? similar[0] : null;
        string names = string.Join(" and ", similar.Select(column => $"'{Columns[column]}'"));
        throw Error($"the columns {names} differ only by case; say which with exactly that name.");
    }

    internal LlmEmbedException Error(string problem) => _input.Source.Error(problem);

    internal LlmEmbedException Error(long lineNumber, string problem) => _input.Source.Error(lineNumber, problem);

    /// <summary>The columns as messages list them, and what else the separator could be if there is only one.</summary>
    internal string ColumnList()
    {
        string list = $"The columns are: {string.Join(", ", Columns.Select(name => $"'{InvisibleCharacters.Show(name)}'"))} ({Layout}).";
        if (Layout.Separator is not null && Columns.Any(name => name.AsSpan().ContainsAny(CsvDialect.KnownSeparators)))
            list += " If another character separates the fields, give --separator.";
        if (Layout.Format == TableFormat.Lines) list += " Every line is a text here; a table of columns needs --format csv or tsv.";
        return HeaderNotes().Aggregate(list, (text, note) => $"{text} {note.Message}");
    }

    /// <summary>Why a column of a row holds no text, as a sentence that follows a colon; null if it holds one or nothing.</summary>
    internal string? WhyNoText(TableRow row, int column)
    {
        if (row.Problem is not null) return row.Problem;
        TableValue value = row.Fields[column];
        if (value.IsNested) return $"the column '{Columns[column]}' holds a nested value ({TableSource.Shorten(value.Text!)}), expected a string.";
        return value.Text is null && _rows.WhyUnread(Columns[column]) is string reason ? $"the column '{Columns[column]}' holds {reason}." : null;
    }

    /// <summary>All rows, with those that cannot be read.</summary>
    internal IEnumerable<TableRow> AllRows()
    {
        Start();
        return AtLeastOne();
    }

    /// <summary>
    /// The rows that <see cref="AllRows"/> gives from a row of this file onwards; maybe none. Of a file that is not compressed, only the rows from
    /// there on and what tells the columns are read. Notes are about the rows that are read.
    /// </summary>
    /// <exception cref="InvalidOperationException">The rows have been asked for before, or the table comes through a pipe.</exception>
    internal IEnumerable<TableRow> AllRowsFrom(TablePosition position)
    {
        Start();
        if (!_input.CanRestart) throw new InvalidOperationException("A table that comes through a pipe can be read from its beginning only.");
        if (position.Row > 0) _rows.GoTo(position);
        return _rows.Read();
    }

    private void Start()
    {
        if (_isStarted) throw new InvalidOperationException("The rows of a table can be read once; open it again.");
        _isStarted = true;
    }

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

    private IEnumerable<TableNote> HeaderNotes()
    {
        if (Layout.Separator is null || _rows.HeaderLine is null || ColumnNames.LikeData(Columns) is not string name) yield break;
        yield return new TableNote(
            TableNoteKind.HeaderLikeData,
            $"The first line was taken for the names of the columns, but '{InvisibleCharacters.Show(TableSource.Shorten(name))}' reads like data. " +
            "If the file has no header, give --no-header.");
    }

    private static string UnitOf(TableFormat format) => format.IsText ? "line" : "row";

    private static TableReader Open(Stream input, TableSource source, TableOptions options)
    {
        return Disposal.OnFailure([input], () =>
        {
            TableFormat format = options.Format!;
            if (!format.HasSeparator && (options.Separator is not null || options.Quotes != Quotes.Auto || !options.HasHeader))
            {
                throw source.Error(
                    $"separator, quotes and header belong to csv and tsv; the format here is {format}. Leave them out or give --format.");
            }
            TableInput opened = new(input, source, options);
            return new TableReader(opened, format.Read(opened));
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
            throw FileProblem.Missing(path, exception);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw FileProblem.In(path, $"the file cannot be opened: {FileProblem.Describe(exception)}", exception);
        }
    }
}
