using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using Parquet;
using Parquet.Data;
using Parquet.Schema;

namespace LlmEmbed.Data;

/// <summary>
/// Reads Apache Parquet with flat columns of strings, numbers, truth values, dates or UTF-8 bytes. One row group at a time is in memory.
/// </summary>
internal sealed class ParquetRows : ITableRows
{
    /// <summary>
    /// Programs write groups of about a million rows. A group that claims more than this is refused before anything is allocated for it.
    /// </summary>
    private const int MaxGroupRows = 1 << 24;

    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly ParquetReader _parquet;
    private readonly DataField[] _fields;
    private readonly TableSource _source;

    private ParquetRows(ParquetReader parquet, DataField[] fields, TableSource source)
    {
        (_parquet, _fields, _source) = (parquet, fields, source);
        Columns = Array.ConvertAll(fields, field => field.Name);
    }

    public IReadOnlyList<string> Columns { get; }

    public long? HeaderLine => null;

    public static ITableRows Open(Stream input, TableSource source)
    {
        if (!input.CanSeek) throw source.Error("a Parquet file is read from its end and cannot come through a pipe; save it and give its path.");
        CheckFooter(input, source);
        ParquetOptions options = new() { UseDateOnlyTypeForDates = true };
        ParquetReader parquet = Guard(source, () => ParquetReader.CreateAsync(input, options).GetAwaiter().GetResult());
        IReadOnlyList<Field> fields = Guard(source, () => parquet.Schema).Fields;
        DataField[] flat = [.. fields.Select(field => field is DataField { IsArray: false } one ? one : throw Nested(field, source))];
        return new ParquetRows(parquet, flat, source);
    }

    public IEnumerable<TableRow> Read()
    {
        long row = 0;
        for (int group = 0; group < _parquet.RowGroupCount; group++)
        {
            TableValue[][] columns = ReadGroup(group);
            for (int item = 0; item < columns[0].Length; item++)
                yield return new TableRow(++row, Array.ConvertAll(columns, column => column[item]));
        }
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
        input.Seek(-TrailerBytes, SeekOrigin.End);
        input.ReadExactly(trailer);
        input.Seek(0, SeekOrigin.Begin);
        if (!trailer.EndsWith("PAR1"u8)) throw source.Error("this is no Parquet file, or it is cut off: it does not end with PAR1.");
        int footerBytes = BinaryPrimitives.ReadInt32LittleEndian(trailer[1..]);
        if (footerBytes < 1 || footerBytes > input.Length - 12)
            throw source.Error($"the file is damaged: its description is said to be {footerBytes} of {input.Length} bytes.");
        if (trailer[0] != 0) throw source.Error("the file is damaged: its description does not end where it should.");
    }

    private TableValue[][] ReadGroup(int index)
    {
        using ParquetRowGroupReader group = Guard(_source, () => _parquet.OpenRowGroupReader(index));
        if (group.RowCount is < 0 or > MaxGroupRows)
        {
            throw _source.Error(
                $"row group {index} claims {group.RowCount} rows; up to {MaxGroupRows} can be read. Write the file with smaller row groups.");
        }
        return Array.ConvertAll(_fields, field => ReadColumn(group, field));
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
            RawColumnData<Guid> ids => Convert(ids, field, id => id.ToString()),
            _ => throw _source.Error(
                $"the column '{field.Name}' is of type {field.ClrType.Name}, which is not implemented. Leave it out or store it as a string."),
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

    private string Decode(ReadOnlySpan<byte> bytes, DataField field)
    {
        try
        {
            return StrictUtf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw _source.Error($"the column '{field.Name}' holds bytes that are not UTF-8 text. Leave it out or store it as a string.");
        }
    }

    private static LlmEmbedException Nested(Field field, TableSource source) =>
        source.Error($"the column '{field.Name}' is nested; only flat columns can be read. Leave it out or store it as a string.");

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
