using System.Text.Json.Nodes;
using Xunit;

namespace LlmEmbed.Tests.Cli;

/// <summary>Every command says how it read its file, and what deserves a look before its figures are believed.</summary>
public sealed class TableTextTests(TrainedClassifier trained) : IClassFixture<TrainedClassifier>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static string Backbone => Repository.Fixture("bert");

    private string[] FastTraining(string data) =>
    [
        "train", "--data", data, "--backbone", Backbone, "--output", _folder.File("model"), "--cache", "none", "--depths", "1", "--head", "linear",
        "--precision", "fp32", "--no-words",
    ];

    [Fact]
    public void Training_says_columns_separator_and_quoting_as_text_and_as_json()
    {
        string data = Repository.Fixture("Tables", "semicolon.csv");
        Assert.Contains(
            "  text in 'text', label in 'label' (csv, semicolons, fields quoted as in RFC 4180)",
            Tool.Run(FastTraining(data)).Succeeded().Output,
            StringComparison.Ordinal);
        JsonNode json = Tool.Run([.. FastTraining(data), "--json"]).Succeeded().Json["data"]!;
        Assert.Equal(
            ["csv", ";", "rfc4180", "text", "label", "24"],
            new[] { "format", "separator", "quotes", "text_column", "label_column", "examples" }.Select(key => json[key]!.ToString()));
    }

    [Theory]
    [InlineData("evaluate")]
    [InlineData("probe")]
    public void Commands_that_measure_say_it_too(string command)
    {
        string data = _folder.Write("data.csv", "text|label\n\"a fine story\"|1\na dull story|1\na long story|01\na round story|01\n");
        string[] arguments = command == "evaluate"
            ? ["evaluate", trained.Model, "--data", data]
            : ["probe", "--data", data, "--backbone", Backbone, "--cache", "none", "--depths", "1"];
        Assert.Contains("text in 'text', label in 'label' (csv, vertical bars,", Tool.Run(arguments).Succeeded().Output, StringComparison.Ordinal);
        JsonNode json = Tool.Run([.. arguments, "--json"]).Succeeded().Json["data"]!;
        Assert.Equal(("|", "4"), (json["separator"]!.ToString(), json["examples"]!.ToString()));
    }

    [Fact]
    public void Prediction_and_embedding_say_it_beside_their_data()
    {
        string data = _folder.Write("data.tsv", "text\tid\nthe 5\" box\t1\n");
        ToolResult predicted = Tool.Run("predict", trained.Model, "--data", data).Succeeded();
        Assert.Contains("data.tsv: text in 'text' (tsv, tabs, quotes are characters)", predicted.Error, StringComparison.Ordinal);
        Assert.StartsWith("\"the 5\"\" box\",1,", predicted.Lines[1], StringComparison.Ordinal);

        string[] embed = ["embed", "--backbone", Backbone, "--data", data, "--output", _folder.File("e.safetensors"), "--cache", "none"];
        Assert.Contains("text in 'text' (tsv, tabs, quotes are characters)", Tool.Run(embed).Succeeded().Output, StringComparison.Ordinal);
        Assert.Equal("none", (string?)Tool.Run([.. embed, "--json"]).Succeeded().Json["data"]!["quotes"]);

        ToolResult tokenized = Tool.Run("tokenize", "--backbone", Backbone, "--data", data).Succeeded();
        Assert.Contains("text in 'text' (tsv, tabs, quotes are characters)", tokenized.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void What_deserves_a_look_is_said_before_the_work_and_before_the_figures()
    {
        ToolResult result = Tool.Run(FastTraining(Repository.Fixture("Tables", "two-stray-quotes.csv"))).Succeeded();
        Assert.StartsWith("llmembed: note on ", result.Error, StringComparison.Ordinal);
        Assert.Contains("Lines 5 to 14 were read as one row", result.Error, StringComparison.Ordinal);
        int note = result.Output.IndexOf("note: Lines 5 to 14", StringComparison.Ordinal);
        Assert.InRange(note, 1, result.Output.IndexOf("accuracy", StringComparison.Ordinal));
        JsonNode json = Tool.Run([.. FastTraining(Repository.Fixture("Tables", "label-variants.csv")), "--json"]).Succeeded().Json["data"]!;
        Assert.Equal("similar-labels", (string?)Assert.Single(json["notes"]!.AsArray())!["kind"]);
    }

    [Fact]
    public void Labels_that_training_never_saw_come_before_the_figures_in_output_json_and_page()
    {
        string page = _folder.File("page.html");
        string[] arguments =
        [
            .. FastTraining(Repository.Fixture("Tables", "labels-int.csv")), "--test", Repository.Fixture("Tables", "labels-float.csv"),
            "--report", page,
        ];
        ToolResult result = Tool.Run(arguments).Succeeded();
        const string Note = "24 of 24 texts of";
        Assert.Contains(Note, result.Error, StringComparison.Ordinal);
        Assert.InRange(result.Output.IndexOf(Note, StringComparison.Ordinal), 1, result.Output.IndexOf("accuracy 0", StringComparison.Ordinal));
        string html = File.ReadAllText(page);
        Assert.InRange(html.IndexOf(Note, StringComparison.Ordinal), 1, html.IndexOf("ccuracy", StringComparison.Ordinal));
        JsonNode json = Tool.Run([.. arguments, "--json"]).Succeeded().Json;
        Assert.Equal("unknown-labels", (string?)json["test"]!["notes"]![0]!["kind"]);

        ToolResult evaluated = Tool.Run("evaluate", _folder.File("model"), "--data", Repository.Fixture("Tables", "labels-float.csv")).Succeeded();
        Assert.Contains(Note, evaluated.Error, StringComparison.Ordinal);
        Assert.Contains($"note: {Note}", evaluated.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void Skipped_rows_are_in_the_json_with_their_reason()
    {
        string data = Repository.Fixture("Tables", "first-record-without-label.jsonl");
        JsonNode json = Tool.Run([.. FastTraining(data), "--json", "--skip-bad-rows"]).Succeeded().Json["data"]!;
        Assert.Equal("""[{"reason":"no-label","rows":1,"first_line":1}]""", json["skipped_rows"]!.ToJsonString());
        Assert.Equal(24, (int)json["examples"]!);
    }

    [Fact]
    public void Keys_that_appear_later_are_carried_through_by_predict()
    {
        string data = Repository.Fixture("Tables", "key-appears-later.jsonl");
        JsonNode[] rows = Tool.Run("predict", trained.Model, "--data", data).Succeeded().JsonLines;
        Assert.Null(rows[0]["note"]);
        Assert.Equal("n0", (string?)rows[1]["note"]);
    }

    [Fact]
    public void A_table_without_header_is_predicted_by_the_number_of_its_column()
    {
        ToolResult result = Tool.Run(
            "predict", trained.Model, "--data", Repository.Fixture("Tables", "no-header.csv"), "--no-header", "--text-column", "1").Succeeded();
        Assert.Equal("1,2,predicted_label,probability", result.Lines[0]);
        Assert.StartsWith("my parcel is late,delivery,", result.Lines[1], StringComparison.Ordinal);
    }

    [Fact]
    public void What_csv_cannot_hold_is_counted_and_the_output_can_be_read_again()
    {
        string data = _folder.Write("data.jsonl", "{\"text\":\"a\\u0000fine\\u0000story\"}\n"), output = _folder.File("out.csv");
        ToolResult result = Tool.Run("predict", trained.Model, "--data", data, "--output", output).Succeeded();
        Assert.Contains("2 characters U+0000, which csv and tsv cannot hold, were written as U+FFFD", result.Error, StringComparison.Ordinal);
        Tool.Run("predict", trained.Model, "--data", output).Succeeded();
    }
}
