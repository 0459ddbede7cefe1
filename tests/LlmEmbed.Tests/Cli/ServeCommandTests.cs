using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Cli;
using Xunit;

namespace LlmEmbed.Tests.Cli;

public sealed class ServeCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Every_accepted_request_is_answered_when_the_server_is_told_to_stop()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "There is no SIGTERM.");
        string model = Train();
        using Process server = Tool.Start(
            "serve", model, "--models", Repository.Fixtures, "--port", "0", "--json", "--cache", "none", "--drain", "1s");
        string? line = await server.StandardOutput.ReadLineAsync(Cancellation);
        JsonNode ready = JsonNode.Parse(line ?? await server.StandardError.ReadToEndAsync(Cancellation))!;
        Assert.Equal("requests", (string)ready["models"]![0]!);
        using HttpClient client = new() { BaseAddress = new Uri((string)ready["address"]!) };
        string metrics = await client.GetStringAsync(new Uri("/metrics", UriKind.Relative), Cancellation);
        Assert.All(
            ["http_server_active_requests{", "llmembed_queue_tokens{", "te_queue_size{"],
            name => Assert.Contains(name, metrics, StringComparison.Ordinal));
        string[] texts = [.. Requests.Generate(500).Select(example => example.Text)];
        Task<HttpResponseMessage>[] asked = [.. Enumerable.Range(0, 20).Select(_ => client.PostAsync(
            new Uri("/classify", UriKind.Relative),
            new StringContent(JsonSerializer.Serialize(new { inputs = texts }), Encoding.UTF8, "application/json"),
            Cancellation))];
        await Task.WhenAny(asked); // the others are in the queue or computed now
        Assert.True(Tool.CanRun("kill", "-TERM", server.Id.ToString(CultureInfo.InvariantCulture)));
        HttpResponseMessage[] answers = await Task.WhenAll(asked);
        Assert.All(answers, answer => Assert.Contains(answer.StatusCode, (HttpStatusCode[])[HttpStatusCode.OK, HttpStatusCode.TooManyRequests]));
        await server.WaitForExitAsync(Cancellation);
        Assert.Equal((0, ""), (server.ExitCode, await server.StandardError.ReadToEndAsync(Cancellation)));
    }

    [Fact]
    public void What_cannot_be_served_is_one_line_with_its_exit_code()
    {
        string missing = _folder.File("missing"), noKeys = _folder.File("keys.txt");
        File.WriteAllText(noKeys, "# only a comment\n");
        Assert.Contains("There is nothing to serve", Tool.Run("serve").Refused(ExitCode.WrongUsage), StringComparison.Ordinal);
        Assert.Contains(missing, Tool.Run("serve", missing).Refused(ExitCode.BadInput), StringComparison.Ordinal);
        Assert.Contains("holds no key", Tool.Run("serve", missing, "--api-key-file", noKeys).Refused(ExitCode.BadInput), StringComparison.Ordinal);
        Assert.Contains("from 0 to 65535", Tool.Run("serve", missing, "--port", "70000").Refused(ExitCode.WrongUsage), StringComparison.Ordinal);
        string noAddress = Tool.Run("serve", missing, "--host", "example").Refused(ExitCode.WrongUsage);
        Assert.Contains("expected an IP address", noAddress, StringComparison.Ordinal);
    }

    [Fact]
    public void A_port_that_is_taken_is_named()
    {
        using TcpListener taken = new(IPAddress.Loopback, 0);
        taken.Start();
        int port = ((IPEndPoint)taken.LocalEndpoint).Port;
        string[] command = ["serve", "--backbone", Repository.Fixture("bert"), "--port", $"{port}", "--cache", "none"];
        string message = Tool.Run(command).Refused(ExitCode.BadInput);
        Assert.Contains($"127.0.0.1:{port}", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Options_stand_in_the_environment_too_and_are_refused_by_their_names()
    {
        Dictionary<string, string> environment = new(StringComparer.Ordinal)
        {
            ["LLMEMBED_PORT"] = "1234",
            ["LLMEMBED_STRICT_MODEL"] = "1",
            ["LLMEMBED_BACKBONE"] = "a, b",
            ["LLMEMBED_MAX_TEXTS"] = "7",
            ["LLMEMBED_MODELS"] = "x",
        };
        string[] arguments = ["serve", "model", "--max-texts", "9", "--", "other"];
        Assert.Equal(
            ["serve", "model", "--max-texts", "9", "--backbone=a", "--backbone=b", "--port=1234", "--strict-model=true", "--", "other"],
            EnvironmentOptions.Added(
                CommandLine.CreateRoot(Terminal.OfProcess()).Parse(arguments), arguments, name => environment.GetValueOrDefault(name)));
    }

    private string Train()
    {
        string folder = _folder.File("requests");
        using TextClassifier trained = Requests.Train(Requests.Generate(90), Requests.Options("bert"));
        trained.Save(folder);
        return folder;
    }
}
