using LlmEmbed.Reading;
using LlmEmbed.Server.Json;
using LlmEmbed.Server.Problems;
using Microsoft.AspNetCore.Http;

namespace LlmEmbed.Server.Routes;

/// <summary>The pooled hidden states that <c>llmembed embed</c> writes.</summary>
internal static class HiddenStateRoutes
{
    public static IReadOnlyList<Route> All { get; } =
    [
        new("POST", "/hidden-states", "hiddenStates", "Pooled hidden states of texts", ReadAsync)
        {
            Description = "One vector for each text, depth and pooling: what `llmembed embed` writes for the same options, in fp32 and as the " +
                "model gives it (nothing is normalised). 'views' says once what the vectors of each text are.",
            Family = "LlmEmbed",
            Request = typeof(HiddenStatesRequest),
            Answer = typeof(HiddenStatesAnswer),
        },
    ];

    private static async Task ReadAsync(RouteCall call)
    {
        HiddenStatesRequest request = await call.ReadAsync(ServerJson.Web.HiddenStatesRequest);
        IReadOnlyList<string> texts = call.TextsOf(request.Inputs!, "inputs");
        bool isBase64 = Vectors.IsBase64(request.EncodingFormat);
        if (request.Model is not null && request.Backbone is not null && request.Model != request.Backbone)
            throw new ProblemException(
                StatusCodes.Status422UnprocessableEntity,
                ProblemType.Validation,
                "'model' and 'backbone' name two models, expected one of them.",
                "backbone");
        ServedEncoder model = call.Encoder(request.Model ?? request.Backbone);
        using EncoderLease lease = await call.Catalog.EncoderAsync(model, OptionsOf(request), call.Cancellation);
        TextQueueAnswer<ReadOnlyMemory<float>> answer = await call.EncodeAsync(model, lease.Encoder, texts, request.Truncate);
        await call.WriteAsync(AnswerOf(model, lease.Encoder, answer, isBase64), ServerJson.Web.HiddenStatesAnswer);
    }

    private static EncoderOptions OptionsOf(HiddenStatesRequest request) => new()
    {
        Views = ViewSelection.At(request.Depths?.Text, request.Pooling is { } names ? [.. names.All.Select(Poolings.Parse).Distinct()] : null),
        MaxTokens = request.MaxTokens,
        Prompt = request.Prompt,
        PromptName = request.PromptName,
        Precision = Precision.Fp32,
    };

    private static HiddenStatesAnswer AnswerOf(
        ServedEncoder model, TextEncoder encoder, TextQueueAnswer<ReadOnlyMemory<float>> answer, bool isBase64)
    {
        int size = encoder.HiddenSize;
        HiddenStatesItem[] items =
        [
            .. answer.Values.Select((views, index) => new HiddenStatesItem(
                index,
                [.. encoder.Views.Select((_, view) => new Vector(views.Slice(view * size, size), isBase64))], // [D,H] → D × [H]
                answer.Texts[index].Tokens,
                answer.Texts[index].IsTruncated,
                answer.Texts[index].IsEmpty)),
        ];
        long tokens = answer.Texts.Sum(text => (long)text.Tokens);
        return new HiddenStatesAnswer(
            "hidden_states",
            model.Id,
            encoder.BlockCount,
            size,
            encoder.MaxTokens,
            [.. encoder.Views.Select(view => new HiddenView(view.Depth, Poolings.NameOf(view.Pooling)))],
            items,
            new Usage(tokens, tokens));
    }
}
