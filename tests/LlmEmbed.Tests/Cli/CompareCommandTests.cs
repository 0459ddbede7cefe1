using System.Text.Json.Nodes;
using Xunit;

namespace LlmEmbed.Tests.Cli;

public sealed class CompareCommandTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>Slow: sixteen classifiers are trained, those of the recipes with networks.</summary>
    [Fact]
    public void Every_method_is_measured_on_the_same_texts_with_its_cost_and_auto_is_what_train_gives()
    {
        JsonNode json = Compare("llama-mha", "bert").Succeeded().Json;
        JsonNode[] methods = [.. json["methods"]!.AsArray().Select(row => row!)];
        Assert.Equal(
            [
                "majority class",
                "TF-IDF + LR",
                "sentence embedding + LR",
                "last layer + LR",
                "last five layers + LR",
                "released recipe",
                "repaired recipe",
                "auto without words",
                "auto",
            ],
            methods.Select(row => (string)row["method"]!));
        Assert.Equal(1.0 / 3, (double)methods[0]["accuracy"]!, 1e-9);
        Assert.Equal(1, (double)methods[1]["accuracy"]!, 0.1);
        Assert.All(methods, row => Assert.InRange((double)row["accuracy"]!, (double)row["accuracy_low"]!, (double)row["accuracy_high"]!));
        Assert.Equal([1, 2], methods.Select(row => row["seed_accuracies"]!.AsArray().Count).Distinct());
        Assert.All(methods[5..7], row => Assert.Equal(2, row["seed_accuracies"]!.AsArray().Count));
        Assert.All(
            methods[2..], row => Assert.True((long)row["tokens"]! > 0 && (long)row["parameters"]! > 0 && (double)row["training"]!["seconds"]! > 0));
        // Heads of different seeds are different heads.
        Assert.Contains(methods[5..7], row => (double)row["seed_accuracies"]![0]! != (double)row["seed_accuracies"]![1]!);
        Assert.Contains("released LLMEmbed recipe", (string)methods[5]["note"]!, StringComparison.Ordinal);
        Assert.Contains("repaired LLMEmbed recipe", (string)methods[6]["note"]!, StringComparison.Ordinal);
        // Three texts of four are right by the words alone; a classifier that guesses is clearly worse.
        Assert.InRange((double)methods[0]["p_against_auto"]!, 0, 0.05);
        Assert.Null(methods[^1]["p_against_auto"]);

        // Auto is what train gives.
        JsonNode trained = Tool.Run(
            "train", "--data", _folder.File("train.csv"), "--test", _folder.File("test.csv"), "--output", _folder.File("model"),
            "--backbone", Repository.Fixture("llama-mha"), "--backbone", Repository.Fixture("bert"), "--cache", "none", "--json").Succeeded().Json;
        Assert.Equal((double)trained["accuracy"]!, (double)json["methods"]!.AsArray()[^1]!["accuracy"]!, 1e-9);
    }

    [Fact]
    public void Methods_without_their_backbone_are_named_as_left_out()
    {
        string table = _folder.File("table.md");
        string page = _folder.File("page.html");
        ToolResult result = Compare("bert", null, "--output", table, "--report", page);
        Assert.Contains("Left out: released recipe", File.ReadAllText(page), StringComparison.Ordinal);
        Assert.Equal(2, File.ReadAllText(page).Split("<svg").Length - 1);
        Assert.DoesNotContain("released recipe", result.Succeeded().Json["methods"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.Contains("need a decoder", (string)result.Json["left_out"]![0]!, StringComparison.Ordinal);
        Assert.Contains("\n| auto | ", File.ReadAllText(table), StringComparison.Ordinal);
        Assert.Contains("- left out: released recipe", File.ReadAllText(table), StringComparison.Ordinal);
    }

    [Fact]
    public void Prompts_of_the_decoder_are_measured_on_a_sample_and_set_beside_auto()
    {
        string table = _folder.File("table.md");
        JsonNode json = Compare(
            _folder.WithPositions("llama-gqa", 1024), null,
            "--prompted-texts", "15", "--reasoned-texts", "6", "--reasoning-tokens", "5", "--output", table).Succeeded().Json;
        JsonNode[] prompts = [.. json["methods"]!.AsArray().Select(row => row!).Where(row => (string)row["prediction_cost"]! == "computed")];
        Assert.Equal(["zero-shot", "few-shot", "chain of thought"], prompts.Select(row => (string)row["method"]!));
        Assert.Equal([15, 15, 6], prompts.Select(row => (int)row["measured_texts"]!));
        Assert.Equal([1, 2, 1], prompts.Select(row => row["seed_accuracies"]!.AsArray().Count));
        Assert.Contains("8 examples", (string)prompts[1]["note"]!, StringComparison.Ordinal);
        Assert.Contains("tokens of reasoning per text, measured on 6 of 30 test texts", (string)prompts[2]["note"]!, StringComparison.Ordinal);
        Assert.All(prompts, row => Assert.InRange((double)row["accuracy"]! * (int)row["measured_texts"]! % 1, -1e-9, 1e-9));

        JsonNode auto = json["methods"]!.AsArray()[^1]!;
        Assert.Equal("measured", (string)auto["prediction_cost"]!);
        JsonNode[] shares = [.. json["auto_cost_shares"]!.AsArray().Select(share => share!)];
        Assert.Equal(3, shares.Length);
        foreach ((JsonNode share, JsonNode row) in shares.Zip(prompts))
        {
            double Share(params string[] parts) =>
                parts.Sum(part => (double)auto[part]!["seconds"]!) / parts.Sum(part => (double)row[part]!["seconds"]!);
            Assert.Equal((string)row["method"]!, (string)share["method"]!);
            Assert.Equal((double)auto["parameters"]! / (double)row["parameters"]!, (double)share["parameters"]!, 1e-9);
            Assert.Equal(Share("prediction"), (double)share["runtime"]!, 1e-9);
            Assert.Equal(Share("prediction", "training"), (double)share["runtime_with_training"]!, 1e-9);
        }
        Assert.Matches(@"\n\| chain of thought \| .* ms \(computed\) \| ", File.ReadAllText(table));
        Assert.Matches(@"\n\| chain of thought \|( \d+\.\d\d % \|){5}\r?\n", File.ReadAllText(table));
    }

    [Fact]
    public void Prompts_that_are_longer_than_the_model_can_read_are_named_as_left_out()
    {
        JsonNode json = Compare("llama-mha", null, "--prompted-texts", "15").Succeeded().Json;
        Assert.Contains("chain of thought: its prompt is longer than the 64 positions", json["left_out"]!.ToJsonString(), StringComparison.Ordinal);
        Assert.DoesNotContain(json["methods"]!.AsArray(), row => (string)row!["method"]! == "chain of thought");
    }

    private ToolResult Compare(string first, string? second, params string[] more)
    {
        foreach ((string file, int count, int seed) in new[] { ("train.csv", 45, 1), ("test.csv", 30, 2) })
            File.WriteAllLines(
                _folder.File(file), ["text,label", .. Requests.Generate(count, seed).Select(example => $"{example.Text},{example.Label}")]);
        string[] backbones =
        [
            .. new[] { first, second }.OfType<string>().SelectMany(name => new[] { "--backbone", Path.Combine(Repository.Fixtures, name) }),
        ];
        // Most tests look at other methods, which take less time.
        string[] prompting = more.Contains("--prompted-texts") ? [] : ["--no-prompting"];
        return Tool.Run(
            [
                "compare",
                "--data",
                _folder.File("train.csv"),
                "--test",
                _folder.File("test.csv"),
                "--seeds",
                "2",
                "--cache",
                "none",
                "--json",
                .. backbones,
                .. prompting,
                .. more,
            ]);
    }
}
