using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlmEmbed.Files;

/// <summary>
/// One object of a JSON file, read strictly. A missing key, a value of the wrong kind and a key that occurs twice are errors that name the file and
/// the key. The section remembers which keys were asked for, so that its reader can refuse the others (<see cref="FirstUnread"/>): a key that
/// nobody understands may change what the file means.
/// </summary>
internal sealed class JsonSection
{
    private readonly string _place;
    private readonly JsonElement _element;
    private readonly HashSet<string> _read = new(StringComparer.Ordinal);
    private List<string>? _keys;

    private JsonSection(string file, string place, JsonElement element)
    {
        (File, _place, _element) = (file, place, element);
        if (element.ValueKind != JsonValueKind.Object)
            throw Error($"{(place.Length == 0 ? "the file" : $"'{place}'")} is {Shorten(element)}, expected an object.");
    }

    /// <summary>The file, for messages.</summary>
    public string File { get; }

    /// <summary>The keys in the order of the file.</summary>
    public IReadOnlyList<string> Keys => _keys ??= CheckKeys();

    /// <summary>Reads the object that a file holds.</summary>
    /// <exception cref="LlmEmbedException">The file cannot be read or is not JSON.</exception>
    public static JsonSection Open(string file) => new(file, "", Parse(file));

    /// <summary>Reads the objects of the array that a file holds.</summary>
    /// <exception cref="LlmEmbedException">The file cannot be read, is not JSON or holds something else.</exception>
    public static IReadOnlyList<JsonSection> OpenList(string file)
    {
        JsonElement list = Parse(file);
        if (list.ValueKind != JsonValueKind.Array) throw FileProblem.In(file, $"the file is {Shorten(list)}, expected an array of objects.");
        return [.. list.EnumerateArray().Select((item, index) => new JsonSection(file, $"[{index}]", item))];
    }

    /// <summary>Values that were made from another kind of file.</summary>
    public static JsonSection Of(string file, JsonObject values) => new(file, "", JsonElement.Parse(values.ToJsonString()));

    /// <summary>A key with the keys of the objects around it, as messages name it.</summary>
    public string Place(string key) => _place.Length == 0 ? key : $"{_place}.{key}";

    /// <summary>Whether the key is there with a value other than null.</summary>
    public bool Has(string key) => Find(key) is not null;

    /// <summary>Whether the key is there with the value null, which may mean something else than its default.</summary>
    public bool IsNull(string key) => KindOf(key) == JsonValueKind.Null && _element.TryGetProperty(key, out _);

    /// <summary>The kind of a value that may be of several; null for a key that is not there.</summary>
    public JsonValueKind KindOf(string key) => Find(key)?.ValueKind ?? JsonValueKind.Null;

    public string Text(string key) => TextOrNull(key) ?? throw Missing(key, "a string");

    public string? TextOrNull(string key) => Find(key) is not JsonElement value ? null : StringOf(value) ?? throw Wrong(key, value, "a string");

    public bool Flag(string key, bool fallback) => FlagOrNull(key) ?? fallback;

    public bool? FlagOrNull(string key) => Find(key) is not JsonElement value ? null : value.ValueKind switch
    {
        JsonValueKind.True => true,
        JsonValueKind.False => false,
        _ => throw Wrong(key, value, "true or false"),
    };

    public int Int(string key) => IntOrNull(key) ?? throw Missing(key, "a whole number");

    public int? IntOrNull(string key) =>
        Find(key) is not JsonElement value ? null : TryGetInt(value, out int number) ? number : throw Wrong(key, value, "a whole number");

    public double Number(string key) => NumberOrNull(key) ?? throw Missing(key, "a number");

    public double? NumberOrNull(string key) =>
        Find(key) is not JsonElement value ? null : value.ValueKind == JsonValueKind.Number ? value.GetDouble() : throw Wrong(key, value, "a number");

    public int[] Ints(string key) =>
        [.. Array(key).EnumerateArray().Select(item => TryGetInt(item, out int number) ? number : throw Wrong(key, item, "whole numbers"))];

    /// <summary>The strings of an array, or null if the key is absent or null.</summary>
    public IReadOnlyList<string>? TextsOrNull(string key) => Find(key) is not JsonElement value ? null
        : value.ValueKind != JsonValueKind.Array ? throw Wrong(key, value, "an array of strings")
        : [.. value.EnumerateArray().Select(item => StringOf(item) ?? throw Wrong(key, value, "an array of strings"))];

    public JsonSection Section(string key) => SectionOrNull(key) ?? throw Missing(key, "an object");

    public JsonSection? SectionOrNull(string key) => Find(key) is JsonElement value ? new JsonSection(File, Place(key), value) : null;

    /// <summary>The objects of an array; none if the key is absent or null.</summary>
    public IEnumerable<JsonSection> Sections(string key) =>
        Has(key) ? Array(key).EnumerateArray().Select((item, index) => new JsonSection(File, $"{Place(key)}[{index}]", item)) : [];

