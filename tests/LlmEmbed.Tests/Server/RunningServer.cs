using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;
using LlmEmbed.Server;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Xunit;

namespace LlmEmbed.Tests.Server;

/// <summary>A server in this process, on a port that is free: a classifier on a fixture and two of the fixtures' backbones.</summary>
public sealed class RunningServer : IAsyncLifetime
{
    /// <summary>The names under which the models are served.</summary>
    public const string Classifier = "requests", Backbone = "bert", Prompted = "sentence/e5-default";

    private readonly TemporaryFolder _folder = new();
    private WebApplication? _application;

    public HttpClient Client { get; } = new();

    internal CapturedLog Log { get; } = new();

    internal TextQueue Queue => _application!.Services.GetRequiredService<TextQueue>();

    internal ModelCatalog Catalog => _application!.Services.GetRequiredService<ModelCatalog>();

    internal TextClassifier LoadedClassifier => Catalog.Classifier(Classifier)!.Classifier;

    internal TextEncoder LoadedEncoder => Catalog.Encoder(Backbone)!.Encoder;

    public ValueTask InitializeAsync() => StartAsync(options => options);

    /// <summary>Starts it with other options.</summary>
    public async ValueTask StartAsync(Func<LlmEmbedServerOptions, LlmEmbedServerOptions> change)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        builder.Logging.ClearProviders().AddProvider(Log);
        LlmEmbedServerOptions options = new()
        {
            Classifiers = [Train()],
            Backbones = [Backbone, $"{Prompted}={Prompted}"],
            Runtime = Requests.Runtime with { Threads = 2 },
        };
        builder.Services.AddLlmEmbedServer(change(options));
        _application = builder.Build();
        _application.MapLlmEmbed();
        await _application.StartAsync(TestContext.Current.CancellationToken);
        Client.BaseAddress = new Uri(_application.Urls.Single());
    }

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        if (_application is not null) await _application.DisposeAsync();
        _folder.Dispose();
        Log.Dispose();
    }

    public Task<HttpResponseMessage> GetAsync(string path) => Client.GetAsync(new Uri(path, UriKind.Relative), TestContext.Current.CancellationToken);

    /// <summary>Posts a body as it is.</summary>
    public async Task<HttpResponseMessage> PostAsync(string path, byte[] body, string? contentType = "application/json")
    {
        using ByteArrayContent content = new(body);
        if (contentType is not null) content.Headers.ContentType = MediaTypeHeaderValue.Parse(contentType);
        return await Client.PostAsync(new Uri(path, UriKind.Relative), content, TestContext.Current.CancellationToken);
    }

    public Task<HttpResponseMessage> PostAsync(string path, string body) => PostAsync(path, Encoding.UTF8.GetBytes(body));

    /// <summary>Posts a body and expects an answer.</summary>
    public async Task<JsonNode> AskAsync(string path, JsonNode body) => await JsonOf(await PostAsync(path, body.ToJsonString()));

    /// <summary>Posts a body and expects a problem with this status.</summary>
    /// <returns>The message, which holds neither the text "a secret" nor a place in the server's files.</returns>
    public async Task<string> RefusedAsync(HttpStatusCode status, string path, string body)
    {
        using HttpResponseMessage response = await PostAsync(path, body);
        return await RefusalOf(status, response);
    }

    public static async Task<string> RefusalOf(HttpStatusCode status, HttpResponseMessage response)
    {
        string text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(status == response.StatusCode, $"{(int)response.StatusCode} {text}");
        Assert.Equal("application/json", response.Content.Headers.ContentType?.MediaType);
        Assert.DoesNotContain("a secret", text, StringComparison.Ordinal);
        Assert.DoesNotContain(Repository.Root, text, StringComparison.Ordinal);
        JsonNode error = JsonNode.Parse(text)!["error"]!;
        string message = error is JsonObject openAi ? (string)openAi["message"]! : (string)error!;
        Assert.True(message.Length > 10 && message.EndsWith('.'), message);
        return message;
    }

    public static async Task<JsonNode> JsonOf(HttpResponseMessage response)
    {
        string text = await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken);
        Assert.True(response.StatusCode == HttpStatusCode.OK, $"{(int)response.StatusCode} {text}");
        return JsonNode.Parse(text)!;
    }

    public static float[] Floats(JsonNode? list) => [.. list!.AsArray().Select(number => (float)number!)];

    private string Train()
    {
        string folder = _folder.File(Classifier);
        using TextClassifier trained = Requests.Train(Requests.Generate(90), Requests.Options(Backbone) with { HeldOutShare = 0.3 });
        trained.Save(folder);
        return folder;
    }
}

/// <summary>The tests that ask one server, one after the other.</summary>
[CollectionDefinition(Name)]
public sealed class SharedServer : ICollectionFixture<RunningServer>
{
    public const string Name = "server";
}

/// <summary>Keeps what is logged.</summary>
internal sealed class CapturedLog : ILoggerProvider, ILogger
{
    private readonly System.Collections.Concurrent.ConcurrentQueue<string> _lines = new();

    public IReadOnlyCollection<string> Lines => _lines;

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _lines.Enqueue($"{logLevel}: {formatter(state, exception)} {exception}");

    public void Dispose()
    {
    }
}
