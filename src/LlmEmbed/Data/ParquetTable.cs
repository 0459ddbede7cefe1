using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Parquet;
using Parquet.Data;
using Parquet.Schema;

namespace LlmEmbed.Data;

/// <summary>
/// Reads the flat columns of Apache Parquet that hold strings, numbers, truth values, dates, times or UTF-8 bytes. Other columns are left alone: most
/// files that have them have a column of texts too. One row group at a time is in memory.
/// </summary>
internal sealed class ParquetRows : ITableRows
{
    /// <summary>
    /// Programs write groups of about a million rows. A group that claims more than this is refused before anything is allocated for it.
    /// </summary>
    private const int MaxGroupRows = 1 << 24;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The types whose values become texts in <see cref="ReadColumn"/>.</summary>
    private static readonly HashSet<Type> ReadTypes =
    [
        typeof(ReadOnlyMemory<char>), typeof(ReadOnlyMemory<byte>), typeof(bool), typeof(sbyte), typeof(byte), typeof(short), typeof(ushort),
        typeof(int), typeof(uint), typeof(long), typeof(ulong), typeof(decimal), typeof(float), typeof(double), typeof(DateTime), typeof(DateOnly),
        typeof(TimeOnly), typeof(TimeSpan), typeof(Guid),
    ];

    private readonly ParquetReader _parquet;
    private readonly DataField[] _fields;
    private readonly TableSource _source;
    private readonly OrderedDictionary<string, string> _unread = []; // by the name of the column, why it was left alone
    private long _firstRow; // from 0

    private ParquetRows(ParquetReader parquet, IReadOnlyList<Field> fields, TableSource source)
    {
        (_parquet, _source) = (parquet, source);
        foreach (Field field in fields)
            if (WhyNotRead(field) is string reason) _unread[field.Name] = reason;
        _fields = [.. fields.Where(field => !_unread.ContainsKey(field.Name)).Cast<DataField>()];
        Columns = Array.ConvertAll(_fields, field => field.Name);
    }

    public IReadOnlyList<string> Columns { get; }

    public long? HeaderLine => null;

    public TableLayout Layout { get; } = new(TableFormat.Parquet);

    public IEnumerable<TableNote> Notes => _unread.Count == 0 ? [] :
    [
        new TableNote(
            TableNoteKind.UnreadColumns,
            $"Columns that were left alone: {string.Join(", ", _unread.Select(column => $"'{column.Key}' ({column.Value})"))}."),
    ];

    public static ITableRows Open(TableInput input)
    {
        TableSource source = input.Source;
        if (!input.Raw.CanSeek) throw source.Error("a Parquet file is read from its end and cannot come through a pipe; save it and give its path.");
        CheckFooter(input.Raw, source);
        ParquetOptions options = new() { UseDateOnlyTypeForDates = true };
        ParquetReader parquet = Guard(source, () => ParquetReader.CreateAsync(input.Raw, options).GetAwaiter().GetResult());
        ParquetRows rows = new(parquet, Guard(source, () => parquet.Schema).Fields, source);
        return rows.Columns.Count > 0 || rows._unread.Count == 0 ? rows : throw source.Error($"no column can be read. {rows.Notes.Single().Message}");
    }

    public string? WhyUnread(string column) => _unread.GetValueOrDefault(column);

    public void GoTo(TablePosition position) => _firstRow = position.Row;

    public IEnumerable<TableRow> Read()
    {
        long groupStart = 0;
        for (int index = 0; index < _parquet.RowGroupCount; index++)
        {
            using ParquetRowGroupReader group = OpenGroup(index);
            long groupEnd = groupStart + group.RowCount;
            if (groupEnd > _firstRow)
            {
                TableValue[][] columns = Array.ConvertAll(_fields, field => ReadColumn(group, field));
                for (long row = Math.Max(groupStart, _firstRow); row < groupEnd; row++)
                    yield return new TableRow(row + 1, Array.ConvertAll(columns, column => column[row - groupStart]));
            }
            groupStart = groupEnd;
        }
        if (groupStart < _firstRow)
            throw _source.Error($"the file ends after {groupStart:N0} rows; row {_firstRow + 1:N0} was found in it before. Has it been replaced?");
    }

    public void Dispose() => _parquet.DisposeAsync().AsTask().GetAwaiter().GetResult();

