using System.Text.Json;
using System.Text.Json.Serialization;

namespace LlmEmbed.Server.Json;

/// <summary>
/// What TEI's <c>/predict</c> takes: a text, a list of one text, or a list of such lists. A flat list of two is a pair of texts there, which no
/// classifier here reads, so it is refused and not taken for two texts.
/// </summary>
/// <param name="All">The texts.</param>
/// <param name="IsOne">Whether one was sent, so that the answer is one list of scores and not a list of lists.</param>
[JsonConverter(typeof(PredictInputsConverter))]
internal sealed record PredictInputs(IReadOnlyList<string> All, bool IsOne);

internal sealed class PredictInputsConverter : JsonConverter<PredictInputs>
{
    private const string Expected = "expected a text, or a list of lists of one text each, such as [[\"first\"], [\"second\"]]";

    public override PredictInputs Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options)
    {
        if (reader.TokenType == JsonTokenType.String) return new PredictInputs([JsonText.Read(ref reader)], IsOne: true);
        if (reader.TokenType != JsonTokenType.StartArray) throw new ShapeException(Expected);
        List<string> flat = [], nested = [];
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            switch (reader.TokenType)
            {
                case JsonTokenType.String: flat.Add(JsonText.Read(ref reader)); break;
                case JsonTokenType.StartArray: nested.Add(Only(ref reader)); break;
                default: throw new ShapeException(Expected);
            }
        }
        if (flat.Count > 0 && nested.Count > 0) throw new ShapeException(Expected);
        if (flat.Count > 1)
            throw new ShapeException(
                "a flat list is one pair of texts on this route, and the classifiers here read single texts. Send a list of lists, such as " +
                "[[\"first\"], [\"second\"]], or use /classify");
        return flat.Count == 1 ? new PredictInputs(flat, IsOne: true) : new PredictInputs(nested, IsOne: false);
    }

    public override void Write(Utf8JsonWriter writer, PredictInputs value, JsonSerializerOptions options) => throw new NotSupportedException();

    private static string Only(ref Utf8JsonReader reader)
    {
        if (!reader.Read() || reader.TokenType != JsonTokenType.String) throw new ShapeException(Expected);
        string text = JsonText.Read(ref reader);
        if (!reader.Read() || reader.TokenType != JsonTokenType.EndArray)
            throw new ShapeException("a list in it holds a pair of texts, and the classifiers here read single texts");
        return text;
    }
}
