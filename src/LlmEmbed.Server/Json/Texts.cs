using System.Text.Json;
using System.Text.Json.Serialization;

namespace LlmEmbed.Server.Json;

/// <summary>One text or several, or the token ids of one or several.</summary>
/// <param name="All">The texts, in their order; empty where ids were sent.</param>
/// <param name="IsOne">Whether it was sent as one and not as a list of one.</param>
[JsonConverter(typeof(TextsConverter))]
internal sealed record Texts(IReadOnlyList<string> All, bool IsOne)
{
    /// <summary>The ids [N][T] that were sent in the place of texts; null if texts were.</summary>
    public IReadOnlyList<int[]>? Ids { get; init; }
}

internal sealed class TextsConverter : JsonConverter<Texts>
{
    private const string Expected = "expected a text or a list of texts";

    public override Texts Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String) return new Texts([JsonText.Read(ref reader)], IsOne: true);
        if (reader.TokenType != JsonTokenType.StartArray) throw new ShapeException(Expected);
        List<string> texts = [];
        List<int[]> ids = [];
        List<int> flat = [];
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.String: texts.Add(JsonText.Read(ref reader)); break;
                case JsonTokenType.Number: flat.Add(Id(ref reader)); break;
                case JsonTokenType.StartArray: ids.Add(IdList(ref reader)); break;
                default: throw new ShapeException(Expected);
            }
        }
        if (flat.Count > 0) ids.Insert(0, [.. flat]);
        if (ids.Count == 0) return new Texts(texts, IsOne: false);
        if (texts.Count > 0 || (flat.Count > 0 && ids.Count > 1)) throw new ShapeException("texts and token ids are mixed, expected one of them");
        return new Texts([], IsOne: flat.Count > 0) { Ids = ids };
    }

    public override void Write(Utf8JsonWriter writer, Texts value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        foreach (string text in value.All) writer.WriteStringValue(text);
        writer.WriteEndArray();
    }

    private static int[] IdList(ref Utf8JsonReader reader)
    {
        List<int> ids = [];
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number) throw new ShapeException($"a list stands in the list, {Expected}");
            ids.Add(Id(ref reader));
        }
        return [.. ids];
    }

    private static int Id(ref Utf8JsonReader reader) =>
        reader.TryGetInt32(out int id) && id >= 0 ? id : throw new ShapeException("a number in it is no token id, expected a whole number from 0 on");
}
