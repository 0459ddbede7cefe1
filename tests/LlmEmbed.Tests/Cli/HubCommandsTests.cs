using System.Text.Json.Nodes;
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
        string hint = $"llmembed download {FakeHub.Id} fetches it";
        Assert.Contains(hint, Tool.Run("inspect", "--offline", FakeHub.Id).Refused(), StringComparison.Ordinal);
        Assert.Contains(hint, Tool.Run("tokenize", "--backbone", FakeHub.Id).Refused(), StringComparison.Ordinal);
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
        ToolResult sound = Tool.Run("cache", "verify").Succeeded();
        Assert.Contains("1 models checked, 0 files damaged", sound.Output, StringComparison.Ordinal);
        Assert.Single(sound.Error.Split('\n'), progress => progress.StartsWith("Checking ", StringComparison.Ordinal));
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
        string model = Train("model", FakeHub.Id);
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

    [Fact]
    public void A_gguf_file_of_the_hub_is_a_backbone_that_a_classifier_records()
    {
        byte[] weights = File.ReadAllBytes(Repository.Fixture("gguf", "llama-mha-F32.gguf"));
        _hub.Files["tiny-F32.gguf"] = weights;
        _hub.Files["tiny-Q8_0.gguf"] = [1];
        string model = Train("model", $"{FakeHub.Id}:f32"), source = $"{FakeHub.Id}/tiny-F32.gguf@{FakeHub.Commit}";
        Assert.Equal(source, (string?)Tool.Run("inspect", model, "--json").Succeeded().Json["backbones"]![0]!["source"]);
        string expected = Tool.Run("predict", model, "text 1").Succeeded().Output;
        Directory.Delete(_folder.File("hub"), recursive: true);
        _hub.Requests.Clear();
        Assert.Equal(expected, Tool.Run("predict", model, "text 1").Succeeded().Output);
        string[] fetched = [.. _hub.Requests.Select(request => request.Path).Where(path => path.Contains("/resolve/", StringComparison.Ordinal))];
        Assert.Equal([$"/{FakeHub.Id}/resolve/{FakeHub.Commit}/tiny-F32.gguf"], fetched);
        string copy = _folder.File("copy");
        string printed = Tool.Run("download", $"{FakeHub.Id}:F32", "--local-dir", copy).Succeeded().Output.Trim();
        Assert.Equal(Path.Combine(copy, "tiny-F32.gguf"), printed);
        Assert.Equal(weights, File.ReadAllBytes(printed));
    }

    [Fact]
    public void However_a_backbone_is_named_the_classifier_is_the_same()
    {
        string folder = Repository.Fixture("bert");
        string[] names = [folder, FakeHub.Id, FakeHub.Id, $"{FakeHub.Id}@{FakeHub.Commit}", Path.GetFileName(folder)];
        byte[][] heads =
        [
            .. names.Select((name, index) => File.ReadAllBytes(Path.Combine(
                Train($"model{index}", name, "--models", Repository.Fixtures), "head.safetensors"))),
        ];
        Assert.All(heads, head => Assert.Equal(heads[0], head));
        Assert.Equal(1, _hub.Requests.Count(request => request.Path.EndsWith("model.safetensors", StringComparison.Ordinal)));
    }

    [Fact]
    public void Inspect_of_a_model_that_is_not_here_asks_for_no_weights()
    {
        _hub.Facts = new JsonObject
        {
            ["cardData"] = new JsonObject { ["license"] = "mit", ["language"] = new JsonArray("en", "de") },
            ["gated"] = "manual",
        };
        JsonNode local = Tool.Run("inspect", Repository.Fixture("bert"), "--json").Succeeded().Json;
        JsonNode remote = Tool.Run("inspect", FakeHub.Id, "--json").Succeeded().Json;
        Assert.Equal("model of the Hugging Face Hub, not downloaded", (string?)remote["kind"]);
        Assert.Equal($"{FakeHub.Id}@{FakeHub.Commit}", (string?)remote["name"]);
        Assert.Equal("mit", (string?)remote["licence"]);
        Assert.Equal("en, de", (string?)remote["languages"]);
        Assert.Equal($"yes, by hand of its owner: accept its terms at {_hub.Endpoint}/{FakeHub.Id}, then set HF_TOKEN", (string?)remote["gated"]);
        Assert.True((long?)remote["download_bytes"] > _hub.Files["model.safetensors"].Length);
        Assert.True((long?)remote["parameters"] > 0);
        foreach (string fact in (string[])["model_type", "direction", "blocks", "hidden_size", "vocabulary", "max_tokens", "int8"])
            Assert.Equal(local[fact]!.ToJsonString(), remote[fact]!.ToJsonString());
        Assert.Equal(local["would_run"]!["flops_per_token"]!.ToJsonString(), remote["would_run"]!["flops_per_token"]!.ToJsonString());
        Assert.True((double?)remote["would_run"]!["fp32"]!["estimated_seconds_for_1000_texts_of_100_tokens"] >= 0);
        Assert.All(
            _hub.Requests.Where(request => request.Path.EndsWith(".safetensors", StringComparison.Ordinal)),
            request => Assert.Equal((0, (1 << 18) - 1), (request.RangeFrom, Math.Max(request.RangeTo!.Value, (1 << 18) - 1))));
        Assert.False(Directory.Exists(_folder.File("hub")));
    }

    [Fact]
    public void Inspect_of_a_model_that_is_not_here_knows_what_its_authors_mean()
    {
        string folder = Repository.Fixture("sentence", "two-dense");
        _hub.Files.Clear();
        foreach (string file in Directory.GetFiles(folder, "*", SearchOption.AllDirectories))
            _hub.Files[Path.GetRelativePath(folder, file).Replace('\\', '/')] = File.ReadAllBytes(file);
        JsonNode remote = Tool.Run("inspect", FakeHub.Id, "--json").Succeeded().Json;
        Assert.Equal("in modules.json", (string?)remote["sentence"]!["declared"]);
        Assert.Equal(Tool.Run("inspect", folder, "--json").Succeeded().Json["sentence"]!.ToJsonString(), remote["sentence"]!.ToJsonString());
        Assert.DoesNotContain(_hub.Requests, request => request.Path.EndsWith("/tokenizer.json", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("bert", "expected to hold; ")]
    [InlineData("gemma2", "not expected to hold, ")]
    [InlineData("gemma3-global", "not expected to hold, ")]
    public void Inspect_says_what_is_expected_of_8_bits(string fixture, string expected) =>
        Assert.StartsWith(
            expected, (string?)Tool.Run("inspect", Repository.Fixture(fixture), "--json").Succeeded().Json["int8"], StringComparison.Ordinal);

    [Fact]
    public void Inspect_of_what_cannot_be_read_says_why()
    {
        _hub.Files["config.json"] = "{\"model_type\":\"falcon\"}"u8.ToArray();
        JsonNode facts = Tool.Run("inspect", FakeHub.Id, "--json").Succeeded().Json;
        Assert.StartsWith(
            $"{FakeHub.Id}/config.json: model_type 'falcon' is not implemented.", (string?)facts["cannot_be_loaded"], StringComparison.Ordinal);
        _hub.Fault = request => request.Path.Contains("/resolve/", StringComparison.Ordinal)
            ? new FakeAnswer(401, []) { Headers = { ["X-Error-Code"] = "GatedRepo" } } : null;
        facts = Tool.Run("inspect", FakeHub.Id, "--json").Succeeded().Json;
        Assert.Contains("is gated: accept its terms at", (string?)facts["problem"], StringComparison.Ordinal);
        _hub.Fault = _ => null;
        _hub.Files.Clear();
        _hub.Files["a-Q8_0.gguf"] = [1, 2, 3];
        _hub.Facts = new JsonObject { ["gguf"] = new JsonObject { ["total"] = 22_713_216 } };
        facts = Tool.Run("inspect", FakeHub.Id, "--json").Succeeded().Json;
        Assert.Equal($"{FakeHub.Id}/a-Q8_0.gguf@{FakeHub.Commit}", (string?)facts["name"]);
        Assert.Equal(3, (long?)facts["download_bytes"]);
        Assert.Equal(22_713_216, (long?)facts["parameters"]);
        string message = Tool.Run("inspect", $"{FakeHub.Id}:Q4_0").Refused();
        Assert.Contains("has no GGUF file of the quantization 'Q4_0'. It has a-Q8_0.gguf (Q8_0).", message, StringComparison.Ordinal);
    }

    /// <summary>The folder of a classifier that was trained on a few texts.</summary>
    private string Train(string output, string backbone, params string[] more)
    {
        string data = _folder.Write(
            "data.csv", "text,label\n" + string.Concat(Enumerable.Range(0, 8).Select(index => $"text {index},{"ab"[index % 2]}\n")));
        Tool.Run(
            [
                "train", "--data", data, "--backbone", backbone, "--depths", "1", "--pooling", "mean", "--head", "linear", "--output",
                _folder.File(output), "--cache", "none", .. more,
            ]).Succeeded();
        return _folder.File(output);
    }

    private string Snapshot => _folder.File(Path.Combine("hub", "models--someone--tiny", "snapshots", FakeHub.Commit));

    private ToolResult Embed(string backbone, string output, params string[] more) => Tool.Run(
        ["embed", "--backbone", backbone, "--data", _folder.File("texts.csv"), "--output", _folder.File(output), "--cache", "none", .. more]);

    private float[] Tensors(string file) => new GoldenTensors(_folder.File(file)).Values<float>("embeddings");
}
