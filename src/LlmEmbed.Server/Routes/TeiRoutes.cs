using System.Numerics.Tensors;
using LlmEmbed.Server.Json;
using LlmEmbed.Server.Problems;
using LlmEmbed.Tokenization;
using Microsoft.AspNetCore.Http;

namespace LlmEmbed.Server.Routes;

/// <summary>The routes of Hugging Face's Text Embeddings Inference (TEI), for its clients.</summary>
internal static class TeiRoutes
{
    private const string Family = "TEI";

    /// <summary>Each token takes some 100 bytes in memory until it is sent.</summary>
    private const int MostTokens = 1_000_000;

    public static Route Predict { get; } = new("POST", "/predict", "predict", "Class scores of texts", PredictAsync)
    {
        Description = "One text gives a list of scores, a batch gives a list of lists, largest score first. Scores are calibrated probabilities " +
            "that sum to 1; no softmax is put on them. A text of white space gets an empty list.",
        Family = Family,
        Request = typeof(PredictRequest),
        Answer = typeof(PredictAnswer),
    };

    public static Route Embed { get; } = new("POST", "/embed", "embed", "Vectors of texts", EmbedAsync)
    {
        Description = "What the model's repository means by a text's embedding, of length 1 unless 'normalize' is false.",
        Family = Family,
        Request = typeof(EmbedRequest),
        Answer = typeof(IReadOnlyList<Vector>),
    };

    public static IReadOnlyList<Route> All { get; } =
    [
        Predict,
        Embed,
        new("POST", "/similarity", "similarity", "Cosine similarity of a text to others", SimilarityAsync)
        {
            Description = "The cosine of the angle between the vectors of /embed, from -1 to 1, in the order of the sentences.",
            Family = Family,
            Request = typeof(SimilarityRequest),
            Answer = typeof(IReadOnlyList<float>),
        },
        new("POST", "/tokenize", "tokenize", "Token ids of texts", TokenizeAsync)
        {
            Description = "The tokens as the vocabulary writes them. Nothing is truncated. 'start' and 'stop' are null.",
            Family = Family,
            Request = typeof(TokenizeRequest),
            Answer = typeof(IReadOnlyList<IReadOnlyList<Token>>),
        },
        new("GET", "/info", "info", "What the first model is", InfoAsync)
        {
            Description = "Of the model that POST / asks. /models/{id}/info tells of another one.",
            Family = Family,
            Answer = typeof(InfoAnswer),
            Problems = [401, 404],
        },
        new("POST", "/", "predictOrEmbed", "Scores of the first classifier or, without one, vectors", PredictOrEmbedAsync)
        {
            Description = "/predict if the model is a classifier, else /embed. Without 'model', a classifier comes before a backbone.",
            Family = Family,
            Request = typeof(AnyRequest),
            Answer = typeof(object),
            IsOfModel = false,
        },
    ];

    /// <summary>The score of a class: its probability, or the natural logarithm of that.</summary>
    /// <remarks>A probability of 0 is one that is too small for 32 bits, so its logarithm is that of the smallest one.</remarks>
    public static Score ScoreOf(LabelProbability item, bool asLogarithm) =>
        new((float)(asLogarithm ? Math.Log(Math.Max(item.Probability, float.Epsilon)) : item.Probability), item.Label);

    private static async Task PredictAsync(RouteCall call)
    {
        PredictRequest request = await call.ReadAsync(ServerJson.Web.PredictRequest);
        RequireRight(request.TruncationDirection);
        IReadOnlyList<string> texts = call.TextsOf(request.Inputs!.All, "inputs");
        TextQueueAnswer<Prediction> answer = await call.PredictAsync(call.Classifier(request.Model), texts, request.Truncate);
        IReadOnlyList<Score>[] scores = [.. answer.Values.Select(
            IReadOnlyList<Score> (prediction) => [.. prediction.Ranked.Select(item => ScoreOf(item, request.RawScores))])];
        await call.WriteAsync(new PredictAnswer(scores, request.Inputs.IsOne), ServerJson.Web.PredictAnswer);
    }

    private static async Task EmbedAsync(RouteCall call)
    {
        EmbedRequest request = await call.ReadAsync(ServerJson.Web.EmbedRequest);
        RequireRight(request.TruncationDirection);
        ServedEncoder model = call.Encoder(request.Model);
        IReadOnlyList<string> texts = call.TextsOf(request.Inputs!, "inputs");
        Vectors.RequireDimensions(request.Dimensions, model.Encoder);
        TextQueueAnswer<ReadOnlyMemory<float>> answer = await EncodeAsync(call, model, request.PromptName, texts, request.Truncate);
        Vector[] vectors =
        [
            .. answer.Values.Select(values => new Vector(Vectors.Shape(values, request.Dimensions, request.Normalize ?? true), IsBase64: false)),
        ];
        await call.WriteAsync(vectors, ServerJson.Web.IReadOnlyListVector);
    }

