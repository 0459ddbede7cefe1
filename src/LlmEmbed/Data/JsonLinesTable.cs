using System.Buffers;
using System.Text.Encodings.Web;
using System.Text.Json;
using LlmEmbed.Files;

namespace LlmEmbed.Data;

/// <summary>
/// Reads one JSON object on each line; blank lines are skipped. The columns are all keys of the first records, in the order in which they appear.
/// A key that a record lacks is null there, and a key that only later records have is counted and not read.
/// </summary>
internal sealed class JsonLinesRows : ITableRows
{
    /// <summary>How many records are read ahead for their keys; fewer if they have more than <see cref="HeadCharacters"/> characters.</summary>
    private const int HeadRecords = 1000;

    private const int HeadCharacters = 1 << 20;

    private readonly TableInput _input;
    private readonly Utf8Stream _beginning;
    private RecordReader _records;
    private readonly List<JsonRecord> _head = [];
    private readonly Dictionary<string, int> _columnIndex;
    private readonly Dictionary<string, (int Records, long FirstLine)> _laterKeys = new(StringComparer.Ordinal);

    public JsonLinesRows(TableInput input)
    {
        (_input, _beginning) = (input, input.OpenText());
        _records = new RecordReader(new TextLines(_beginning));
        for (int characters = 0; _head.Count < HeadRecords && characters < HeadCharacters && _records.Next() is { } record;)
        {
            _head.Add(record);
            characters += record.Length;
        }
        if (_head.Count == 0) throw input.Source.Error("the file is empty, expected a JSON object per line.");
        if (_head.All(record => record.Problem is not null)) throw input.Source.Error(_head[0].LineNumber, _head[0].Problem!);
        HeaderLine = _head[0].LineNumber;
        Columns = [.. _head.SelectMany(record => record.Properties).Select(property => property.Key).Distinct(StringComparer.Ordinal)];
        _columnIndex = Columns.Index().ToDictionary(column => column.Item, column => column.Index, StringComparer.Ordinal);
        Layout = new TableLayout(TableFormat.JsonLines) { Compression = _beginning.Compression };
    }

    public IReadOnlyList<string> Columns { get; }

    public long? HeaderLine { get; }

    public TableLayout Layout { get; }

    public IEnumerable<TableNote> Notes => _laterKeys.Count == 0 ? [] : [new TableNote(TableNoteKind.LaterKeys, DescribeLaterKeys())];

    public void GoTo(TablePosition position)
    {
        Utf8Stream text = _input.OpenText(position, _beginning);
        _records.Dispose();
        _records = new RecordReader(new TextLines(text, position.LineNumber));
        _head.Clear();
    }

    public IEnumerable<TableRow> Read()
    {
        foreach (JsonRecord record in _head) yield return Row(record);
        _head.Clear();
        while (_records.Next() is { } record) yield return Row(record);
    }

    public void Dispose() => _records.Dispose();

    private TableRow Row(JsonRecord record)
    {
        if (record.Problem is not null) return TableRow.Unreadable(record.LineNumber, record.Offset, record.Problem);
        TableValue[] fields = new TableValue[Columns.Count];
        foreach ((string name, TableValue value) in record.Properties)
        {
            if (_columnIndex.TryGetValue(name, out int column)) fields[column] = value;
            else _laterKeys[name] = _laterKeys.TryGetValue(name, out var known) ? (known.Records + 1, known.FirstLine) : (1, record.LineNumber);
        }
        return new TableRow(record.LineNumber, fields) { Offset = record.Offset };
    }

    private string DescribeLaterKeys()
    {
        const int MostShown = 5;
        IEnumerable<string> shown = _laterKeys.Take(MostShown)
            .Select(key => $"'{InvisibleCharacters.Show(key.Key)}' ({key.Value.Records:N0}, first: line {key.Value.FirstLine})");
        string others = _laterKeys.Count > MostShown ? $" and {_laterKeys.Count - MostShown:N0} others" : "";
        return $"The columns are the keys of the first {HeadRecords:N0} records; keys that only later records have were left out: " +
            $"{string.Join(", ", shown)}{others}.";
    }

    /// <summary>One line that is not blank: the properties of its object, or why it is none.</summary>
    private sealed record JsonRecord(
        long LineNumber, long Offset, int Length, IReadOnlyList<KeyValuePair<string, TableValue>> Properties, string? Problem = null);

    /// <summary>Reads one record after the other.</summary>
    private sealed class RecordReader(TextLines lines) : IDisposable
    {
        private static readonly JsonDocumentOptions Options = new() { AllowDuplicateProperties = false };

        public JsonRecord? Next()
        {
            while (lines.Next() is string line)
                if (!string.IsNullOrWhiteSpace(line)) return Parse(line);

            return null;
        }

        public void Dispose() => lines.Dispose();

        private JsonRecord Parse(string line)
        {
            JsonRecord Record(IReadOnlyList<KeyValuePair<string, TableValue>> properties, string? problem = null) =>
                new(lines.LineNumber, lines.Offset, line.Length, properties, problem);
            JsonRecord Unreadable(string problem) => Record([], problem);

            string shown = TableSource.Shorten(line);
            try
            {
                JsonElement item = JsonElement.Parse(line, Options);
                if (item.ValueKind == JsonValueKind.Object)
                    return Record([.. item.EnumerateObject().Select(one => KeyValuePair.Create(one.Name, Value(one.Value)))]);
                string kind = item.ValueKind.ToString().ToLowerInvariant();
                return Unreadable($"this is a JSON {kind} ({shown}), expected an object such as {{\"text\": \"...\"}}.{ForArrays(line)}");
            }
            catch (JsonException exception)
            {
                // The rest of the message counts lines from 0 within this one line.
                return Unreadable($"this is not a JSON object ({shown}). {exception.Message.Split(" LineNumber:")[0]}{ForArrays(line)}");
            }
            catch (InvalidOperationException)
            {
                return Unreadable($"a string holds half of a surrogate pair, which is no text ({shown}).");
            }
        }

        /// <summary>What to do if the file holds one array of all records.</summary>
        private string ForArrays(string line) => lines.LineNumber == 1 && line.StartsWith('[')
            ? " If the file is one array of objects, write each object on a line of its own (jq -c '.[]' does)."
            : "";

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
