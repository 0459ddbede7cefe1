using LlmEmbed.Reading;
using LlmEmbed.Server.Json;
using LlmEmbed.Server.Problems;
using Microsoft.AspNetCore.Http;

namespace LlmEmbed.Server.Routes;

/// <summary>
/// The models by their names: what they are made of, how they were measured, and every route that takes a model, at <c>/models/{id}/…</c>.
/// </summary>
internal static class ModelRoutes
{
    private const string Report = "/report", Page = "/report.html";

    public static IReadOnlyList<Route> All { get; } =
    [
        new("GET", "/models", "describeModels", "The served models and what they are made of", ListAsync)
        {
            Family = "LlmEmbed",
            Answer = typeof(IReadOnlyList<ServedModelAnswer>),
            Problems = [401],
            IsOfModel = false,
        },
        new("GET", "/models/{**path}", "describeModel", "What a model is made of, or a route of it", GetAsync)
        {
            Description = "The path is the name of a model, which may hold a slash. Behind it may stand /info, /report (what was measured when it " +
                "was trained, as JSON) or /report.html (the same as a page).",
            Family = "LlmEmbed",
            Answer = typeof(ServedModelAnswer),
            Problems = [401, 404],
            IsOfModel = false,
        },
        new("POST", "/models/{**path}", "askModel", "Ask a model that the path names", PostAsync)
        {
            Description = "The path is the name of a model, which may hold a slash. Behind it may stand the path of any route that takes a model, " +
                "such as /models/my-model/predict; without one it is /pipeline/text-classification for a classifier and " +
                "/pipeline/feature-extraction for a backbone, as at Hugging Face.",
            Family = "LlmEmbed",
            Request = typeof(AnyRequest),
            Answer = typeof(object),
            IsOfModel = false,
        },
    ];

    public static string KindOf(ServedModel model) => model is ServedClassifier ? "classifier" : "backbone";

    /// <summary>The rest of a path, with slashes that were sent escaped.</summary>
    public static string PathOf(RouteCall call, string name) =>
        ((string?)call.Context.Request.RouteValues[name] ?? "").Replace("%2F", "/", StringComparison.OrdinalIgnoreCase).TrimEnd('/');

    private static Task ListAsync(RouteCall call) =>
        call.WriteAsync([.. call.Catalog.Models.Select(Describe)], ServerJson.Web.IReadOnlyListServedModelAnswer);

    private static Task GetAsync(RouteCall call)
    {
        string path = PathOf(call, "path");
        if (Find(call, path) is { } described) return call.WriteAsync(Describe(described), ServerJson.Web.ServedModelAnswer);
        if (OfModel(call, path, Report) is { } measured) return SendAsync(call, FileOf(measured, "report.json"), "application/json; charset=utf-8");
        if (OfModel(call, path, Page) is { } shown) return SendAsync(call, FileOf(shown, "report.html"), "text/html; charset=utf-8");
        return DispatchAsync(call, "GET", path);
    }

    private static Task PostAsync(RouteCall call)
    {
        string path = PathOf(call, "path");
        return Find(call, path) switch
        {
            ServedClassifier classifier => RouteMap.ForwardAsync(call, HuggingFaceRoutes.TextClassification, classifier.Id),
            ServedEncoder encoder => RouteMap.ForwardAsync(call, HuggingFaceRoutes.FeatureExtraction, encoder.Id),
            _ => DispatchAsync(call, "POST", path),
        };
    }

    private static Task DispatchAsync(RouteCall call, string method, string path)
    {
        foreach (Route route in RouteMap.All.Where(route => route.IsOfModel && route.Method == method))
            if (OfModel(call, path, route.Path) is { } model) return RouteMap.ForwardAsync(call, route, model.Id);
        throw NotFound("No model of this name is served here, or it has no such route. GET /v1/models lists the names.");
    }

    private static ServedModel? Find(RouteCall call, string id) => call.Catalog.Models.FirstOrDefault(model => model.Id == id);

    private static ServedModel? OfModel(RouteCall call, string path, string route) =>
        path.EndsWith(route, StringComparison.Ordinal) ? Find(call, path[..^route.Length]) : null;

    private static ServedModelAnswer Describe(ServedModel model) => model switch
    {
        ServedClassifier served => new ServedModelAnswer(served.Id, KindOf(served))
        {
            Labels = served.Classifier.Labels,
            Parameters = served.Classifier.ParameterCount,
            Facts = [.. served.Classifier.Facts.Select(fact => new Fact(fact.Name, fact.Value))],
            HasReport = File.Exists(FileOf(served, "report.json")),
        },
        ServedEncoder served => new ServedModelAnswer(served.Id, KindOf(served))
        {
            BlockCount = served.Encoder.BlockCount,
            HiddenSize = served.Encoder.HiddenSize,
            MaxTokens = served.Encoder.MaxTokens,
            Facts =
            [
                new Fact("View", string.Join(", ", served.Encoder.Views.Select(Poolings.NameOf))),
                new Fact("Precision", served.Encoder.Precision == Precision.Int8 ? "int8" : "fp32"),
            ],
        },
        _ => throw new InvalidOperationException($"A model of the kind {model.GetType().Name} is not described."),
    };

    /// <returns>Null for a model that keeps no such file.</returns>
    private static string? FileOf(ServedModel model, string name) =>
        model is ServedClassifier { Folder: string folder }
            ? TextClassifier.FilesIn(folder).FirstOrDefault(path => Path.GetFileName(path) == name)
            : null;

    private static Task SendAsync(RouteCall call, string? path, string contentType)
    {
        if (!File.Exists(path)) throw NotFound("No report is kept with this model. 'llmembed train' keeps one if it is given test texts.");
        HttpResponse response = call.Context.Response;
        response.ContentType = contentType;
        response.Headers.XContentTypeOptions = "nosniff";
        // The page holds its own styles and drawings and nothing else.
        response.Headers.ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'; sandbox";
        return response.SendFileAsync(path, call.Cancellation);
    }

    private static ProblemException NotFound(string message) => new(StatusCodes.Status404NotFound, ProblemType.NotFound, message, "model");
}
