using System.Text.Json.Nodes;
using Xunit;

namespace LlmEmbed.Tests.Cli;

/// <summary>Figures on texts that were trained on say less of new texts: every command says so before the figures, or leaves the texts out.</summary>
public sealed class OverlapCommandTests : IDisposable
{
    private const string Said = "2 of 20 texts also are training texts; 1 more are part of a training text or contain one.";

    private readonly TemporaryFolder _folder = new();
    private readonly string _train, _test;

    public OverlapCommandTests()
    {
        (string Text, string Label)[] rows = LabeledTexts.Take(77);
        _train = _folder.Write("train.csv", LabeledTexts.Csv(rows[..60]));
        _test = _folder.Write("test.csv", LabeledTexts.Csv(
            [rows[0], (rows[3].Text.ToUpperInvariant() + "!", rows[3].Label), ("so: " + rows[6].Text, rows[6].Label), .. rows[60..]]));
    }

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Train_says_it_before_the_figures_in_output_json_page_and_card()
    {
        string page = _folder.File("page.html");
        ToolResult result = Train("--report", page).Succeeded();
        AssertBefore(result.Output, $"Measured on {_test} (20 texts):", Said, "accuracy");
        AssertBefore(File.ReadAllText(page), "<h1>", Said, "Accuracy");
        string card = File.ReadAllText(Path.Combine(_folder.File("model"), "README.md"));
        AssertBefore(card, Said, "Measured on 20 texts:");
        Assert.DoesNotContain("not trained on", result.Output + card + File.ReadAllText(page), StringComparison.Ordinal);
        JsonNode json = JsonNode.Parse(File.ReadAllText(Path.Combine(_folder.File("model"), "report.json")))!["overlap"]!;
        Assert.Equal((20, 2, 1, false), ((int)json["texts"]!, (int)json["same"]!, (int)json["parts"]!, (bool)json["left_out"]!));
    }

    [Fact]
    public void Train_leaves_them_out_where_that_is_asked_for()
    {
        JsonNode json = Train("--skip-overlap", "--json").Succeeded().Json;
        Assert.Equal((17, true), ((int)json["n"]!, (bool)json["overlap"]!["left_out"]!));
        Assert.Equal((20, 2, 1), ((int)json["overlap"]!["texts"]!, (int)json["overlap"]!["same"]!, (int)json["overlap"]!["parts"]!));
    }

    [Fact]
    public void A_test_file_of_training_texts_alone_leaves_nothing_to_measure_on() => Assert.Contains(
        "each of the 60 texts is a training text", Tool.Run(Arguments(_train, "--skip-overlap")).Refused(), StringComparison.Ordinal);

    [Fact]
    public void The_option_belongs_to_a_test_file()
    {
        Assert.Contains(
            "--skip-overlap belongs to --test",
            Tool.Run("train", "--data", _train, "--output", _folder.File("model"), "--skip-overlap").Refused(2), StringComparison.Ordinal);
        Assert.Contains(
            "--skip-overlap needs --trained-on",
            Tool.Run("evaluate", _folder.File("model"), "--data", _test, "--skip-overlap").Refused(2), StringComparison.Ordinal);
    }

    [Fact]
    public void Held_out_texts_that_occur_twice_are_said_too()
    {
        (string Text, string Label)[] rows = LabeledTexts.Take(12);
        string data = _folder.Write("twice.csv", LabeledTexts.Csv([.. rows, .. rows, .. rows, .. rows, .. rows]));
        ToolResult result = Tool.Run(
            "train", "--data", data, "--output", _folder.File("model"), "--backbone", Repository.Fixture("bert"), "--cache", "none").Succeeded();
        AssertBefore(result.Output, "held-out examples", "12 of 12 texts also are training texts; 0 more", "accuracy");
    }

    [Fact]
    public void Evaluate_compares_with_the_file_it_is_given_and_claims_nothing_without()
    {
        Train().Succeeded();
        string[] evaluate = ["evaluate", _folder.File("model"), "--data", _test, "--cache", "none"];
        string plain = Tool.Run(evaluate).Succeeded().Output;
        Assert.Contains("--trained-on FILE counts them", plain, StringComparison.Ordinal);
        Assert.Null(Tool.Run([.. evaluate, "--json"]).Succeeded().Json["overlap"]);
        string page = _folder.File("page.html");
        AssertBefore(Tool.Run([.. evaluate, "--trained-on", _train, "--report", page]).Succeeded().Output, "20 texts", Said, "accuracy");
        AssertBefore(File.ReadAllText(page), "<h1>", Said, "Accuracy");
        JsonNode json = Tool.Run([.. evaluate, "--trained-on", _train, "--skip-overlap", "--json"]).Succeeded().Json;
        Assert.Equal((17, 2), ((int)json["n"]!, (int)json["overlap"]!["same"]!));
    }

    [Fact]
    public void Compare_says_it_before_its_table_and_leaves_them_out()
    {
        string table = _folder.File("table.md"), page = _folder.File("page.html");
        Compare("--output", table, "--report", page).Succeeded();
        AssertBefore(File.ReadAllText(table), "20 test texts", Said, "| method |");
        AssertBefore(File.ReadAllText(page), "<h1>", Said, "<svg");
        ToolResult without = Compare("--skip-overlap", "--json").Succeeded();
        Assert.True((bool)without.Json["overlap"]!["left_out"]!);
        Assert.All(without.Json["methods"]!.AsArray(), row => Assert.Equal(17, (int)row!["measured_texts"]!));
    }

    private ToolResult Train(params string[] more) => Tool.Run(Arguments(_test, more));

    private string[] Arguments(string test, params string[] more) =>
        [
            "train", "--data", _train, "--test", test, "--output", _folder.File("model"), "--backbone", Repository.Fixture("bert"), "--cache", "none",
            .. more,
        ];

    private ToolResult Compare(params string[] more) => Tool.Run(
        [
            "compare", "--data", _train, "--test", _test, "--backbone", Repository.Fixture("distilbert"), "--seeds", "1", "--no-prompting",
            "--cache", "none", .. more,
        ]);

    private static void AssertBefore(string text, params string[] inOrder)
    {
        int place = 0;
        foreach (string part in inOrder)
        {
            int found = text.IndexOf(part, place, StringComparison.Ordinal);
            Assert.True(found >= 0, $"'{part}' does not follow in: {text}");
            place = found;
        }
    }
}
