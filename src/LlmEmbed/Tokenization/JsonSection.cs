using System.Text.Json;

namespace LlmEmbed.Tokenization;

/// <summary>
/// One object of a JSON file, read strictly: a key of the wrong kind, and a key that nobody asked for, is an error that names it,
/// because every key of a tokenizer may change the ids.
/// </summary>
internal sealed class JsonSection
{
    private readonly string _file;
    private readonly string _place;
    private readonly JsonElement _object;
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);

    private JsonSection(string file, string place, JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object)
            throw TokenizerFiles.Error(file, $"{(place.Length == 0 ? "the file" : $"'{place}'")} is {Shorten(element)}, expected an object.");
        (_file, _place, _object) = (file, place, element);
    }

    /// <summary>Reads a whole file and hands its object to <paramref name="read"/>; nothing of it may be kept beyond that.</summary>
    public static T ReadFile<T>(string file, Func<JsonSection, T> read)
    {
        ReadOnlyMemory<byte> json = TokenizerFiles.ReadBytes(file);
        if (json.Span.StartsWith("\uFEFF"u8)) json = json[3..];
        try
        {
            using JsonDocument document = JsonDocument.Parse(json);
            return read(new JsonSection(file, "", document.RootElement));
        }
        catch (JsonException exception)
        {
            string message = $"{file}: not valid JSON (line {exception.LineNumber + 1}). Fetch the file again.";
            throw new LlmEmbedException(message, exception) { FilePath = file, LineNumber = exception.LineNumber + 1 };
        }
        catch (InvalidOperationException exception)
        {
            // JsonElement's word for a string that is not Unicode, e.g. half of a surrogate pair.
            throw new LlmEmbedException($"{file}: a string is not valid Unicode. Fetch the file again.", exception) { FilePath = file };
        }
    }

    /// <summary>The path of a key inside the file, for messages.</summary>
    public string Place(string key) => _place.Length == 0 ? key : $"{_place}.{key}";

    public bool Has(string key) => Find(key) is not null;

    public string Text(string key) => TextOrNull(key) ?? throw Missing(key, "a string");

    public string? TextOrNull(string key) =>
        Find(key) is not JsonElement value ? null : value.ValueKind == JsonValueKind.String ? value.GetString() : throw Wrong(key, value, "a string");

    public bool Flag(string key, bool fallback) => FlagOrNull(key) ?? fallback;

    public bool? FlagOrNull(string key) => Find(key) is not JsonElement value ? null : value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong(key, value, "true or false"),
    };

    public int Number(string key) => NumberOrNull(key) ?? throw Missing(key, "a whole number");

    public int? NumberOrNull(string key) => Find(key) is not JsonElement value ? null
        : TryGetNumber(value, out int number) ? number : throw Wrong(key, value, "a whole number");

    public int[] Numbers(string key) =>
        [.. Array(key).EnumerateArray().Select(item => TryGetNumber(item, out int number) ? number : throw Wrong(key, item, "whole numbers"))];

    public JsonSection Section(string key) => SectionOrNull(key) ?? throw Missing(key, "an object");

    public JsonSection? SectionOrNull(string key) => Find(key) is JsonElement value ? new JsonSection(_file, Place(key), value) : null;

    /// <summary>The objects of an array, none where it is absent or null.</summary>
    public IEnumerable<JsonSection> Sections(string key) =>
        Has(key) ? Array(key).EnumerateArray().Select((item, index) => new JsonSection(_file, $"{Place(key)}[{index}]", item)) : [];

    /// <summary>An array as it stands.</summary>
    public JsonElement Array(string key) => Raw(key, JsonValueKind.Array, "an array");

    /// <summary>An object whose keys are data, as it stands.</summary>
    public JsonElement Object(string key) => Raw(key, JsonValueKind.Object, "an object");

    /// <summary>Token and id for every key of an object.</summary>
    public List<KeyValuePair<string, int>> Ids(string key) => Ids(Object(key), Place(key));

    /// <summary>Token and id for every key of this object.</summary>
    public List<KeyValuePair<string, int>> Ids() => Ids(_object, _place);

    /// <summary>The objects of this object by their keys, which are data.</summary>
    public IEnumerable<(string Key, JsonSection Value)> NamedSections(string key) =>
        Has(key) ? Object(key).EnumerateObject().Select(item => (item.Name, new JsonSection(_file, $"{Place(key)}.{item.Name}", item.Value))) : [];

    /// <summary>A value that may be a string or an object.</summary>
    public JsonValueKind KindOf(string key) => Find(key)?.ValueKind ?? JsonValueKind.Null;

    /// <summary>Keys that do not change the ids.</summary>
    public JsonSection Ignore(params ReadOnlySpan<string> keys)
    {
        foreach (string key in keys) _read.Add(key);
        return this;
    }

    /// <summary>Refuses a key that nobody read, unless it is switched off.</summary>
    public void RefuseUnread()
    {
        foreach (JsonProperty property in _object.EnumerateObject())
        {
            if (_read.Contains(property.Name) || property.Value.ValueKind is JsonValueKind.Null or JsonValueKind.False) continue;
            throw Error($"'{Place(property.Name)}' ({Shorten(property.Value)}) is not implemented and may change the ids. " +
                "If it is harmless, remove it from the file.");
        }
    }

    public LlmEmbedException Error(string message) => TokenizerFiles.Error(_file, message);

    public LlmEmbedException Wrong(string key, JsonElement value, string expected) => Error($"'{Place(key)}' is {Shorten(value)}, expected {expected}.");

    private LlmEmbedException Missing(string key, string expected) => Error($"'{Place(key)}' is missing, expected {expected}.");

    private JsonElement Raw(string key, JsonValueKind kind, string expected)
    {
        JsonElement value = Find(key) ?? throw Missing(key, expected);
        return value.ValueKind == kind ? value : throw Wrong(key, value, expected);
    }

    private JsonElement? Find(string key)
    {
        _read.Add(key);
        return _object.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    private List<KeyValuePair<string, int>> Ids(JsonElement element, string place)
    {
        List<KeyValuePair<string, int>> ids = [];
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (TryGetNumber(property.Value, out int id)) ids.Add(KeyValuePair.Create(property.Name, id));
            else throw Error($"the token '{property.Name}'{(place.Length == 0 ? "" : $" of '{place}'")} has the id {Shorten(property.Value)}, expected a whole number.");
        }
        return ids;
    }

    private static bool TryGetNumber(JsonElement element, out int number)
    {
        number = 0;
        return element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out number);
    }

    private static string Shorten(JsonElement element)
    {
        string json = element.GetRawText();
        return json.Length <= 60 ? json : json[..57] + "...";
    }
}
