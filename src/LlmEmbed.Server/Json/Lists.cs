using System.Text.Json;
using System.Text.Json.Serialization;

namespace LlmEmbed.Server.Json;

/// <summary>Depths as <c>llmembed embed --depths</c> takes them, as a text, a number, or a list of numbers and texts.</summary>
/// <param name="Text">As the command line has them.</param>
[JsonConverter(typeof(DepthsConverter))]
internal sealed record Depths(string Text);

internal sealed class DepthsConverter : JsonConverter<Depths>
{
    private const string Expected = "expected depths such as \"all\", \"50%\", 6 or [0, -1]";

    public override Depths Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType != JsonTokenType.StartArray) return new Depths(Part(ref reader));
        List<string> parts = [];
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray) parts.Add(Part(ref reader));
        return new Depths(string.Join(',', parts));
    }

    public override void Write(Utf8JsonWriter writer, Depths value, JsonSerializerOptions options) => writer.WriteStringValue(value.Text);

    private static string Part(ref Utf8JsonReader reader) => reader.TokenType switch
    {
        JsonTokenType.String => JsonText.Read(ref reader),
        JsonTokenType.Number when reader.TryGetInt32(out int depth) => $"{depth}",
        _ => throw new ShapeException(Expected),
    };
}

/// <summary>A name or a list of names.</summary>
/// <param name="All">The names.</param>
[JsonConverter(typeof(NamesConverter))]
internal sealed record Names(IReadOnlyList<string> All);

internal sealed class NamesConverter : JsonConverter<Names>
{
    public override Names Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String) return new Names([JsonText.Read(ref reader)]);
        if (reader.TokenType != JsonTokenType.StartArray) throw new ShapeException("expected a name or a list of names");
        List<string> names = [];
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            names.Add(reader.TokenType == JsonTokenType.String ? JsonText.Read(ref reader) : throw new ShapeException("expected names in the list"));
        return new Names(names);
    }

    public override void Write(Utf8JsonWriter writer, Names value, JsonSerializerOptions options)
    {
        writer.WriteStartArray();
        foreach (string name in value.All) writer.WriteStringValue(name);
        writer.WriteEndArray();
    }
}
