using System.Diagnostics;
using LlmEmbed.Hub;
using LlmEmbed.Tests.Cli;
using Xunit;

namespace LlmEmbed.Tests.Hub;

/// <summary>Downloads by processes that are killed, on disks that are full, and from and to the Hub's own JavaScript client.</summary>
[Collection(ProcessState.Name)]
public sealed class HubProcessTests : IDisposable
{
    private const string Weights = "model.safetensors";

    private readonly TemporaryFolder _folder = new();
    private readonly FakeHub _hub = new();

    public void Dispose()
    {
        _hub.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public async Task A_download_that_is_killed_goes_on_where_it_was()
    {
        const int Size = 4 << 20, Twice = 1 << 20;
        _hub.Files[Weights] = FakeHub.Bytes(Size);
        _hub.BytesPerSecond = Size / 2;
        using (Process killed = Start("download", FakeHub.Id))
        {
            while (_hub.ContentBytesSent < Size / 2) await Task.Delay(20, TestContext.Current.CancellationToken);
            killed.Kill();
            Tool.Finish(killed);
        }
        _hub.BytesPerSecond = long.MaxValue;
        using Process second = Start("download", FakeHub.Id);
        string snapshot = Tool.Finish(second).Succeeded().Output.Trim();
        Assert.Equal(_hub.Files[Weights], File.ReadAllBytes(Path.Combine(snapshot, Weights)));
        Assert.True(_hub.ContentBytesSent < Size + Twice, $"{_hub.ContentBytesSent:N0} bytes were sent for {Size:N0}.");
        Assert.Empty(Directory.GetFiles(_folder.Path, "*.incomplete", SearchOption.AllDirectories));
    }

    [Fact]
    public void A_full_disk_is_said_in_one_line_and_nothing_is_half_written()
    {
        RequireNamespaces();
        // Enough for the bytes of the files, too little for the room that they take on disk.
        ToolResult result = InNamespace(
            "mount -t tmpfs -o size=108k none cache && \"$DOTNET\" \"$TOOL\" download someone/tiny; code=$?; " +
            "find cache -type f -size +0; exit $code");
        Assert.Equal(1, result.ExitCode);
        string line = Assert.Single(result.Error.Split('\n'), text => text.StartsWith("llmembed: ", StringComparison.Ordinal));
        Assert.Contains("No space left on device", line, StringComparison.Ordinal);
        Assert.DoesNotContain(".incomplete", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain(".tmp", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_complete_cache_that_cannot_be_written_is_used()
    {
        RequireNamespaces();
        HubEnvironment environment = new() { Cache = _folder.File("cache"), Endpoint = _hub.Endpoint, HubHosts = [] };
        HubModel model = await HubSnapshot.DownloadAsync(
            HubName.Parse(FakeHub.Id)!, environment, cancellationToken: TestContext.Current.CancellationToken);
        // Another program need not have kept the list of files.
        Directory.Delete(_folder.File(Path.Combine("cache", "models--someone--tiny", "trees")), recursive: true);
        ToolResult result = InNamespace(
            "mount --bind cache cache && mount -o remount,ro,bind cache && ! touch cache/x 2>/dev/null && " +
            "\"$DOTNET\" \"$TOOL\" download someone/tiny && \"$DOTNET\" \"$TOOL\" download someone/tiny --offline");
        Assert.Equal([model.Path, model.Path], result.Succeeded().Lines);
        Assert.Equal(1, _hub.Requests.Count(request => request.Path.EndsWith(Weights, StringComparison.Ordinal)));
    }

    [Fact]
    public async Task What_the_javascript_client_of_the_hub_fetched_is_used()
    {
        Witness.Require("@huggingface/hub");
        string printed = HubClient("download").Succeeded().Lines[^1];
        HubEnvironment offline = new() { Cache = _folder.File("cache"), WhyOffline = "of the test" };
        HubModel model = await HubSnapshot.DownloadAsync(
            HubName.Parse(FakeHub.Id)!, offline, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(printed, model.Path);
        Assert.Equal(_hub.Files[Weights], File.ReadAllBytes(Path.Combine(printed, Weights)));
        Assert.Empty(Assert.Single(HubRepository.Cached(_folder.File("cache"))).FindDamage(cancellationToken: TestContext.Current.CancellationToken));
        _hub.Requests.Clear();
        await HubSnapshot.DownloadAsync(
            HubName.Parse(FakeHub.Id)!,
            offline with { WhyOffline = null, Endpoint = _hub.Endpoint, HubHosts = [] },
            cancellationToken: TestContext.Current.CancellationToken);
        Assert.DoesNotContain(_hub.Requests, request => request.Path.Contains("/resolve/", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_javascript_client_of_the_hub_uses_what_we_fetched()
    {
        Witness.Require("@huggingface/hub");
        HubEnvironment environment = new() { Cache = _folder.File("cache"), Endpoint = _hub.Endpoint, HubHosts = [] };
        HubModel model = await HubSnapshot.DownloadAsync(
            HubName.Parse(FakeHub.Id)!, environment, cancellationToken: TestContext.Current.CancellationToken);
        string listed = HubClient("scan").Succeeded().Lines[^1];
        Assert.Equal($"{FakeHub.Id} {FakeHub.Commit} main config.json,model.safetensors,vocab.txt", listed);
        _hub.Requests.Clear();
        Assert.Equal(model.Path, HubClient("download").Succeeded().Lines[^1]);
        // The only file that we do not fetch.
        string[] fetched = [.. _hub.Requests.Where(request => request.Path.Contains("/resolve/", StringComparison.Ordinal)).Select(
            request => request.Path.Split('/')[^1]).Distinct(StringComparer.Ordinal)];
        Assert.Equal(["pytorch_model.bin"], fetched);
    }

    private IEnumerable<(string Name, string? Value)> Variables =>
    [
        ("HF_HUB_OFFLINE", null), ("HF_ENDPOINT", _hub.Endpoint), ("HF_HUB_CACHE", _folder.File("cache")), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"),
    ];

    private Process Start(params string[] arguments)
    {
        IDisposable[] variables = [.. Variables.Select(variable => ProcessState.Variable(variable.Name, variable.Value))];
        Process process = Tool.Start(arguments);
        foreach (IDisposable variable in variables) variable.Dispose();
        return process;
    }

    /// <summary>Runs a line of a shell that may mount file systems, which nobody else sees.</summary>
    private ToolResult InNamespace(string line)
    {
        Directory.CreateDirectory(_folder.File("cache"));
        return Tool.RunProgram(
            _folder.Path, [("DOTNET", Tool.Host), ("TOOL", Tool.Library), .. Variables], "unshare", "-rm", "/bin/sh", "-c", line);
    }

    private static void RequireNamespaces() => Assert.SkipUnless(
        Tool.CanRun("unshare", "-rm", "/bin/sh", "-c", "mount -t tmpfs none /mnt"), "this user may not mount file systems of his own");

    /// <summary>What the Hub's own client for JavaScript says.</summary>
    private ToolResult HubClient(string mode) => Witness.Run("hub.mjs", mode, FakeHub.Id, _hub.Endpoint, _folder.File("cache"));
}
