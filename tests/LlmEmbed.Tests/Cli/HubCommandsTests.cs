using LlmEmbed.Tests.Hub;
using Xunit;

namespace LlmEmbed.Tests.Cli;

[Collection(ProcessState.Name)]
public sealed class HubCommandsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly FakeHub _hub = new();
    private readonly IDisposable[] _variables;

    public HubCommandsTests()
    {
        _hub.Serve(Repository.Fixture("bert"));
        _folder.Write("texts.csv", "text\na fine film\na dull film\n");
        _variables =
        [
            ProcessState.Variable("HF_HUB_OFFLINE", null),
            ProcessState.Variable("HF_ENDPOINT", _hub.Endpoint),
            ProcessState.Variable("HF_HUB_CACHE", _folder.File("hub")),
            ProcessState.Variable("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1"),
        ];
    }

    public void Dispose()
    {
        foreach (IDisposable variable in _variables) variable.Dispose();
        _hub.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_backbone_of_the_hub_is_downloaded_once_and_gives_the_states_of_its_folder()
    {
        Embed(Repository.Fixture("bert"), "folder.safetensors").Succeeded();
        ToolResult first = Embed(FakeHub.Id, "hub.safetensors").Succeeded();
        Assert.Contains($"Downloading {FakeHub.Id}: ", first.Error, StringComparison.Ordinal);
        Assert.Equal(Tensors("folder.safetensors"), Tensors("hub.safetensors"));
        Assert.DoesNotContain(_hub.Requests, request => request.Path.Contains("golden", StringComparison.Ordinal));
        _hub.Requests.Clear();
        Embed(FakeHub.Id, "again.safetensors").Succeeded();
        Embed(FakeHub.Id, "offline.safetensors", "--offline").Succeeded();
        Assert.Empty(_hub.Requests);
    }

    [Fact]
    public void Offline_and_for_paths_nothing_is_sent()
    {
        string message = Embed(FakeHub.Id, "x.safetensors", "--offline").Refused();
        Assert.Contains("not looked for on the Hugging Face Hub because offline work was asked for", message, StringComparison.Ordinal);
        Embed("no-such-model", "x.safetensors").Refused();
        Embed("./no/such", "x.safetensors").Refused();
        Assert.Contains($"llmembed download {FakeHub.Id} fetches it", Tool.Run("inspect", FakeHub.Id).Refused(), StringComparison.Ordinal);
        Assert.Empty(_hub.Requests);
    }

    [Fact]
    public void A_snapshot_that_lacks_its_weights_is_completed()
    {
        Embed(FakeHub.Id, "first.safetensors").Succeeded();
        File.Delete(Path.Combine(Snapshot, "model.safetensors"));
        Assert.Contains("lacks model.safetensors", Embed(FakeHub.Id, "x.safetensors", "--offline").Refused(), StringComparison.Ordinal);
        Embed(FakeHub.Id, "second.safetensors").Succeeded();
        Assert.Equal(Tensors("first.safetensors"), Tensors("second.safetensors"));
    }

    [Fact]
    public void Download_prints_the_folder_and_copies_where_it_is_told()
    {
        Assert.Equal(Snapshot, Tool.Run("download", FakeHub.Id).Succeeded().Output.Trim());
        string copy = _folder.File("copy");
        Assert.Equal(copy, Tool.Run("download", FakeHub.Id, "--local-dir", copy).Succeeded().Output.Trim());
        Assert.Equal(_hub.Files["model.safetensors"], File.ReadAllBytes(Path.Combine(copy, "model.safetensors")));
        File.WriteAllText(Path.Combine(copy, "vocab.txt"), "mine");
        File.Delete(Path.Combine(copy, "config.json"));
        string message = Tool.Run("download", FakeHub.Id, "--local-dir", copy).Refused();
        Assert.Contains("differs from the file of the model", message, StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(Path.Combine(copy, "vocab.txt")));
        Assert.False(File.Exists(Path.Combine(copy, "config.json")));
    }

    [Fact]
    public void The_cache_is_listed_checked_and_emptied()
    {
        Tool.Run("download", FakeHub.Id).Succeeded();
        string line = Assert.Single(Tool.Run("cache", "list").Succeeded().Lines);
        Assert.StartsWith(FakeHub.Id, line, StringComparison.Ordinal);
        Assert.EndsWith(FakeHub.Commit, line, StringComparison.Ordinal);
        Assert.Contains("1 models checked, 0 files damaged", Tool.Run("cache", "verify").Succeeded().Output, StringComparison.Ordinal);
        using (FileStream weights = File.OpenWrite(Path.Combine(Snapshot, "model.safetensors"))) weights.WriteByte(0xff);
        ToolResult damaged = Tool.Run("cache", "verify", FakeHub.Id);
        Assert.Equal(1, damaged.ExitCode);
        Assert.Contains("the file has the hash ", damaged.Error, StringComparison.Ordinal);
        Tool.Run("cache", "remove", FakeHub.Id).Succeeded();
        Assert.Empty(Tool.Run("cache", "list").Succeeded().Output);
        Assert.Contains("is not in the Hugging Face cache", Tool.Run("cache", "remove", FakeHub.Id).Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_classifier_records_the_commit_and_fetches_it_where_it_is_used()
    {
        string data = _folder.Write(
            "data.csv", "text,label\n" + string.Concat(Enumerable.Range(0, 8).Select(index => $"text {index},{"ab"[index % 2]}\n")));
        string model = _folder.File("model");
        Tool.Run(
            "train", "--data", data, "--backbone", FakeHub.Id, "--depths", "1", "--pooling", "mean", "--head", "linear", "--output", model, "--cache",
            "none").Succeeded();
        string expected = Tool.Run("predict", model, "text 1").Succeeded().Output;
        Directory.Delete(_folder.File("hub"), recursive: true);
        _hub.Requests.Clear();
        _hub.Head = FakeHub.OtherCommit;
        string message = Tool.Run("predict", model, "text 1", "--offline").Refused();
        Assert.Contains($"trained from {FakeHub.Id}@{FakeHub.Commit}", message, StringComparison.Ordinal);
        Assert.Empty(_hub.Requests);
        Assert.Equal(expected, Tool.Run("predict", model, "text 1").Succeeded().Output);
        Assert.DoesNotContain(_hub.Requests, request => request.Path.Contains("/revision/", StringComparison.Ordinal));
    }

    private string Snapshot => _folder.File(Path.Combine("hub", "models--someone--tiny", "snapshots", FakeHub.Commit));

    private ToolResult Embed(string backbone, string output, params string[] more) => Tool.Run(
        ["embed", "--backbone", backbone, "--data", _folder.File("texts.csv"), "--output", _folder.File(output), "--cache", "none", .. more]);

    private float[] Tensors(string file) => new GoldenTensors(_folder.File(file)).Values<float>("embeddings");
}
