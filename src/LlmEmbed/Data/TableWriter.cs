using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using CsvHelper;
using LlmEmbed.Files;

namespace LlmEmbed.Data;

/// <summary>
/// Writes rows as csv, tsv or jsonl, UTF-8 without byte order mark and with LF line ends. Rows reach the file with <see cref="Flush"/>, once per batch, and not through
/// a temporary file: a long prediction run can be followed, and keeps what it has when it is stopped.
/// </summary>
internal abstract class TableWriter : IDisposable
{
    protected TableWriter(IReadOnlyList<string> columns) => Columns = columns;

    public IReadOnlyList<string> Columns { get; }

    /// <param name="path">A file, which is overwritten, or <c>-</c> for standard output.</param>
    /// <param name="columns">The names, each of them once.</param>
    /// <param name="format">Null: as the extension says.</param>
    public static TableWriter Create(string path, IReadOnlyList<string> columns, TableFormat? format = null)
    {
        if (path == "-") return Create(Console.OpenStandardOutput(), columns, format ?? TableFormat.Csv, new TableSource("standard output", FilePath: null));
        format ??= TableFormats.FromPath(path);
        try
        {
            return Create(new FileStream(path, FileMode.Create, FileAccess.Write, FileShare.Read), columns, format.Value, new TableSource(path, path));
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new LlmEmbedException($"{path}: the file cannot be written: {FileProblem.Describe(exception)}", exception) { FilePath = path };
        }
    }

    /// <summary>Writes to a stream, which is disposed with the writer.</summary>
    public static TableWriter Create(Stream output, IReadOnlyList<string> columns, TableFormat format) => Create(output, columns, format, new TableSource("output", FilePath: null));

    /// <summary>One value per column.</summary>
    public void Write(params ReadOnlySpan<TableValue> fields)
    {
        if (fields.Length != Columns.Count) throw new ArgumentException($"{fields.Length} fields for {Columns.Count} columns.", nameof(fields));
        WriteRow(fields);
    }

    public abstract void Flush();

    public void Dispose()
    {
        Dispose(disposing: true);
        GC.SuppressFinalize(this);
    }

    protected abstract void WriteRow(ReadOnlySpan<TableValue> fields);

    protected abstract void Dispose(bool disposing);

    private static TableWriter Create(Stream output, IReadOnlyList<string> columns, TableFormat format, TableSource target)
    {
        try
        {
            TableReader.CheckColumns(target, columns);
            return format switch
            {
                TableFormat.Csv => new CsvTableWriter(output, columns, separator: ','),
                TableFormat.Tsv => new CsvTableWriter(output, columns, separator: '\t'),
                TableFormat.JsonLines => new JsonLinesTableWriter(output, columns),
                _ => throw target.Error($"the format {format.ToString().ToLowerInvariant()} cannot be written; csv, tsv and jsonl can."),
            };
        }
        catch
        {
            output.Dispose();
            throw;
        }
    }

    private sealed class CsvTableWriter : TableWriter
    {
        private readonly CsvWriter _csv;

        public CsvTableWriter(Stream output, IReadOnlyList<string> columns, char separator)
            : base(columns)
        {
            _csv = CsvWriter.Create(output, new CsvWriterOptions { Separator = separator, NewLine = "\n" });
            foreach (string column in columns) _csv.WriteField(column);
            _csv.EndRecord();
        }

        public override void Flush() => _csv.Flush();

        protected override void WriteRow(ReadOnlySpan<TableValue> fields)
        {
            foreach (TableValue field in fields) _csv.WriteField(field.Text);
            _csv.EndRecord();
        }

        protected override void Dispose(bool disposing)
        {
            if (disposing) _csv.Dispose();
        }
    }

    private sealed class JsonLinesTableWriter : TableWriter
    {
        private const int BufferBytes = 1 << 16;

        private readonly Stream _output;
        private readonly JsonEncodedText[] _keys;
        private readonly ArrayBufferWriter<byte> _buffer = new(BufferBytes);
        private readonly Utf8JsonWriter _json;

        public JsonLinesTableWriter(Stream output, IReadOnlyList<string> columns)
            : base(columns)
        {
            _output = output;
            _keys = columns.Select(column => JsonEncodedText.Encode(column, ReadableEncoder.Instance)).ToArray();
            _json = new Utf8JsonWriter(_buffer, new JsonWriterOptions { Encoder = ReadableEncoder.Instance });
        }

        public override void Flush()
        {
            WriteBuffer();
            _output.Flush();
        }

        protected override void WriteRow(ReadOnlySpan<TableValue> fields)
        {
            _json.WriteStartObject();
            for (int field = 0; field < fields.Length; field++)
            {
                _json.WritePropertyName(_keys[field]);
                if (fields[field] is { IsJson: true, Text: string json }) _json.WriteRawValue(json);
                else _json.WriteStringValue(fields[field].Text);
            }

            _json.WriteEndObject();
            _json.Flush();
            _json.Reset();
            _buffer.Write("\n"u8);
            if (_buffer.WrittenCount >= BufferBytes) WriteBuffer();
        }

        protected override void Dispose(bool disposing)
        {
            if (!disposing) return;
            Flush();
            _json.Dispose();
            _output.Dispose();
        }

        private void WriteBuffer()
        {
            _output.Write(_buffer.WrittenSpan);
            _buffer.ResetWrittenCount();
        }
    }

    /// <summary>Escapes what JSON demands and nothing else; the ready-made encoders escape emoji and all other characters beyond U+FFFF as well.</summary>
    private sealed unsafe class ReadableEncoder : JavaScriptEncoder
    {
        public static readonly ReadableEncoder Instance = new();

        public override int MaxOutputCharactersPerInputCharacter => UnsafeRelaxedJsonEscaping.MaxOutputCharactersPerInputCharacter;

        public override bool WillEncode(int unicodeScalar) => unicodeScalar is < ' ' or '"' or '\\';

        public override int FindFirstCharacterToEncode(char* text, int textLength)
        {
            // Surrogates too: the caller then looks at whole characters, and replaces halves.
            for (int index = 0; index < textLength; index++)
                if (WillEncode(text[index]) || char.IsSurrogate(text[index])) return index;
            return -1;
        }

        public override bool TryEncodeUnicodeScalar(int unicodeScalar, char* buffer, int bufferLength, out int numberOfCharactersWritten) =>
            UnsafeRelaxedJsonEscaping.TryEncodeUnicodeScalar(unicodeScalar, buffer, bufferLength, out numberOfCharactersWritten);
    }
}
