using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using LlmEmbed.Server.Json;
using LlmEmbed.Server.Problems;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;

namespace LlmEmbed.Server.Routes;

/// <summary>One request on its way: body → model → texts → queue → answer.</summary>
/// <param name="context">The request.</param>
/// <param name="modelOfPath">The model that the path names; null if it names none.</param>
internal sealed class RouteCall(HttpContext context, string? modelOfPath) : IDisposable
{
    /// <summary>256 MB, which stay in memory until they are sent.</summary>
    private const long MostNumbers = 64L * 1024 * 1024;

    private readonly long _start = Stopwatch.GetTimestamp();
    private RequestBody? _body;

    public HttpContext Context => context;

    public ModelCatalog Catalog { get; } = context.RequestServices.GetRequiredService<ModelCatalog>();

    public LlmEmbedServerOptions Options { get; } = context.RequestServices.GetRequiredService<LlmEmbedServerOptions>();

    public string? ModelOfPath => modelOfPath;

    /// <summary>The client is gone, or its time is over.</summary>
    public CancellationToken Cancellation => context.RequestAborted;

    private TextQueue Queue { get; } = context.RequestServices.GetRequiredService<TextQueue>();

    /// <summary>The body, which may be read again.</summary>
    public async Task<T> PeekAsync<T>(JsonTypeInfo<T> type)
        where T : class
    {
        _body ??= await RequestBody.ReceiveAsync(context);
        return _body.As(type);
    }

    /// <summary>The body. Its bytes do not stay while the texts wait in the queue.</summary>
    public async Task<T> ReadAsync<T>(JsonTypeInfo<T> type)
        where T : class
    {
        T body = await PeekAsync(type);
        Dispose();
        return body;
    }

    public void Dispose()
    {
        _body?.Dispose();
        _body = null;
    }

    public ServedClassifier Classifier(string? named) => Choose(named, Catalog.Classifier, "classifier");

    public ServedEncoder Encoder(string? named) => Choose(named, Catalog.Encoder, "backbone");

    /// <summary>A model of either kind.</summary>
    public ServedModel Model(string? named) =>
        Choose(named, name => Catalog.Models.FirstOrDefault(model => name is null || model.Id == name), "model");

    /// <exception cref="ProblemException">There is no text, one is empty, there are too many, or they are token ids.</exception>
    public IReadOnlyList<string> TextsOf(Texts texts, string param)
    {
        if (texts.Ids is null) return TextsOf(texts.All, param);
        throw new ProblemException(
            StatusCodes.Status400BadRequest,
            ProblemType.Validation,
            $"'{param}' holds token ids, expected texts: ids of another tokenizer would be other words here. With LangChain for Python, create " +
            "OpenAIEmbeddings with check_embedding_ctx_length=False.",
            param);
    }

    /// <inheritdoc cref="TextsOf(Texts, string)"/>
    public IReadOnlyList<string> TextsOf(IReadOnlyList<string> texts, string param)
    {
        if (texts.Count == 0) throw new ProblemException(StatusCodes.Status400BadRequest, ProblemType.Empty, $"'{param}' holds no text.", param);
        if (texts.Count > Options.MaxTexts)
            throw new ProblemException(
                StatusCodes.Status422UnprocessableEntity,
                ProblemType.Validation,
                $"'{param}' holds {texts.Count:N0} texts, and this server takes {Options.MaxTexts:N0} at once. Send them in several requests.",
                param);
        for (int i = 0; i < texts.Count; i++)
        {
            if (texts[i].Length == 0)
                throw new ProblemException(
                    StatusCodes.Status400BadRequest, ProblemType.Empty, $"Text {i} of '{param}' (counted from 0) is empty. Leave it out.", param);
        }
        return texts;
    }

    public async Task<TextQueueAnswer<Prediction>> PredictAsync(ServedClassifier model, IReadOnlyList<string> texts, bool? truncate)
    {
        TextQueueAnswer<Prediction> answer = await Queue.PredictAsync(model.Classifier, texts, truncate ?? true, Cancellation);
        Describe("predict", model, texts, answer.Texts, answer.Times);
        return answer;
    }