    private static async Task SimilarityAsync(RouteCall call)
    {
        SimilarityRequest request = await call.ReadAsync(ServerJson.Web.SimilarityRequest);
        RequireRight(request.Parameters?.TruncationDirection);
        if (request.Inputs?.SourceSentence is not string source || request.Inputs.Sentences is not { } sentences)
            throw new ProblemException(
                StatusCodes.Status422UnprocessableEntity,
                ProblemType.Validation,
                "'inputs' is incomplete, expected {\"source_sentence\": \"…\", \"sentences\": [\"…\"]}.",
                "inputs");
        IReadOnlyList<string> others = call.TextsOf(sentences, "sentences");
        IReadOnlyList<string> texts = call.TextsOf([source, .. others], "source_sentence and sentences");
        ServedEncoder model = call.Encoder(request.Model);
        TextQueueAnswer<ReadOnlyMemory<float>> answer =
            await EncodeAsync(call, model, request.Parameters?.PromptName, texts, request.Parameters?.Truncate);
        ReadOnlyMemory<float>[] vectors = [.. answer.Values.Select(values => Vectors.Shape(values, dimensions: null, normalize: true))];
        float[] cosines = [.. vectors[1..].Select(vector => Math.Clamp(TensorPrimitives.Dot(vectors[0].Span, vector.Span), -1, 1))];
        await call.WriteAsync(cosines, ServerJson.Web.IReadOnlyListSingle);
    }

    private static async Task TokenizeAsync(RouteCall call)
    {
        TokenizeRequest request = await call.ReadAsync(ServerJson.Web.TokenizeRequest);
        IReadOnlyList<string> texts = call.TextsOf(request.Inputs!, "inputs");
        Tokenizer tokenizer = call.Model(request.Model).Tokenizer;
        IReadOnlyList<Token>[] tokens = new IReadOnlyList<Token>[texts.Count];
        int count = 0;
        for (int i = 0; i < tokens.Length; i++)
        {
            call.Cancellation.ThrowIfCancellationRequested();
            int[] ids = tokenizer.Encode(texts[i], maxTokens: null, request.AddSpecialTokens ?? true).Ids;
            if ((count += ids.Length) > MostTokens)
                throw new ProblemException(
                    StatusCodes.Status422UnprocessableEntity,
                    ProblemType.Validation,
                    $"The texts have more than {MostTokens:N0} tokens, which is as many as one answer lists. Send fewer texts at a time.",
                    "inputs");
            tokens[i] = [.. ids.Select(id => new Token(id, tokenizer.TokenText(id), tokenizer.IsSpecial(id)))];
        }
        call.Context.Features.Set(new RequestFacts("tokenize", texts.Count, count, default));
        await call.WriteAsync(tokens, ServerJson.Web.IReadOnlyListIReadOnlyListToken);
    }

    private static async Task PredictOrEmbedAsync(RouteCall call)
    {
        AnyRequest request = await call.PeekAsync(ServerJson.Web.AnyRequest);
        ServedModel? named = call.Catalog.Models.FirstOrDefault(model => model.Id == request.Model);
        await ((named ?? call.Catalog.Classifier(name: null)) is ServedEncoder || call.Catalog.Classifier(name: null) is null
            ? EmbedAsync(call)
            : PredictAsync(call));
    }

    private static Task InfoAsync(RouteCall call)
    {
        ServedModel model = call.ModelOfPath is null && call.Catalog.Classifier(name: null) is { } first ? first : call.Model(named: null);
        TextQueueOptions queue = call.Options.Queue;
        return call.WriteAsync(
            new InfoAnswer
            {
                ModelId = model.Id,
                ServedModelName = model.Id,
                ModelDtype = model is ServedEncoder { Encoder.Precision: Precision.Int8 } ? "int8" : "float32",
                ModelType = TypeOf(model),
                MaxConcurrentRequests = queue.MaxQueuedTokens,
                MaxInputLength = (model as ServedEncoder)?.Encoder.MaxTokens,
                MaxBatchTokens = queue.MaxQueuedTokens,
                MaxClientBatchSize = call.Options.MaxTexts,
                AutoTruncate = true,
                TokenizationWorkers = 1,
                Version = typeof(TeiRoutes).Assembly.GetName().Version!.ToString(3),
            },
            ServerJson.Web.InfoAnswer);
    }

    private static ModelType TypeOf(ServedModel model)
    {
        if (model is ServedEncoder backbone)
            return new ModelType { Embedding = new EmbeddingType(Reading.Poolings.NameOf(backbone.Encoder.Views[0].Pooling)) };
        IReadOnlyList<string> labels = ((ServedClassifier)model).Classifier.Labels;
        return new ModelType
        {
            Classifier = new ClassifierType(
                labels.Index().ToDictionary(item => $"{item.Index}", item => item.Item),
                labels.Index().ToDictionary(item => item.Item, item => item.Index)),
        };
    }

    /// <summary>A backbone's default view, behind another prompt where one is named.</summary>
    private static async Task<TextQueueAnswer<ReadOnlyMemory<float>>> EncodeAsync(
        RouteCall call, ServedEncoder model, string? promptName, IReadOnlyList<string> texts, bool? truncate)
    {
        if (promptName is null) return await call.EncodeAsync(model, model.Encoder, texts, truncate);
        EncoderOptions options = new()
        {
            Views = ViewSelection.Of(model.Encoder.Views),
            MaxTokens = model.Encoder.MaxTokens,
            Precision = model.Encoder.Precision,
            PromptName = promptName,
        };
        using EncoderLease lease = await call.Catalog.EncoderAsync(model, options, call.Cancellation);
        return await call.EncodeAsync(model, lease.Encoder, texts, truncate);
    }

    private static void RequireRight(string? direction)
    {
        if (direction is null || direction.Equals("right", StringComparison.OrdinalIgnoreCase)) return;
        throw new ProblemException(
            StatusCodes.Status422UnprocessableEntity,
            ProblemType.Validation,
            "'truncation_direction' is not 'right', the only one here: a text that is too long loses its end.",
            "truncation_direction");
    }
}
