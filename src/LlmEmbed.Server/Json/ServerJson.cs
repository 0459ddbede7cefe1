using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;

namespace LlmEmbed.Server.Json;

/// <summary>
/// How bodies are read and written, generated at build time. Names are in snake case, and stand with the fields too for the OpenAPI document, which
/// goes by the application's own options. Unknown fields are passed over, since clients send more than a route needs; a field that stands twice is
/// refused, since two readers may see two different ones.
/// </summary>
[JsonSourceGenerationOptions(
    JsonSerializerDefaults.General,
    PropertyNamingPolicy = JsonKnownNamingPolicy.SnakeCaseLower,
    MaxDepth = MaxDepth,
    AllowDuplicateProperties = false,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(AnyRequest))]
[JsonSerializable(typeof(PredictRequest))]
[JsonSerializable(typeof(EmbedRequest))]
[JsonSerializable(typeof(SimilarityRequest))]
[JsonSerializable(typeof(TokenizeRequest))]
[JsonSerializable(typeof(EmbeddingsRequest))]
[JsonSerializable(typeof(ClassifyRequest))]
[JsonSerializable(typeof(HiddenStatesRequest))]
[JsonSerializable(typeof(TextClassificationRequest))]
[JsonSerializable(typeof(PredictAnswer))]
[JsonSerializable(typeof(IReadOnlyList<IReadOnlyList<Score>>))]
[JsonSerializable(typeof(IReadOnlyList<Vector>))]
[JsonSerializable(typeof(IReadOnlyList<float>))]
[JsonSerializable(typeof(IReadOnlyList<IReadOnlyList<Token>>))]
[JsonSerializable(typeof(InfoAnswer))]
[JsonSerializable(typeof(EmbeddingsAnswer))]
[JsonSerializable(typeof(ModelsAnswer))]
[JsonSerializable(typeof(IReadOnlyList<Classification>))]
[JsonSerializable(typeof(HiddenStatesAnswer))]
[JsonSerializable(typeof(HealthAnswer))]
[JsonSerializable(typeof(IReadOnlyList<ServedModelAnswer>))]
[JsonSerializable(typeof(TeiErrorAnswer))]
[JsonSerializable(typeof(OpenAiErrorAnswer))]
internal sealed partial class ServerJson : JsonSerializerContext
{
    /// <summary>No route needs more levels.</summary>
    public const int MaxDepth = 8;

    /// <summary>Letters of all scripts as they are: what is written is JSON of its own, never a part of a page.</summary>
    public static ServerJson Web => field ??= new ServerJson(
        new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
}
