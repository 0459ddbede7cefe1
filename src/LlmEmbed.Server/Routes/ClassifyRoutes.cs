using LlmEmbed.Server.Json;
using LlmEmbed.Server.Problems;
using Microsoft.AspNetCore.Http;

namespace LlmEmbed.Server.Routes;

/// <summary>Classification with all that is known of each text.</summary>
internal static class ClassifyRoutes
{
    public static IReadOnlyList<Route> All { get; } =
    [
        new("POST", "/classify", "classify", "Class, probability and all classes of texts", ClassifyAsync)
        {
            Description = "A list with one object for each text, in their order. A text of white space or of characters that give no token has " +
                "'empty': true and no label; a text without a character is refused with 400.",
            Family = "LlmEmbed",
            Request = typeof(ClassifyRequest),
            Answer = typeof(IReadOnlyList<Classification>),
        },
    ];

    /// <summary>How many classes are listed.</summary>
    /// <exception cref="ProblemException">Less than one.</exception>
    public static int TopOf(int? top, string param) => top switch
    {
        null => int.MaxValue,
        >= 1 => top.Value,
        _ => throw new ProblemException(
            StatusCodes.Status422UnprocessableEntity, ProblemType.Validation, $"'{param}' is {top}, expected at least 1.", param),
    };

    private static async Task ClassifyAsync(RouteCall call)
    {
        ClassifyRequest request = await call.ReadAsync(ServerJson.Web.ClassifyRequest);
        IReadOnlyList<string> texts = call.TextsOf(request.Inputs!, "inputs");
        int top = TopOf(request.Top, "top");
        TextQueueAnswer<Prediction> answer = await call.PredictAsync(call.Classifier(request.Model), texts, request.Truncate);
        await call.WriteAsync([.. answer.Values.Select(prediction => Of(prediction, top))], ServerJson.Web.IReadOnlyListClassification);
    }

    private static Classification Of(Prediction prediction, int top) => new(
        (float)prediction.Probability,
        [.. prediction.Ranked.Take(top).Select(item => new ClassProbability(item.Label, (float)item.Probability))],
        prediction.IsTruncated,
        prediction.IsEmpty)
    { Label = prediction.IsEmpty ? null : prediction.Label };
}