    /// <summary>The views [N][D,H] of texts.</summary>
    /// <param name="model">The backbone, for the answer's headers.</param>
    /// <param name="encoder">What reads it.</param>
    /// <param name="texts">[N].</param>
    /// <param name="truncate">Null truncates.</param>
    public async Task<TextQueueAnswer<ReadOnlyMemory<float>>> EncodeAsync(
        ServedEncoder model, TextEncoder encoder, IReadOnlyList<string> texts, bool? truncate)
    {
        long numbers = (long)texts.Count * encoder.Views.Count * encoder.HiddenSize;
        if (numbers > MostNumbers)
            throw new ProblemException(
                StatusCodes.Status422UnprocessableEntity,
                ProblemType.Validation,
                $"The answer would hold {numbers:N0} numbers, and this server gives {MostNumbers:N0} at once. Ask for fewer texts or depths at " +
                "a time.",
                "inputs");
        TextQueueAnswer<ReadOnlyMemory<float>> answer = await Queue.EncodeAsync(encoder, texts, truncate ?? true, Cancellation);
        Describe("embed", model, texts, answer.Texts, answer.Times);
        return answer;
    }

    public Task WriteAsync<T>(T answer, JsonTypeInfo<T> type)
    {
        context.Response.Headers["x-total-time"] = Milliseconds(Stopwatch.GetElapsedTime(_start));
        context.Response.ContentType = "application/json; charset=utf-8";
        return JsonSerializer.SerializeAsync(context.Response.BodyWriter, answer, type, Cancellation);
    }

    private static string Milliseconds(TimeSpan time) => ((long)Math.Round(time.TotalMilliseconds)).ToString(CultureInfo.InvariantCulture);

    private T Choose<T>(string? named, Func<string?, T?> find, string kind)
        where T : ServedModel
    {
        string? name = modelOfPath ?? (named is { Length: > 0 } ? named : null);
        if (find(name) is { } found) return found;
        if (find(null) is not { } first)
            throw Catalog.IsReady
                ? NotFound($"No {kind} is served here, and this route needs one.")
                : new ProblemException(StatusCodes.Status503ServiceUnavailable, ProblemType.Unhealthy, "The models are being loaded.");
        if (Catalog.Models.Any(model => model.Id == name))
            throw new ProblemException(
                StatusCodes.Status422UnprocessableEntity,
                ProblemType.Validation,
                $"The model is of another kind, and this route needs a {kind}. GET /v1/models lists the models with their kinds.",
                "model");
        if (Options.StrictModel || modelOfPath is not null)
            throw NotFound("No model of this name is served here. GET /v1/models lists the names.");
        context.Response.Headers["x-llmembed-warning"] = "The model that was named is not served here; the first of its kind has answered.";
        return first;
    }

    private static ProblemException NotFound(string message) => new(StatusCodes.Status404NotFound, ProblemType.NotFound, message, "model");

    /// <summary>What TEI tells of an answer in headers, and how many texts lost their end or had nothing to read.</summary>
    private void Describe(string family, ServedModel model, IReadOnlyList<string> texts, IReadOnlyList<QueuedText> read, QueueTimes times)
    {
        long tokens = read.Sum(text => (long)text.Tokens);
        context.Features.Set(new RequestFacts(family, texts.Count, tokens, times));
        IHeaderDictionary headers = context.Response.Headers;
        void Set(string name, long value) => headers[name] = value.ToString(CultureInfo.InvariantCulture);
        headers["x-compute-type"] = "cpu";
        headers["x-compute-time"] = Milliseconds(times.Tokenization + times.Inference);
        Set("x-compute-characters", texts.Sum(text => (long)text.Length));
        Set("x-compute-tokens", tokens);
        headers["x-tokenization-time"] = Milliseconds(times.Tokenization);
        headers["x-queue-time"] = Milliseconds(times.Queue);
        headers["x-inference-time"] = Milliseconds(times.Inference);
        Set("x-truncated-texts", read.Count(text => text.IsTruncated));
        Set("x-empty-texts", read.Count(text => text.IsEmpty));
        headers["x-llmembed-model"] = Ascii.IsValid(model.Id) ? model.Id : Uri.EscapeDataString(model.Id);
    }
}
