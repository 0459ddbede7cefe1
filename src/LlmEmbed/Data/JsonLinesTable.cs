using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace LlmEmbed.Data;

/// <summary>
/// Reads one JSON object on each line; blank lines are skipped. The keys of the first object are the columns. A key that a later object lacks is null
/// there, and a key that it adds is not read.
/// </summary>
internal sealed class JsonLinesRows : ITableRows
{
    private readonly ObjectReader _objects;
    private readonly List<KeyValuePair<string, TableValue>> _first;
    private readonly Dictionary<string, int> _columnIndex;

    public JsonLinesRows(Stream input, TableSource source)
    {
        _objects = new ObjectReader(input, source);
        _first = _objects.Next() ?? throw source.Error("the file is empty, expected a JSON object per line.");
        HeaderLine = _objects.LineNumber;
        Columns = _first.ConvertAll(property => property.Key);
        _columnIndex = Columns.Index().ToDictionary(column => column.Item, column => column.Index, StringComparer.Ordinal);
    }

    public IReadOnlyList<string> Columns { get; }

    public long? HeaderLine { get; }

    public IEnumerable<TableRow> Read()
    {
        for (var properties = _first; properties is not null; properties = _objects.Next())
            yield return new TableRow(_objects.LineNumber, Fields(properties));
    }

    public void Dispose() => _objects.Dispose();

    private TableValue[] Fields(List<KeyValuePair<string, TableValue>> properties)
    {
        TableValue[] fields = new TableValue[Columns.Count];
        foreach ((string name, TableValue value) in properties)
            if (_columnIndex.TryGetValue(name, out int column)) fields[column] = value;
        return fields;
    }

    /// <summary>Reads one object after the other and knows the line of the last one.</summary>
    private sealed class ObjectReader(Stream input, TableSource source) : IDisposable
    {
        private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false };

        private readonly StreamReader _lines = new(input, Encoding.UTF8);

        public long LineNumber { get; private set; }

        public List<KeyValuePair<string, TableValue>>? Next()
        {
            while (_lines.ReadLine() is string line)
            {
                LineNumber++;
                if (!string.IsNullOrWhiteSpace(line)) return Properties(line);
            }

            return null;
        }

        public void Dispose() => _lines.Dispose();

        private List<KeyValuePair<string, TableValue>> Properties(string line)
        {
            try
            {
                JsonElement item = JsonElement.Parse(line, Options);
                if (item.ValueKind != JsonValueKind.Object)
                {
                    string kind = item.ValueKind.ToString().ToLowerInvariant();
                    throw source.Error(
                        LineNumber, $"this is a JSON {kind} ({TableSource.Shorten(line)}), expected an object such as {{\"text\": \"...\"}}.");
                }
                return item.EnumerateObject().Select(property => KeyValuePair.Create(property.Name, Value(property.Value))).ToList();
            }
            catch (JsonException exception)
            {
                // The rest of the message counts lines from 0 within this one line.
                string reason = exception.Message.Split(" LineNumber:")[0];
                throw source.Error(LineNumber, $"this is not a JSON object ({TableSource.Shorten(line)}). {reason}", exception);
            }
            catch (InvalidOperationException exception)
            {
                string problem = $"a string holds half of a surrogate pair, which is no text ({TableSource.Shorten(line)}).";
                throw source.Error(LineNumber, problem, exception);
            }
        }

        private static TableValue Value(JsonElement value) => value.ValueKind switch
        {
            JsonValueKind.Null => default,
            JsonValueKind.String => value.GetString(),
            _ => new TableValue(value.GetRawText(), isJson: true),
        };
    }
}

/// <summary>Writes one JSON object on each line.</summary>
internal sealed class JsonLinesOutput : ITableOutput
{
    private const int BufferBytes = 1 << 16;

    private readonly Stream _output;
    private readonly JsonEncodedText[] _keys;
    private readonly ArrayBufferWriter<byte> _buffer = new(BufferBytes);
    private readonly Utf8JsonWriter _json;

    public JsonLinesOutput(Stream output, IReadOnlyList<string> columns)
    {
        _output = output;
        _keys = columns.Select(column => JsonEncodedText.Encode(column, ReadableEncoder.Instance)).ToArray();
        _json = new Utf8JsonWriter(_buffer, new JsonWriterOptions { Encoder = ReadableEncoder.Instance });
    }

    public void Write(ReadOnlySpan<TableValue> fields)
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

    public void Flush()
    {
        WriteBuffer();
        _output.Flush();
    }

    public void Dispose()
    {
        Flush();
        _json.Dispose();
        _output.Dispose();
    }

    private void WriteBuffer()
    {
        _output.Write(_buffer.WrittenSpan);
        _buffer.ResetWrittenCount();
    }

    /// <summary>
    /// Escapes what JSON demands and nothing else. The encoders of .NET escape emoji and all other characters beyond U+FFFF as well.
    /// </summary>
    private sealed unsafe class ReadableEncoder : JavaScriptEncoder
    {
        public static readonly ReadableEncoder Instance = new();

        public override int MaxOutputCharactersPerInputCharacter => UnsafeRelaxedJsonEscaping.MaxOutputCharactersPerInputCharacter;

        public override bool WillEncode(int unicodeScalar) => unicodeScalar is < ' ' or '"' or '\\';

        public override int FindFirstCharacterToEncode(char* text, int textLength)
        {
            // Surrogates are found too. The caller then looks at whole characters, and replaces halves.
            for (int index = 0; index < textLength; index++)
                if (WillEncode(text[index]) || char.IsSurrogate(text[index])) return index;
            return -1;
        }

        public override bool TryEncodeUnicodeScalar(int unicodeScalar, char* buffer, int bufferLength, out int numberOfCharactersWritten) =>
            UnsafeRelaxedJsonEscaping.TryEncodeUnicodeScalar(unicodeScalar, buffer, bufferLength, out numberOfCharactersWritten);
    }
}
