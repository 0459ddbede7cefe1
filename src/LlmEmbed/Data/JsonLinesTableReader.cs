using System.Text;
using System.Text.Json;

namespace LlmEmbed.Data;

/// <summary>
/// One JSON object per line; blank lines are skipped. The keys of the first object are the columns: a key that a later object lacks is null there,
/// one that it adds is not read.
/// </summary>
internal sealed class JsonLinesTableReader : TableReader
{
    private readonly ObjectReader _objects;
    private readonly List<KeyValuePair<string, TableValue>> _first;
    private readonly Dictionary<string, int> _columnIndex;

    private JsonLinesTableReader(ObjectReader objects, List<KeyValuePair<string, TableValue>> first, TableSource source)
        : base(source, TableFormat.JsonLines, first.ConvertAll(property => property.Key), objects.LineNumber)
    {
        _objects = objects;
        _first = first;
        _columnIndex = Columns.Index().ToDictionary(column => column.Item, column => column.Index, StringComparer.Ordinal);
    }

    public static JsonLinesTableReader Open(Stream input, TableSource source)
    {
        ObjectReader objects = new(input, source);
        return objects.Next() is { } first ? new JsonLinesTableReader(objects, first, source) : throw source.Error("the file is empty, expected a JSON object per line.");
    }

    protected override IEnumerable<TableRow> ReadRows()
    {
        for (var properties = _first; properties is not null; properties = _objects.Next())
            yield return new TableRow(_objects.LineNumber, Fields(properties));
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _objects.Dispose();
    }

    private TableValue[] Fields(List<KeyValuePair<string, TableValue>> properties)
    {
        var fields = new TableValue[Columns.Count];
        foreach ((string name, TableValue value) in properties)
            if (_columnIndex.TryGetValue(name, out int column)) fields[column] = value;
        return fields;
    }

    /// <summary>Reads object after object and knows the line it is on.</summary>
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
                    throw source.Error(LineNumber, $"this is a JSON {item.ValueKind.ToString().ToLowerInvariant()} ({Shorten(line)}), expected an object such as {{\"text\": \"...\"}}.");
                return item.EnumerateObject().Select(property => KeyValuePair.Create(property.Name, Value(property.Value))).ToList();
            }
            catch (JsonException exception)
            {
                // The position in the message counts lines from 0 within this one line.
                string reason = exception.Message.Split(" LineNumber:")[0];
                throw source.Error(LineNumber, $"this is not a JSON object ({Shorten(line)}). {reason}", exception);
            }
            catch (InvalidOperationException exception)
            {
                throw source.Error(LineNumber, $"a string holds half of a surrogate pair, which is no text ({Shorten(line)}).", exception);
            }
        }

        private static TableValue Value(JsonElement value) => value.ValueKind switch
        {
            JsonValueKind.Null => default,
            JsonValueKind.String => value.GetString(),
            _ => new TableValue(value.GetRawText(), IsJson: true),
        };
    }
}
