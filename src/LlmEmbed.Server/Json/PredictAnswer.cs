using System.Text.Json;
using System.Text.Json.Serialization;

namespace LlmEmbed.Server.Json;

/// <summary>The scores of one text as a list, or of several as a list of lists.</summary>
/// <param name="All">For each text its scores, largest first; none for a text that is empty to the classifier.</param>
/// <param name="IsOne">Whether one text was sent as one.</param>
[JsonConverter(typeof(PredictAnswerConverter))]
internal sealed record PredictAnswer(IReadOnlyList<IReadOnlyList<Score>> All, bool IsOne);

internal sealed class PredictAnswerConverter : JsonConverter<PredictAnswer>
{
    public override PredictAnswer Read(ref Utf8JsonReader reader, Type typeToConvert, JsonSerializerOptions options) =>
        throw new NotSupportedException();

    public override void Write(Utf8JsonWriter writer, PredictAnswer value, JsonSerializerOptions options)
    {
        if (value.IsOne) JsonSerializer.Serialize(writer, value.All[0], ServerJson.Web.IReadOnlyListScore);
        else JsonSerializer.Serialize(writer, value.All, ServerJson.Web.IReadOnlyListIReadOnlyListScore);
    }
}
