using LlmEmbed.Server.Json;
using LlmEmbed.Server.Problems;
using Microsoft.AspNetCore.Http;

namespace LlmEmbed.Server.Routes;

/// <summary>The shapes of Hugging Face's pipelines, for its inference clients.</summary>
internal static class HuggingFaceRoutes
{
    private const string Family = "Hugging Face";

    public static Route TextClassification { get; } = new(
        "POST", "/pipeline/text-classification", "textClassification", "Class scores of texts", ClassifyAsync)
    {
        Description = "A list of lists, one for each text, also for a single one, since Hugging Face's clients read it so. Scores are calibrated " +
            "probabilities, largest first. A text of white space gets an empty list.",
        Family = Family,
        Request = typeof(TextClassificationRequest),
        Answer = typeof(IReadOnlyList<IReadOnlyList<Score>>),
    };

    public static Route FeatureExtraction { get; } = new(
        "POST", "/pipeline/feature-extraction", "featureExtraction", "Vectors of texts", TeiRoutes.Embed.Handle)
    {
        Description = "The same as /embed.",
        Family = Family,
        Request = typeof(EmbedRequest),
        Answer = typeof(IReadOnlyList<Vector>),
    };

    public static IReadOnlyList<Route> All { get; } = [TextClassification, FeatureExtraction];

    private static async Task ClassifyAsync(RouteCall call)
    {
        TextClassificationRequest request = await call.ReadAsync(ServerJson.Web.TextClassificationRequest);
        IReadOnlyList<string> texts = call.TextsOf(request.Inputs!, "inputs");
        bool asLogarithm = IsLogarithm(request.Parameters?.FunctionToApply);
        int top = ClassifyRoutes.TopOf(request.Parameters?.TopK, "top_k");
        TextQueueAnswer<Prediction> answer = await call.PredictAsync(call.Classifier(request.Model), texts, truncate: true);
        IReadOnlyList<Score>[] scores = [.. answer.Values.Select(
            IReadOnlyList<Score> (prediction) => [.. prediction.Ranked.Take(top).Select(item => TeiRoutes.ScoreOf(item, asLogarithm))])];
        await call.WriteAsync(scores, ServerJson.Web.IReadOnlyListIReadOnlyListScore);
    }

    private static bool IsLogarithm(string? function) => function switch
    {
        null or "softmax" => false,
        "none" => true,
        _ => throw new ProblemException(
            StatusCodes.Status422UnprocessableEntity,
            ProblemType.Validation,
            "'function_to_apply' is not known, expected 'softmax' or 'none': the classes exclude each other.",
            "parameters"),
    };
}
