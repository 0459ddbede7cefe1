using System.Diagnostics;
using System.Net;
using LlmEmbed.Server.Problems;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using OpenTelemetry;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;

namespace LlmEmbed.Server;

/// <summary>A server that is a process of its own. In an application, use <see cref="LlmEmbedServerExtensions"/> instead.</summary>
public sealed class LlmEmbedHost : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly ModelCatalog _catalog;
    private readonly LlmEmbedHostOptions _host;
    private readonly (TimeSpan Loading, TimeSpan WarmUp) _times;

    private LlmEmbedHost(WebApplication app, LlmEmbedHostOptions host, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        (_app, _host, _catalog) = (app, host, app.Services.GetRequiredService<ModelCatalog>());
        _times = _catalog.Load(progress, cancellationToken);
    }

    /// <summary>Loads the models and makes ready what the first requests would otherwise wait for. Nothing listens yet.</summary>
    /// <param name="options">What is served, and what is let in.</param>
    /// <param name="host">Where it will listen, and what it logs; null takes the defaults.</param>
    /// <param name="progress">Told about work that takes long.</param>
    /// <param name="cancellationToken">Stops that work.</param>
    /// <exception cref="LlmEmbedException">A model cannot be loaded.</exception>
    public static LlmEmbedHost Load(
        LlmEmbedServerOptions options,
        LlmEmbedHostOptions? host = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        host ??= new LlmEmbedHostOptions();
        WebApplication app = Build(options, host);
        try
        {
            return new LlmEmbedHost(app, host, progress, cancellationToken);
        }
        catch
        {
            ((IDisposable)app).Dispose();
            throw;
        }
    }

    /// <summary>Serves until it is told to stop, and then until every request that was accepted is answered.</summary>
    /// <param name="ready">Told when the server answers.</param>
    /// <param name="stop">Ends it.</param>
    /// <exception cref="LlmEmbedException">The address cannot be listened at.</exception>
    public async Task RunAsync(Action<ServerReady> ready, CancellationToken stop = default)
    {
        ArgumentNullException.ThrowIfNull(ready);
        await StartAsync(stop).ConfigureAwait(false);
        string address = _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        IReadOnlyList<string> models = [.. _catalog.Models.Select(model => model.Id)];
        ready(new ServerReady(new Uri(address), models, _times.Loading, _times.WarmUp) { Warnings = _catalog.Warnings });
        try
        {
            await Task.Delay(System.Threading.Timeout.InfiniteTimeSpan, stop).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _catalog.Retire(); // readiness is gone first, so that no more requests are sent here
            await Task.Delay(_host.Drain, CancellationToken.None).ConfigureAwait(false);
            await _app.StopAsync(CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Frees the models.</summary>
    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static WebApplication Build(LlmEmbedServerOptions options, LlmEmbedHostOptions host)
    {
        WebApplicationOptions place = new() { Args = [], ContentRootPath = AppContext.BaseDirectory }; // not the working folder, which is the user's
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder(place);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.AddServerHeader = false;
            kestrel.Limits.MaxRequestBodySize = options.MaxBodyBytes;
            kestrel.Limits.MaxConcurrentConnections = host.MaxConnections;
            kestrel.Listen(host.Address, host.Port);
        });
        builder.Services.AddSingleton<IHostLifetime, CallersLifetime>();
        // Every request has its own limit of time; the server waits for the last of them.
        builder.Services.Configure<HostOptions>(settings => settings.ShutdownTimeout = options.Timeout + TimeSpan.FromSeconds(5));
        builder.Services.AddLlmEmbedServer(options);
        AddLogging(builder, host);
        AddTelemetry(builder);
        WebApplication app = builder.Build();
        app.Use(AnswerWhatNoRouteAnswers);
        app.MapLlmEmbed();
        app.MapPrometheusScrapingEndpoint("/metrics");
        return app;
    }

    private async Task StartAsync(CancellationToken stop)
    {
        try
        {
            await _app.StartAsync(stop).ConfigureAwait(false);
        }
        catch (IOException exception)
        {
            throw new LlmEmbedException(
                $"{new IPEndPoint(_host.Address, _host.Port)} cannot be listened at: {exception.Message} Choose another address or port.", exception);
        }
    }

    /// <summary>Gives a body to answers of the framework itself, such as 404 and 405.</summary>
    private static async Task AnswerWhatNoRouteAnswers(HttpContext context, RequestDelegate next)
    {
        await next(context);
        if (context.Response.HasStarted || context.Response.ContentLength is not null || context.Response.ContentType is not null) return;
        Problem? problem = context.Response.StatusCode switch
        {
            StatusCodes.Status404NotFound => new Problem(
                StatusCodes.Status404NotFound, ProblemType.NotFound, "There is no such route. GET /openapi/v1.json lists all of them."),
            StatusCodes.Status405MethodNotAllowed => new Problem(
                StatusCodes.Status405MethodNotAllowed,
                ProblemType.Validation,
                "The route exists, but not for this method. GET /openapi/v1.json lists all of them."),
            _ => null,
        };
        if (problem is not null) await ProblemWriter.WriteAsync(context, problem);
    }

    private static void AddLogging(WebApplicationBuilder builder, LlmEmbedHostOptions host)
    {
        builder.Logging.ClearProviders().SetMinimumLevel(host.LogLevel).AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        // What keeps it from starting is told to the caller, once and without a stack trace.
        builder.Logging.AddFilter("Microsoft.Extensions.Hosting.Internal.Host", LogLevel.None);
        if (host.JsonLogs) builder.Logging.AddJsonConsole(console => console.TimestampFormat = "O");
        else builder.Logging.AddSimpleConsole(console => (console.SingleLine, console.TimestampFormat) = (true, "yyyy-MM-dd HH:mm:ss "));
    }

    /// <summary>Prometheus always; OTLP where the usual variables of the environment name a collector.</summary>
    private static void AddTelemetry(WebApplicationBuilder builder)
    {
        OpenTelemetryBuilder telemetry = builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("llmembed", serviceVersion: Version))
            .WithMetrics(metrics => metrics
                .AddMeter("LlmEmbed", ServerTelemetry.MeterName, "Microsoft.AspNetCore.Hosting", "Microsoft.AspNetCore.Server.Kestrel")
                .AddView("llmembed.queue.depth", "llmembed.queue.depth").AddView("llmembed.queue.depth", "te_queue_size")
                .AddView("llmembed.batch.size", "llmembed.batch.size").AddView("llmembed.batch.size", "te_batch_next_size")
                .AddView("llmembed.batch.tokens", "llmembed.batch.tokens").AddView("llmembed.batch.tokens", "te_batch_next_tokens")
                .AddPrometheusExporter(prometheus => prometheus.DisableTotalNameSuffixForCounters = true));
        string[] collectors = ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"];
        if (!collectors.Any(variable => Environment.GetEnvironmentVariable(variable) is { Length: > 0 })) return;
        telemetry.WithTracing(traces => traces.AddSource("LlmEmbed").AddAspNetCoreInstrumentation()).WithLogging().UseOtlpExporter();
    }

    private static string? Version => FileVersionInfo.GetVersionInfo(typeof(LlmEmbedHost).Assembly.Location).ProductVersion;

    /// <summary>Signals are the caller's to handle.</summary>
    private sealed class CallersLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
