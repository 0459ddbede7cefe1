using LlmEmbed.Files;

namespace LlmEmbed.Data;

/// <summary>
/// Writes a table row by row, text as UTF-8 without byte order mark and with LF line ends. A file appears whole with <see cref="Commit"/>, or not at
/// all; a file of that name that exists stays as it is until then. Rows reach a stream, standard output, a pipe or a device with <see cref="Flush"/>.
/// Parquet goes there in groups of rows, and can be read when <see cref="Commit"/> has written its end.
/// </summary>
/// <example>
/// <code>
/// using TableWriter table = TableWriter.Create("predictions.csv", ["text", "label", "probability"]);
/// table.Write("a fine story", "good", TableValue.Number(0.93));
/// table.Commit();
/// </code>
/// </example>
public sealed class TableWriter : IDisposable
{
    private readonly ITableOutput _output;
    private readonly AtomicFile? _file;
    private bool _isClosed;

    private TableWriter(IReadOnlyList<string> columns, ITableOutput output, AtomicFile? file) => (Columns, _output, _file) = (columns, output, file);

    /// <summary>The names of the columns.</summary>
    public IReadOnlyList<string> Columns { get; }

    /// <summary>
    /// The number of characters U+0000 that were written as U+FFFD so far: csv and tsv are text, which cannot hold them and be read again.
    /// </summary>
    public long ReplacedCharacters => _output.ReplacedCharacters;

    /// <summary>Begins a file beside its final place and writes the names of its columns.</summary>
    /// <param name="path">A file, which <see cref="Commit"/> replaces if it exists, or <c>-</c> for standard output.</param>
    /// <param name="columns">The names of the columns, all different and none blank.</param>
    /// <param name="format">
    /// The format; null to take the one for which the extension stands, and <see cref="TableFormat.Csv"/> for standard output.
    /// </param>
    /// <param name="numbers">
    /// The names of the columns that hold numbers or nothing, for <see cref="TableFormat.Parquet"/>, where they become doubles. All others are texts.
    /// </param>
    /// <exception cref="LlmEmbedException">The file or this format cannot be written, or a name of a column is blank or occurs twice.</exception>
    public static TableWriter Create(
        string path, IReadOnlyList<string> columns, TableFormat? format = null, IReadOnlyCollection<string>? numbers = null)
    {
        ArgumentNullException.ThrowIfNull(path);
        return path == "-"
            ? Create(
                () => (Console.OpenStandardOutput(), null), columns, numbers, format ?? TableFormat.Csv, new TableSource("standard output", null))
            : Create(() => Begin(path), columns, numbers, format ?? TableFormat.FromPath(path), new TableSource(path, path));

        static (Stream Output, AtomicFile? File) Begin(string path)
        {
            AtomicFile file = new(path);
            return (file.Content, file);
        }
    }

    /// <summary>Writes to a stream, beginning with the names of the columns.</summary>
    /// <param name="output">The stream, which is disposed with the writer.</param>
    /// <param name="columns">The names of the columns, all different and none blank.</param>
    /// <param name="format">The format.</param>
    /// <param name="numbers">The names of the columns that hold numbers or nothing, for <see cref="TableFormat.Parquet"/>.</param>
    /// <exception cref="LlmEmbedException">This format cannot be written, or a name of a column is blank or occurs twice.</exception>
    public static TableWriter Create(
        Stream output, IReadOnlyList<string> columns, TableFormat format, IReadOnlyCollection<string>? numbers = null)
    {
        ArgumentNullException.ThrowIfNull(output);
        ArgumentNullException.ThrowIfNull(format);
        return Disposal.OnFailure([output], () => Create(() => (output, null), columns, numbers, format, new TableSource("output", FilePath: null)));
    }

    /// <summary>Writes one row.</summary>
    /// <param name="fields">One value for each column.</param>
    /// <exception cref="ArgumentException">
    /// There are more or fewer values than columns, or the value of a column of numbers in a Parquet file is none.
    /// </exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    public void Write(params ReadOnlySpan<TableValue> fields)
    {
        if (fields.Length != Columns.Count) throw new ArgumentException($"{fields.Length} fields for {Columns.Count} columns.", nameof(fields));
        _output.Write(fields);
    }

    /// <summary>Brings all rows to the stream, so that another program can read them. (Of Parquet, only whole groups of rows.)</summary>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    /// <exception cref="LlmEmbedException">The file cannot be written.</exception>
    public void Flush() => _output.Flush();

    /// <summary>Brings all rows to the file and puts it in its place. No row can be written afterwards.</summary>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    /// <exception cref="LlmEmbedException">The file cannot be written.</exception>
    public void Commit()
    {
        if (!_isClosed) _output.Complete();
        Close();
        _file?.Commit();
    }

    /// <summary>Closes the table, and removes a file that was not committed.</summary>
    /// <exception cref="IOException">The stream cannot be written.</exception>
    public void Dispose()
    {
        try
        {
            Close();
        }
        finally
        {
            _file?.Dispose();
        }
    }

    private void Close()
    {
        if (_isClosed) return;
        _isClosed = true;
        _output.Dispose();
    }

    /// <param name="open">Opens the output, after format and columns have been checked: what is wrong must leave no trace.</param>
    /// <param name="columns">The names of the columns.</param>
    /// <param name="numbers">The names of those that hold numbers.</param>
    /// <param name="format">The format.</param>
    /// <param name="target">The output, for messages.</param>
    private static TableWriter Create(
        Func<(Stream Output, AtomicFile? File)> open,
        IReadOnlyList<string> columns,
        IReadOnlyCollection<string>? numbers,
        TableFormat format,
        TableSource target)
    {
        ArgumentNullException.ThrowIfNull(columns);
        target.CheckColumns(columns);
        numbers ??= [];
        if (numbers.Except(columns, StringComparer.Ordinal).FirstOrDefault() is string unknown)
            throw new ArgumentException($"There is no column '{unknown}' to hold numbers.", nameof(numbers));
        if (format.Write is not { } write)
        {
            string writable = FileProblem.List([.. TableFormat.All.Where(known => known.CanWrite).Select(known => known.Name)]);
            throw target.Error($"the format {format.Name} cannot be written; {writable} can.");
        }
        (Stream output, AtomicFile? file) = open();
        return Disposal.OnFailure([file ?? (IDisposable)output], () => new TableWriter(columns, write(output, columns, numbers), file));
    }
}
