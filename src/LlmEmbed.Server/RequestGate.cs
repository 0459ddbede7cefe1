using System.Diagnostics;
using LlmEmbed.Server.Problems;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace LlmEmbed.Server;

/// <summary>What every request passes before its route: its key, the size of its body, the memory of all bodies, and its time.</summary>
internal sealed partial class RequestGate(LlmEmbedServerOptions options, ServerTelemetry telemetry, ILogger<RequestGate> log)
{
    private readonly ApiKeys _keys = new(options.ApiKeys);
    private readonly ByteBudget _bodies = new(Math.Max(options.MaxBodiesBytes, options.MaxBodyBytes));

    /// <param name="route">What answers.</param>
    /// <param name="isOpen">Whether no key is needed.</param>
    public RequestDelegate Guard(RequestDelegate route, bool isOpen) => async context =>
    {
        if (isOpen)
        {
            await route(context);
            return;
        }
        long start = Stopwatch.GetTimestamp();
        await AdmitAsync(context, route);
        TimeSpan duration = Stopwatch.GetElapsedTime(start);
        RequestFacts? facts = context.Features.Get<RequestFacts>();
        int status = context.RequestAborted.IsCancellationRequested ? StatusCodes.Status499ClientClosedRequest : context.Response.StatusCode;
        telemetry.Answered(facts, status, duration);
        if (log.IsEnabled(LogLevel.Information))
            Answered(context.Request.Method, PatternOf(context), status, duration.TotalMilliseconds, facts?.Texts, facts?.Tokens);
    };

    private async Task AdmitAsync(HttpContext context, RequestDelegate route)
    {
        if (!_keys.Admits(context.Request.Headers.Authorization))
        {
            await ProblemWriter.WriteAsync(
                context,
                new Problem(
                    StatusCodes.Status401Unauthorized,
                    ProblemType.Unauthorized,
                    "The request has no key that this server knows. Send one in the header: Authorization: Bearer KEY."));
            return;
        }
        long expected = context.Request.ContentLength ?? (HttpMethods.IsPost(context.Request.Method) ? options.MaxBodyBytes : 0);
        if (expected > options.MaxBodyBytes)
        {
            await ProblemWriter.WriteAsync(
                context,
                new Problem(
                    StatusCodes.Status413PayloadTooLarge,
                    ProblemType.TooLarge,
                    $"The body is larger than {options.MaxBodyBytes:N0} bytes. Send fewer texts at a time."));
            return;
        }
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } size) size.MaxRequestBodySize = options.MaxBodyBytes;
        using IDisposable? share = _bodies.TryTake(expected);
        if (share is null)
        {
            await ProblemWriter.WriteAsync(
                context,
                new Problem(
                    StatusCodes.Status429TooManyRequests,
                    ProblemType.Overloaded,
                    "The requests that are being answered fill the memory that bodies may take. Try again, or send fewer texts at a time.")
                { RetryAfter = TimeSpan.FromSeconds(1) });
            return;
        }
        await RunAsync(context, route);
    }

    private async Task RunAsync(HttpContext context, RequestDelegate route)
    {
        CancellationToken gone = context.RequestAborted;
        using CancellationTokenSource limited = CancellationTokenSource.CreateLinkedTokenSource(gone);
        limited.CancelAfter(options.Timeout);
        context.RequestAborted = limited.Token;
        try
        {
            await route(context);
            context.RequestAborted = gone;
        }
        catch (OperationCanceledException) when (limited.IsCancellationRequested)
        {
            context.RequestAborted = gone;
            if (gone.IsCancellationRequested || context.Response.HasStarted) return; // nobody is there to read an answer
            await ProblemWriter.WriteAsync(
                context,
                new Problem(
                    StatusCodes.Status408RequestTimeout,
                    ProblemType.Timeout,
                    $"The request was not answered within {options.Timeout.TotalSeconds:0} s. Send fewer texts at a time."));
        }
    }

    /// <summary>The pattern and not the path: what a client writes into a path is not for a log.</summary>
    private static string? PatternOf(HttpContext context) => (context.GetEndpoint() as RouteEndpoint)?.RoutePattern.RawText;

    [LoggerMessage(LogLevel.Information, "{Method} {Route} {Status} {Milliseconds:0.0} ms, {Texts} texts, {Tokens} tokens")]
    private partial void Answered(string method, string? route, int status, double milliseconds, int? texts, long? tokens);
}