    /// <summary>
    /// Checks the end of the file: its description, whose last byte is a stop of the Thrift format, the length of the description, and a magic word.
    /// Parquet.Net 6.1.0 never ends if the stop is missing, so it is looked for here.
    /// </summary>
    private static void CheckFooter(Stream input, TableSource source)
    {
        const int TrailerBytes = 9; // stop, length as int32, "PAR1"
        if (input.Length < TrailerBytes) throw source.Error($"the file is {input.Length} bytes long, too short for a Parquet file.");
        Span<byte> trailer = stackalloc byte[TrailerBytes];
        input.ReadExactly(trailer);
        if (Compression.NameOf(trailer) is string compression)
            throw source.Error($"this is {compression} data. Unpack it: a Parquet file is read from its end, and compressed within.");
        input.Seek(-TrailerBytes, SeekOrigin.End);
        input.ReadExactly(trailer);
        input.Seek(0, SeekOrigin.Begin);
        if (!trailer.EndsWith("PAR1"u8)) throw source.Error("this is no Parquet file, or it is cut off: it does not end with PAR1.");
        int footerBytes = BinaryPrimitives.ReadInt32LittleEndian(trailer[1..]);
        if (footerBytes < 1 || footerBytes > input.Length - 12)
            throw source.Error($"the file is damaged: its description is said to be {footerBytes} of {input.Length} bytes.");
        if (trailer[0] != 0) throw source.Error("the file is damaged: its description does not end where it should.");
    }

    private ParquetRowGroupReader OpenGroup(int index)
    {
        ParquetRowGroupReader group = Guard(_source, () => _parquet.OpenRowGroupReader(index));
        if (group.RowCount is >= 0 and <= MaxGroupRows) return group;
        group.Dispose();
        throw _source.Error(
            $"row group {index} claims {group.RowCount} rows; up to {MaxGroupRows} can be read. Write the file with smaller row groups.");
    }

    private TableValue[] ReadColumn(ParquetRowGroupReader group, DataField field)
    {
        using RawColumnData data = Guard(_source, () => group.ReadRawColumnDataBaseAsync(field).AsTask().GetAwaiter().GetResult());
        TableValue[] values = data switch
        {
            RawColumnData<ReadOnlyMemory<char>> strings => Convert(strings, field, text => text.ToString()),
            RawColumnData<ReadOnlyMemory<byte>> bytes => Convert(bytes, field, item => Decode(item.Span, field)),
            RawColumnData<bool> flags => Convert(flags, field, flag => new TableValue(flag ? "true" : "false", isJson: true)),
            RawColumnData<sbyte> numbers => Convert(numbers, field, Json),
            RawColumnData<byte> numbers => Convert(numbers, field, Json),
            RawColumnData<short> numbers => Convert(numbers, field, Json),
            RawColumnData<ushort> numbers => Convert(numbers, field, Json),
            RawColumnData<int> numbers => Convert(numbers, field, Json),
            RawColumnData<uint> numbers => Convert(numbers, field, Json),
            RawColumnData<long> numbers => Convert(numbers, field, Json),
            RawColumnData<ulong> numbers => Convert(numbers, field, Json),
            RawColumnData<decimal> numbers => Convert(numbers, field, Json),
            RawColumnData<float> numbers => Convert(numbers, field, Float),
            RawColumnData<double> numbers => Convert(numbers, field, TableValue.Number),
            RawColumnData<DateTime> times => Convert(times, field, time => time.ToString("O", CultureInfo.InvariantCulture)),
            RawColumnData<DateOnly> dates => Convert(dates, field, date => date.ToString("O", CultureInfo.InvariantCulture)),
            RawColumnData<TimeOnly> times => Convert(times, field, time => time.ToString("O", CultureInfo.InvariantCulture)),
            RawColumnData<TimeSpan> times => Convert(times, field, time => time.ToString("c", CultureInfo.InvariantCulture)),
            RawColumnData<Guid> ids => Convert(ids, field, id => id.ToString()),
            _ => new TableValue[group.RowCount],
        };
        if (values.Length == group.RowCount) return values;
        throw _source.Error($"the column '{field.Name}' holds {values.Length} values in a group of {group.RowCount} rows: the file is damaged.");
    }

    private TableValue[] Convert<T>(RawColumnData<T> data, DataField field, Func<T, TableValue> value)
        where T : struct =>
        field.IsNullable
            ? Guard(_source, () => data.NullableValues.Select(item => item is T present ? value(present) : default).ToArray())
            : Array.ConvertAll(data.Values.ToArray(), item => value(item));

    private static TableValue Float(float number) => float.IsFinite(number) ? Json(number) : number.ToString(CultureInfo.InvariantCulture);

    private static TableValue Json<T>(T number)
        where T : IFormattable => new(number.ToString(format: null, CultureInfo.InvariantCulture), isJson: true);

    private static string? WhyNotRead(Field field) => field switch
    {
        DataField { IsArray: false } one => ReadTypes.Contains(one.ClrType) ? null : $"{one.ClrType.Name.ToLowerInvariant()} values",
        _ => "nested values",
    };

