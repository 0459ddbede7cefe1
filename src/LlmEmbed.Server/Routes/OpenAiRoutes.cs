using LlmEmbed.Server.Json;
using LlmEmbed.Server.Problems;
using Microsoft.AspNetCore.Http;

namespace LlmEmbed.Server.Routes;

/// <summary>OpenAI's routes, for its clients and the many that speak the same.</summary>
internal static class OpenAiRoutes
{
    private const string Family = "OpenAI";

    public static IReadOnlyList<Route> All { get; } =
    [
        Embeddings("/v1/embeddings", "createEmbedding"),
        Embeddings("/embeddings", "createEmbeddingWithoutVersion"),
        new("GET", "/v1/models", "listModels", "The served models", ListAsync)
        {
            Family = Family,
            Answer = typeof(ModelsAnswer),
            Errors = ErrorShape.OpenAi,
            Problems = [401],
            IsOfModel = false,
        },
        new("GET", "/v1/models/{**id}", "retrieveModel", "One of the served models", RetrieveAsync)
        {
            Family = Family,
            Answer = typeof(ModelItem),
            Errors = ErrorShape.OpenAi,
            Problems = [401, 404],
            IsOfModel = false,
        },
    ];

    private static Route Embeddings(string path, string name) => new("POST", path, name, "Vectors of texts", EmbedAsync)
    {
        Description = "The vectors of /embed, of length 1. A text that is too long loses its end; its item then has 'truncated': true.",
        Family = Family,
        Request = typeof(EmbeddingsRequest),
        Answer = typeof(EmbeddingsAnswer),
        Errors = ErrorShape.OpenAi,
        Problems = [400, 401, 404, 408, 413, 415, 429, 500],
    };

    private static async Task EmbedAsync(RouteCall call)
    {
        EmbeddingsRequest request = await call.ReadAsync(ServerJson.Web.EmbeddingsRequest);
        bool isBase64 = Vectors.IsBase64(request.EncodingFormat);
        ServedEncoder model = call.Encoder(request.Model);
        IReadOnlyList<string> texts = call.TextsOf(request.Input!, "input");
        Vectors.RequireDimensions(request.Dimensions, model.Encoder);
        TextQueueAnswer<ReadOnlyMemory<float>> answer = await call.EncodeAsync(model, model.Encoder, texts, truncate: true);
        EmbeddingItem[] items =
        [
            .. answer.Values.Select((values, index) => new EmbeddingItem(
                "embedding",
                index,
                new Vector(Vectors.Shape(values, request.Dimensions, normalize: true), isBase64))
            { Truncated = answer.Texts[index].IsTruncated ? true : null }),
        ];
        long tokens = answer.Texts.Sum(text => (long)text.Tokens);
        await call.WriteAsync(new EmbeddingsAnswer("list", items, model.Id, new Usage(tokens, tokens)), ServerJson.Web.EmbeddingsAnswer);
    }

    private static Task ListAsync(RouteCall call) =>
        call.WriteAsync(new ModelsAnswer("list", [.. call.Catalog.Models.Select(ItemOf)]), ServerJson.Web.ModelsAnswer);

    private static Task RetrieveAsync(RouteCall call)
    {
        string id = ModelRoutes.PathOf(call, "id");
        ServedModel model = call.Catalog.Models.FirstOrDefault(model => model.Id == id) ?? throw new ProblemException(
            StatusCodes.Status404NotFound, ProblemType.NotFound, "No model of this name is served here. GET /v1/models lists the names.", "model");
        return call.WriteAsync(ItemOf(model), ServerJson.Web.ModelItem);
    }

    private static ModelItem ItemOf(ServedModel model) => new(model.Id, "model", Created: 0, "llmembed", ModelRoutes.KindOf(model));
}