    /// <summary>The objects of an object by their keys, which are data; none if <paramref name="key"/> is absent or null.</summary>
    public IEnumerable<(string Key, JsonSection Value)> NamedSections(string key) =>
        SectionOrNull(key) is JsonSection section ? section.Keys.Select(name => (name, section.Section(name))) : [];

    /// <summary>An array as it stands.</summary>
    public JsonElement Array(string key) => OfKind(key, JsonValueKind.Array, "an array");

    /// <summary>
    /// Token and id for every key of the object under <paramref name="key"/>. Repeated tokens are left to the vocabulary, which names both ids.
    /// </summary>
    public List<KeyValuePair<string, int>> Ids(string key) => Ids(OfKind(key, JsonValueKind.Object, "an object"), Place(key));

    /// <summary>Token and id for every key of this object.</summary>
    public List<KeyValuePair<string, int>> Ids() => Ids(_element, _place);

    /// <summary>A value as the file writes it, or null if the key is absent or null.</summary>
    public JsonElement? Find(string key)
    {
        _keys ??= CheckKeys();
        _read.Add(key);
        return _element.TryGetProperty(key, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    /// <summary>Counts keys as read that need no reading, because they change nothing that matters.</summary>
    public JsonSection Ignore(params IEnumerable<string> keys)
    {
        _read.UnionWith(keys);
        return this;
    }

    /// <summary>The keys that nobody asked for, with their values, in the order of the file.</summary>
    public IEnumerable<(string Key, JsonElement Value)> Unread() =>
        _element.EnumerateObject().Where(property => !_read.Contains(property.Name)).Select(property => (property.Name, property.Value));

    /// <summary>
    /// The first key that nobody asked for, as <see cref="Show"/> writes it. Values that say nothing (null, an empty array or object) do not count;
    /// false does, since it may switch off what is on by default. Null if there is none.
    /// </summary>
    public string? FirstUnread() => Unread().Where(pair => !IsEmpty(pair.Value)).Select(pair => Show(pair.Key, pair.Value)).FirstOrDefault();

    /// <summary>A key with its value, as messages write them: 'dropout' (0.1).</summary>
    public string Show(string key, JsonElement value) => $"'{Place(key)}' ({Shorten(value)})";

    public LlmEmbedException Error(string problem) => FileProblem.In(File, problem);

    public LlmEmbedException Wrong(string key, JsonElement value, string expected) =>
        Error($"'{Place(key)}' is {Shorten(value)}, expected {expected}.");

    private static JsonElement Parse(string file)
    {
        ReadOnlyMemory<byte> utf8 = FileProblem.ReadBytes(file);
        if (utf8.Span.StartsWith("\uFEFF"u8)) utf8 = utf8[3..];
        try
        {
            return StrictJson.ParseWithRepeatedNames(utf8);
        }
        catch (JsonException exception)
        {
            string message = $"{file}: the file is not JSON: {StrictJson.Describe(exception)} Fetch the file again.";
            throw new LlmEmbedException(message, exception) { FilePath = file, LineNumber = exception.LineNumber + 1 };
        }
    }

    private LlmEmbedException Missing(string key, string expected) => Error($"the key '{Place(key)}' is missing, expected {expected}.");

    /// <summary>
    /// The keys, none of which may occur twice. They are checked when the first one is asked for: nobody asks for the keys of an object whose keys
    /// are data, such as a vocabulary.
    /// </summary>
    private List<string> CheckKeys()
    {
        List<string> keys = [.. _element.EnumerateObject().Select(property => property.Name)];
        HashSet<string> seen = new(StringComparer.Ordinal);
        if (keys.Find(key => !seen.Add(key)) is not string twice) return keys;
        throw Error($"the file is not JSON with one value for each key: '{Place(twice)}' occurs twice.");
    }

    private JsonElement OfKind(string key, JsonValueKind kind, string expected)
    {
        JsonElement value = Find(key) ?? throw Missing(key, expected);
        return value.ValueKind == kind ? value : throw Wrong(key, value, expected);
    }

    private List<KeyValuePair<string, int>> Ids(JsonElement element, string place)
    {
        List<KeyValuePair<string, int>> ids = [];
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (!TryGetInt(property.Value, out int id))
            {
                string where = place.Length == 0 ? "" : $" of '{place}'";
                throw Error($"the token '{property.Name}'{where} has the id {Shorten(property.Value)}, expected a whole number.");
            }
            ids.Add(KeyValuePair.Create(property.Name, id));
        }
        return ids;
    }

    private static string? StringOf(JsonElement element) => element.ValueKind == JsonValueKind.String ? element.GetString() : null;

    private static bool TryGetInt(JsonElement element, out int number)
    {
        number = 0;
        return element.ValueKind == JsonValueKind.Number && element.TryGetInt32(out number);
    }

    private static bool IsEmpty(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Null => true,
        JsonValueKind.Array => element.GetArrayLength() == 0,
        JsonValueKind.Object => !element.EnumerateObject().Any(),
        _ => false,
    };

    private static string Shorten(JsonElement element)
    {
        string json = element.GetRawText();
        return json.Length <= 60 ? json : json[..57] + "...";
    }
}
