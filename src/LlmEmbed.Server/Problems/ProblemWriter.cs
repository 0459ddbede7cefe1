using System.Globalization;
using LlmEmbed.Server.Json;
using Microsoft.AspNetCore.Http;

namespace LlmEmbed.Server.Problems;

/// <summary>Writes problems in the shape that the clients of a route read.</summary>
internal static class ProblemWriter
{
    private const string RequestId = "x-request-id";

    /// <summary>
    /// Writes a problem as the answer, unless an answer has begun: then the connection is closed, so that nobody takes the half for the whole.
    /// </summary>
    public static async Task WriteAsync(HttpContext context, Problem problem)
    {
        if (context.Response.HasStarted)
        {
            context.Abort();
            return;
        }
        bool isOpenAi = IsOpenAi(context);
        context.Response.StatusCode = isOpenAi ? OpenAiStatus(problem.Status) : problem.Status;
        SetHeaders(context.Response.Headers, problem);
        if (isOpenAi)
        {
            NameRequest(context);
            await context.Response.WriteAsJsonAsync(
                OpenAiErrorOf(problem), ServerJson.Web.OpenAiErrorAnswer, contentType: null, CancellationToken.None);
        }
        else
        {
            TeiErrorAnswer error = new(problem.Message, NameOf(problem.Type));
            await context.Response.WriteAsJsonAsync(error, ServerJson.Web.TeiErrorAnswer, contentType: null, CancellationToken.None);
        }
    }

    /// <summary>Gives a request the name under which OpenAI's clients report it.</summary>
    public static void NameRequest(HttpContext context)
    {
        if (!context.Response.Headers.ContainsKey(RequestId)) context.Response.Headers[RequestId] = $"req_{Guid.NewGuid():N}";
    }

    /// <summary>Whether the clients of a path expect what OpenAI answers: its route says so or, where there is no route, its beginning.</summary>
    public static bool IsOpenAi(HttpContext context) =>
        context.Items.TryGetValue(typeof(ErrorShape), out object? shape) ? shape is ErrorShape.OpenAi
        : context.GetEndpoint() is { } endpoint && endpoint.Metadata.GetMetadata<ErrorShapeOf>() is { } ofRoute ? ofRoute.Shape == ErrorShape.OpenAi
        : context.Request.Path.StartsWithSegments("/v1", StringComparison.Ordinal)
            || context.Request.Path.StartsWithSegments("/embeddings", StringComparison.Ordinal);

    /// <summary>OpenAI's clients know neither 422 nor 424.</summary>
    private static int OpenAiStatus(int status) => status switch
    {
        StatusCodes.Status422UnprocessableEntity => StatusCodes.Status400BadRequest,
        StatusCodes.Status424FailedDependency => StatusCodes.Status500InternalServerError,
        _ => status,
    };

    private static void SetHeaders(IHeaderDictionary headers, Problem problem)
    {
        if (problem.Status == StatusCodes.Status401Unauthorized) headers.WWWAuthenticate = "Bearer";
        headers["x-should-retry"] =
            problem.Status is StatusCodes.Status429TooManyRequests or StatusCodes.Status503ServiceUnavailable ? "true" : "false";
        if (problem.RetryAfter is not TimeSpan wait) return;
        headers.RetryAfter = Math.Max(1, (long)Math.Ceiling(wait.TotalSeconds)).ToString(CultureInfo.InvariantCulture);
        headers["retry-after-ms"] = Math.Max(1, (long)Math.Ceiling(wait.TotalMilliseconds)).ToString(CultureInfo.InvariantCulture);
    }

    private static OpenAiErrorAnswer OpenAiErrorOf(Problem problem)
    {
        (string type, string? code) = problem.Type switch
        {
            ProblemType.Overloaded => ("rate_limit_error", "rate_limit_exceeded"),
            ProblemType.Backend or ProblemType.Unhealthy => ("server_error", null),
            ProblemType.Timeout => ("server_error", "timeout"),
            ProblemType.Unauthorized => ("invalid_request_error", "invalid_api_key"),
            ProblemType.NotFound when problem.Param == "model" => ("invalid_request_error", "model_not_found"),
            _ => ("invalid_request_error", (string?)null),
        };
        return new OpenAiErrorAnswer(new OpenAiError(problem.Message, type) { Param = problem.Param, Code = code });
    }

    private static string NameOf(ProblemType type) => type switch
    {
        ProblemType.NotFound => "not_found",
        ProblemType.TooLarge => "too_large",
        _ => type.ToString().ToLowerInvariant(),
    };
}

/// <summary>Whose shape the errors of a route have.</summary>
internal enum ErrorShape
{
    Tei,
    OpenAi,
}

/// <summary>Says with a route whose shape its errors have.</summary>
/// <param name="Shape">The shape.</param>
internal sealed record ErrorShapeOf(ErrorShape Shape);