    /// <summary>The text of UTF-8 bytes; null for other bytes, such as those of pictures, and the column is noted.</summary>
    private string? Decode(ReadOnlySpan<byte> bytes, DataField field)
    {
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            _unread[field.Name] = "bytes that are not UTF-8 text";
            return null;
        }
    }

    /// <summary>Turns the exceptions of Parquet.Net into ours. For damaged files it throws whatever its decoding meets.</summary>
    private static T Guard<T>(TableSource source, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception exception) when (exception is not (LlmEmbedException or OutOfMemoryException))
        {
            throw source.Error($"this is not a Parquet file that can be read: {exception.Message}", exception);
        }
    }
}

/// <summary>
/// Writes Apache Parquet, packed with Snappy, which every program reads: columns of texts, and of doubles for numbers. Every value may be missing.
/// Rows are collected until they make a group, so that memory does not grow with the table.
/// </summary>
internal sealed class ParquetOutput : ITableOutput
{
    private const int GroupRows = 100_000;

    private const int GroupCharacters = 32 << 20;

    private readonly CountedStream _output;
    private readonly ParquetColumn[] _columns;
    private readonly ParquetWriter _parquet;
    private int _rows;
    private long _characters;

    public ParquetOutput(Stream output, IReadOnlyList<string> columns, IReadOnlyCollection<string> numbers)
    {
        _output = new CountedStream(output);
        _columns = [.. columns.Select(name => numbers.Contains(name, StringComparer.Ordinal) ? (ParquetColumn)new Numbers(name) : new Texts(name))];
        ParquetSchema schema = new(_columns.Select(column => column.Field));
        _parquet = ParquetWriter.CreateAsync(schema, _output, new ParquetOptions { CompressionMethod = CompressionMethod.Snappy })
            .GetAwaiter().GetResult();
    }

    public void Write(ReadOnlySpan<TableValue> fields)
    {
        for (int column = 0; column < fields.Length; column++) _columns[column].Add(fields[column].Text);
        foreach (TableValue field in fields) _characters += field.Text?.Length ?? 0;
        if (++_rows == GroupRows || _characters >= GroupCharacters) WriteGroup();
    }

    public void Flush() => _output.Flush();

    public void Complete()
    {
        if (_rows > 0) WriteGroup();
        _parquet.DisposeAsync().AsTask().GetAwaiter().GetResult();
        Flush();
    }

    public void Dispose() => _output.Dispose();

    private void WriteGroup()
    {
        using (ParquetRowGroupWriter group = _parquet.CreateRowGroup())
            foreach (ParquetColumn column in _columns) column.WriteTo(group).GetAwaiter().GetResult();
        (_rows, _characters) = (0, 0);
    }

    /// <summary>The values of a column that are not written yet.</summary>
    private abstract class ParquetColumn(DataField field)
    {
        public DataField Field { get; } = field;

        public abstract void Add(string? text);

        /// <summary>Writes the values, and is empty then.</summary>
        public abstract Task WriteTo(ParquetRowGroupWriter group);
    }

    private sealed class Texts(string name) : ParquetColumn(new DataField<string>(name))
    {
        private readonly List<string?> _values = [];

        public override void Add(string? text) => _values.Add(text);

        public override async Task WriteTo(ParquetRowGroupWriter group)
        {
            await group.WriteAsync(Field, _values!).ConfigureAwait(false);
            _values.Clear();
        }
    }

    private sealed class Numbers(string name) : ParquetColumn(new DataField<double?>(name))
    {
        private readonly List<double?> _values = [];

        public override void Add(string? text) =>
            _values.Add(
                text is null ? null
                : double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? number
                : throw new ArgumentException($"The column '{Field.Name}' holds numbers; '{TableSource.Shorten(text)}' is none.", nameof(text)));

        public override async Task WriteTo(ParquetRowGroupWriter group)
        {
            await group.WriteAsync<double>(Field, _values.ToArray()).ConfigureAwait(false);
            _values.Clear();
        }
    }

    /// <summary>Tells Parquet.Net where it is in a stream that may not know it itself, such as a pipe.</summary>
    private sealed class CountedStream(Stream output) : Stream
    {
        private long _written;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => _written;

        public override long Position
        {
            get => _written;
            set => throw new NotSupportedException();
        }

        public override void Write(ReadOnlySpan<byte> buffer)
        {
            output.Write(buffer);
            _written += buffer.Length;
        }

        public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Write(buffer.Span);
            return ValueTask.CompletedTask;
        }

        public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
        {
            Write(buffer.AsSpan(offset, count));
            return Task.CompletedTask;
        }

        public override void Flush() => output.Flush();

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing) output.Dispose();
            base.Dispose(disposing);
        }
    }
}
