using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Data;
using Parquet;
using Parquet.Schema;
using Xunit;

namespace LlmEmbed.Tests.Cli;

/// <summary>train, predict, evaluate and inspect, from one to the next.</summary>
public sealed class ClassifierCommandsTests(TrainedClassifier trained) : IClassFixture<TrainedClassifier>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Training_reports_what_it_measured_and_what_it_cost()
    {
        JsonNode json = trained.Training;
        Assert.Equal(12, (int)json["n"]!); // a fifth of 60 is held out
        Assert.Equal(60, (int)json["examples"]!);
        Assert.Equal("held-out examples", (string)json["measured_on"]!);
        Assert.Equal(["llama-mha", "bert"], json["backbones"]!.AsArray().Select(backbone => (string)backbone!["name"]!));
        Assert.All(json["backbones"]!.AsArray(), backbone => Assert.Equal(60, (int)backbone!["computed"]!));
        AssertMeasures(json, classes: 3);
    }

    [Fact]
    public void Evaluation_counts_what_prediction_says()
    {
        JsonNode report = Tool.Run("evaluate", trained.Model, "--data", trained.Data, "--cache", "none", "--json").Succeeded().Json;
        AssertMeasures(report, classes: 3);
        string[] labels = report["classes"]!.AsArray().Select(item => (string)item!["label"]!).ToArray();
        Assert.Equal(["01", "1", "naïve, \"x\""], labels);

        int[][] matrix = new int[3][]; // rows are the truth
        for (int label = 0; label < 3; label++) matrix[label] = new int[3];
        JsonNode[] rows = PredictJsonLines("--data", trained.Data);
        foreach (JsonNode row in rows) matrix[Array.IndexOf(labels, (string)row["label"]!)][Array.IndexOf(labels, (string)row["predicted_label"]!)]++;
        Assert.Equal(matrix, report["confusion_matrix"].Deserialize<int[][]>()!);
        Assert.Equal(Enumerable.Range(0, 3).Sum(label => matrix[label][label]) / 60.0, (double)report["accuracy"]!, 1e-12);
    }

    [Fact]
    public void The_classifier_learned_to_tell_the_classes_apart()
    {
        string unseen = _folder.Write("unseen.csv", LabeledTexts.Csv(LabeledTexts.Take(90)[60..]));
        JsonNode report = Tool.Run("evaluate", trained.Model, "--data", unseen, "--cache", "none", "--json").Succeeded().Json;
        Assert.Equal(30, (int)report["n"]!);
        Assert.InRange((double)report["accuracy"]!, 0.8, 1);
    }

    [Fact]
    public void Predictions_follow_the_rows_of_a_csv_file_and_carry_its_columns()
    {
        string output = _folder.File("predictions.csv");
        ToolResult result = Tool.Run("predict", trained.Model, "--data", trained.Data, "--output", output).Succeeded();
        Assert.Empty(result.Output);
        using TableReader given = TableReader.Open(trained.Data);
        using TableReader predicted = TableReader.Open(output);
        Assert.Equal([.. given.Columns, "predicted_label", "probability"], predicted.Columns);
        Assert.Equal(
            given.Rows().Select(row => string.Join('|', row.Fields.Select(field => field.Text))),
            predicted.Rows().Select(row => string.Join('|', row.Fields.SkipLast(2).Select(field => field.Text))));
    }

    [Fact]
    public async Task Csv_json_lines_and_parquet_give_the_same_predictions()
    {
        (string Text, string Label)[] rows = LabeledTexts.Take(10);
        string csv = _folder.Write("rows.csv", LabeledTexts.Csv(rows));
        string jsonLines = _folder.Write("rows.jsonl", LabeledTexts.JsonLines(rows));
        string parquet = _folder.File("rows.parquet");
        await WriteParquet(parquet, rows);
        string[] expected = PredictedLabels(PredictJsonLines("--data", csv));
        Assert.Equal(10, expected.Length);
        Assert.Equal(expected, PredictedLabels(PredictJsonLines("--data", jsonLines)));
        Assert.Equal(expected, PredictedLabels(PredictJsonLines("--data", parquet)));
        Assert.Equal(expected, PredictedLabels(Tool.RunWithInput(
            LabeledTexts.JsonLines(rows), "predict", trained.Model, "--data", "-", "--format", "jsonl").Succeeded().JsonLines));
    }

    [Fact]
    public void Predictions_in_parquet_are_those_in_json_lines()
    {
        string data = _folder.Write("rows.csv", LabeledTexts.Csv(LabeledTexts.Take(10)) + "10,,01,\n");
        string output = _folder.File("predictions.parquet");
        Tool.Run("predict", trained.Model, "--data", data, "--all", "--output", output).Succeeded();
        JsonNode[] expected = PredictJsonLines("--data", data, "--all");
        using TableReader table = TableReader.Open(output);
        Assert.Equal(expected[0].AsObject().Select(column => column.Key), table.Columns);
        Assert.Equal(
            expected.Select(row => string.Join('|', row.AsObject().Select(column => column.Value?.ToString() ?? "null"))),
            table.Rows().Select(row => string.Join('|', row.Fields.Select(field => field.Text ?? "null"))));
        using TableReader again = TableReader.Open(output);
        Assert.Equal([false, false, false, false, false, true, true, true, true], again.Rows().First().Fields.Select(field => field.IsJson));
    }

    [Fact]
    public void Numbers_of_json_lines_stay_numbers()
    {
        string data = _folder.Write("rows.jsonl", LabeledTexts.JsonLines(LabeledTexts.Take(3)));
        JsonNode[] rows = Tool.Run("predict", trained.Model, "--data", data).Succeeded().JsonLines; // jsonl in, jsonl out
        Assert.Equal([0, 1, 2], rows.Select(row => (int)row["id"]!));
        Assert.All(rows, row => Assert.InRange((double)row["probability"]!, 1 / 3.0, 1));
    }

    [Fact]
    public void Texts_come_as_arguments_or_as_lines_of_standard_input()
    {
        ToolResult arguments = Tool.Run("predict", trained.Model, "a fine story", "a dull story").Succeeded();
        ToolResult lines = Tool.RunWithInput("a fine story\na dull story\n", "predict", trained.Model).Succeeded();
        ToolResult piped = Tool.RunProcess("a fine story\na dull story\n", "predict", trained.Model).Succeeded();
        Assert.Equal("text,predicted_label,probability", arguments.Lines[0]);
        Assert.StartsWith("a fine story,", arguments.Lines[1], StringComparison.Ordinal);
        Assert.StartsWith("a dull story,", arguments.Lines[2], StringComparison.Ordinal);
        Assert.Equal(arguments.Output, lines.Output);
        Assert.Equal(arguments.Output, piped.Output);
    }

    [Fact]
    public void Standard_output_holds_nothing_but_data()
    {
        ToolResult result = Tool.RunProcess("", "predict", trained.Model, "--data", trained.Data, "--output-format", "jsonl").Succeeded();
        Assert.Equal(60, result.JsonLines.Length);
        Assert.Equal(
            $"llmembed: {trained.Data}: text in 'text' (csv, commas, fields quoted as in RFC 4180)", result.Error.TrimEnd());
    }

    [Fact]
    public void An_empty_text_keeps_its_row_with_an_empty_label_and_is_counted()
    {
        string data = _folder.Write("rows.csv", "id,text\n1,a fine story\n2,\n3,\"  \t\"\n4,a dull story\n");
        ToolResult result = Tool.Run("predict", trained.Model, "--data", data, "--top", "2").Succeeded();
        Assert.Equal(5, result.Lines.Length);
        Assert.Equal("2,,,,,", result.Lines[2]);
        Assert.Equal("3,  \t,,,,", result.Lines[3]);
        Assert.StartsWith("4,a dull story,", result.Lines[4], StringComparison.Ordinal);
        Assert.EndsWith("llmembed: 2 of 4 texts are empty or gave no token; their label is empty.", result.Error.TrimEnd(), StringComparison.Ordinal);
    }

    [Fact]
    public void Truncated_texts_are_counted()
    {
        ToolResult result = Tool.Run("predict", trained.Model, LabeledTexts.TakeLong(1)[0].Text, "short").Succeeded();
        Assert.Equal("llmembed: 1 of 2 texts were longer than the model's maximum and were truncated.", result.Error.TrimEnd());
    }

    [Fact]
    public void The_most_probable_labels_come_in_order()
    {
        JsonNode row = Assert.Single(PredictJsonLines("a fine story", "--top", "3"));
        double[] probabilities = [(double)row["probability"]!, (double)row["probability_2"]!, (double)row["probability_3"]!];
        Assert.Equal(probabilities.OrderDescending(), probabilities);
        Assert.Equal(1, probabilities.Sum(), 1e-5);
        string[] ranked = [(string)row["predicted_label"]!, (string)row["label_2"]!, (string)row["label_3"]!];
        Assert.Equal(["01", "1", "naïve, \"x\""], ranked.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void All_gives_a_column_for_every_label()
    {
        JsonNode row = Assert.Single(PredictJsonLines("a fine story", "--all"));
        double[] probabilities = [(double)row["p(01)"]!, (double)row["p(1)"]!, (double)row["p(naïve, \"x\")"]!];
        Assert.Equal(1, probabilities.Sum(), 1e-5);
        Assert.Equal((double)row["probability"]!, probabilities.Max());
    }

    [Fact]
    public void Columns_that_are_called_as_the_predictions_are_stay()
    {
        string data = _folder.Write("rows.csv", "text,probability\na fine story,high\n");
        JsonNode row = Assert.Single(PredictJsonLines("--data", data));
        Assert.Equal("high", (string)row["probability"]!);
        Assert.InRange((double)row["probability_"]!, 1 / 3.0, 1);
    }

    [Fact]
    public void The_same_seed_gives_the_same_folder_byte_for_byte()
    {
        string again = _folder.File("again");
        Tool.RunProcess(
            "",
            "train",
            "--data",
            trained.Data,
            "--output",
            again,
            "--backbone",
            Repository.Fixture("llama-mha"),
            "--backbone",
            Repository.Fixture("bert"),
            "--cache", _folder.File("cache")).Succeeded();
        AssertSameFiles(trained.Model, again);
    }

    [Fact]
    public void Two_predictions_are_the_same_bytes()
    {
        Tool.Run("predict", trained.Model, "--data", trained.Data, "--all", "--output", _folder.File("1.csv")).Succeeded();
        Tool.RunProcess("", "predict", trained.Model, "--data", trained.Data, "--all", "--output", _folder.File("2.csv")).Succeeded();
        Assert.Equal(File.ReadAllBytes(_folder.File("1.csv")), File.ReadAllBytes(_folder.File("2.csv")));
    }

    [Fact]
    public void A_test_file_is_measured_on_and_shown_in_the_report()
    {
        string test = _folder.Write("test.jsonl", LabeledTexts.JsonLines(LabeledTexts.Take(75)[60..]));
        string page = _folder.File("report.html");
        ToolResult result = Tool.Run(
            "train", "--data", trained.Data, "--test", test, "--report", page, "--pictures", _folder.File("pictures"), "--output", _folder
                .File("model"), "--backbone", Repository.Fixture("bert"), "--cache", "none").Succeeded();
        Assert.Contains($"Measured on {test} (15 texts):", result.Output, StringComparison.Ordinal);
        Assert.Contains($"Saved to {_folder.File("model")}", result.Output, StringComparison.Ordinal);
        Assert.Contains("<h2>Cost</h2>", File.ReadAllText(page), StringComparison.Ordinal);
        Assert.Equal(
            ["classes.svg", "confusion.svg", "coverage.svg", "depth-curve.svg", "reliability.svg"],
            Directory.GetFiles(_folder.File("pictures")).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal));
        Assert.Equal(15, (int)JsonNode.Parse(File.ReadAllText(Path.Combine(_folder.File("model"), "report.json")))!["n"]!);
    }

    [Fact]
    public void Training_learns_from_unlabelled_texts_and_says_so()
    {
        string[] texts = [.. LabeledTexts.Take(160).Skip(60).Select(row => row.Text.ReplaceLineEndings(" "))];
        string rows = string.Concat(texts.Select(text => $"\"{text.Replace("\"", "", StringComparison.Ordinal)}\"\n"));
        string unlabelled = _folder.Write("texts.csv", $"text\n{rows}\" \"\n"); // the last one says nothing
        ToolResult result = Tool.Run(
            "train", "--data", trained.Data, "--test", trained.Data, "--unlabelled", unlabelled, "--output", _folder.File("model"), "--backbone",
            Repository.Fixture("bert"), "--cache", "none").Succeeded();
        Assert.Matches(@"earned from the \d+ surest of 100 unlabelled texts, read of 101, ", result.Output);
        JsonNode head = JsonNode.Parse(File.ReadAllText(Path.Combine(_folder.File("model"), "classifier.json")))!;
        Assert.Contains("\"self_training\"", head.ToJsonString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--head", "linear")]
    [InlineData("--budget", "1m")]
    [InlineData("--depths", "1")]
    public void Unlabelled_texts_are_refused_where_nothing_learns_from_them(string option, string value)
    {
        string message = Tool.Run(
            "train", "--data", trained.Data, "--unlabelled", _folder.File("missing.csv"), "--output", _folder.File("model"), "--backbone",
            Repository.Fixture("bert"), option, value).Refused(exitCode: 2);
        Assert.StartsWith("llmembed: --unlabelled belongs to the automatic recipe and head", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Wrong_labels_are_named_by_their_lines_and_texts_stay_out_of_the_saved_report()
    {
        (string Text, string Label)[] rows = LabeledTexts.Take(90);
        int[] planted = [15, 45, 75];
        foreach (int row in planted) rows[row].Label = "1"; // they are of class "01"
        string data = _folder.Write("data.csv", LabeledTexts.Csv(rows)), model = _folder.File("model");
        string page = Path.Combine(model, "with-texts.html"); // in the folder that training makes
        JsonNode json = Tool.Run(
            "train",
            "--data",
            data,
            "--report",
            page,
            "--output",
            model,
            "--backbone",
            Repository.Fixture("bert"),
            "--cache",
            "none",
            "--json").Succeeded().Json;
        JsonNode[] doubted = [.. json["likely_label_errors"]!.AsArray().Select(text => text!)];
        Assert.NotEmpty(doubted);
        foreach (JsonNode text in doubted)
        {
            int row = Assert.Single(planted, row => rows[row].Text == (string)text["text"]!);
            Assert.Equal(("1", "01"), ((string)text["label"]!, (string)text["preferred_label"]!));
            // Line 1 is the header, and every third of the rows before has a line break.
            Assert.Equal(2 + row + row / 3, (int)text["line"]!);
            Assert.Contains($"line {text["line"]}: labelled 1, rather 01 with ", File.ReadAllText(page), StringComparison.Ordinal);
        }
        string saved = File.ReadAllText(Path.Combine(model, "report.html"));
        Assert.Contains("<h2>Accuracy over depth</h2>", saved, StringComparison.Ordinal);
        Assert.All(rows, row => Assert.DoesNotContain(row.Text[..20], saved, StringComparison.Ordinal));
    }

    [Fact]
    public void An_evaluation_is_a_page_with_the_texts_that_went_wrong()
    {
        (string Text, string Label)[] rows = LabeledTexts.Take(12);
        rows[0].Label = "1"; // it is of class "01"
        string data = _folder.Write("data.csv", LabeledTexts.Csv(rows)), page = _folder.File("page.html");
        Tool.Run("evaluate", trained.Model, "--data", data, "--report", page, "--pictures", _folder.File("pictures"), "--cache", "none").Succeeded();
        Assert.Contains(
            $"<li><div dir=\"auto\">{rows[0].Text}</div><small>labelled 1, predicted 01 with ", File.ReadAllText(page), StringComparison.Ordinal);
        Assert.Contains("Reading with bert", File.ReadAllText(page), StringComparison.Ordinal);
        Assert.False(File.Exists(_folder.File("pictures/depth-curve.svg")), "nothing was chosen in an evaluation");
        Assert.True(File.Exists(_folder.File("pictures/coverage.svg")));
    }

    [Fact]
    public void A_folder_for_pictures_that_is_a_file_is_refused()
    {
        string file = _folder.Write("notes.txt", "mine");
        Assert.Contains(
            $"{file} is a file, expected a folder",
            Tool.Run("evaluate", trained.Model, "--data", trained.Data, "--pictures", file, "--cache", "none").Refused(),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Progress_goes_to_standard_error_a_line_per_stage()
    {
        ToolResult result = Tool.Run(
            "train", "--data", trained.Data, "--output", _folder.File("model"), "--backbone", Repository
                .Fixture("bert"), "--cache", "none", "--json").Succeeded();
        Assert.Contains("Reading bert: 48 of 48 texts (", result.Error, StringComparison.Ordinal); // a fifth is held out from the choice of views
        Assert.Contains("Reading bert: 12 of 12 texts (", result.Error, StringComparison.Ordinal);
        Assert.Contains("Training the head: 60 of 60 texts", result.Error, StringComparison.Ordinal);
        Assert.Equal(60, (int)result.Json["examples"]!);
    }

    [Fact]
    public void A_sample_of_the_examples_keeps_the_shares_of_the_classes()
    {
        ToolResult result = Tool.Run(
            "train", "--data", trained.Data, "--output", _folder.File("sampled"), "--backbone", Repository
                .Fixture("bert"), "--depths", "1", "--examples", "30", "--cache", "none", "--json").Succeeded();
        Assert.Equal(30, (int)result.Json["examples"]!);
        Assert.Equal([2, 2, 2], result.Json["classes"]!.AsArray().Select(score => (int)score!["support"]!)); // a fifth is held out
    }

    [Fact]
    public void Labels_of_the_test_file_do_not_influence_the_classifier()
    {
        string[] rows = [.. Requests.Generate(30, seed: 9).Select(example => $"{example.Text},{example.Label}")];
        string[] noise = [.. Requests.Generate(30, seed: 9).Select((example, i) => $"{example.Text},{(i % 2 == 0 ? "billing" : "technical")}")];
        string[] folders = [.. new[] { rows, noise }.Select((lines, i) =>
        {
            string data = _folder.File("training.csv"), test = _folder.File($"test-{i}.csv"), model = _folder.File($"model-{i}");
            File.WriteAllLines(data, ["text,label", .. Requests.Generate(60).Select(example => $"{example.Text},{example.Label}")]);
            File.WriteAllLines(test, ["text,label", .. lines]);
            Tool.Run(
                "train",
                "--data",
                data,
                "--test",
                test,
                "--output",
                model,
                "--backbone",
                Repository.Fixture("bert"),
                "--backbone",
                Repository.Fixture("llama-gqa"),
                "--cache",
                "none").Succeeded();
            return model;
        })];
        foreach (string file in new[] { "classifier.json", "head.safetensors" })
            Assert.Equal(File.ReadAllBytes(Path.Combine(folders[0], file)), File.ReadAllBytes(Path.Combine(folders[1], file)));
        Assert.NotEqual(File.ReadAllText(Path.Combine(folders[0], "report.json")), File.ReadAllText(Path.Combine(folders[1], "report.json")));
    }

    [Fact]
    public void A_classifier_is_explained_without_its_backbones()
    {
        JsonNode facts = Tool.Run("inspect", trained.Model, "--json").Succeeded().Json;
        Assert.Equal("classifier", (string)facts["kind"]!);
        Assert.Equal(["01", "1", "naïve, \"x\""], facts["labels"].Deserialize<string[]>()!);
        Assert.Equal(["llama-mha", "bert"], facts["backbones"]!.AsArray().Select(backbone => (string)backbone!["name"]!));
        Assert.Equal((double)trained.Training["accuracy"]!, (double)facts["measured"]!["accuracy"]!);
        Assert.Contains("llama-mha", Tool.Run("inspect", trained.Model).Succeeded().Output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_checkpoint_is_explained_with_what_its_views_would_cost()
    {
        JsonNode facts = Tool.Run("inspect", Repository.Fixture("llama-gqa"), "--depths", "1", "--pooling", "mean,last", "--json").Succeeded().Json;
        Assert.Equal("checkpoint", (string)facts["kind"]!);
        Assert.Equal("llama", (string)facts["model_type"]!);
        Assert.Equal(3, (int)facts["blocks"]!);
        Assert.Equal(["1:mean", "1:last"], facts["would_run"]!["views"].Deserialize<string[]>()!);
        Assert.Equal("1 of 3", (string)facts["would_run"]!["blocks_run"]!);
        Assert.Equal(128, (int)facts["would_run"]!["features_per_text"]!);
    }

    [Fact]
    public void What_was_passed_over_in_a_configuration_is_said_by_every_command_that_opens_it()
    {
        string backbone = _folder.CopyFixture("bert"), data = _folder.Write("texts.csv", "text\na\nb\n");
        TemporaryFolder.EditJson(Path.Combine(backbone, "config.json"), config => (config["my_note"], config["new_attention"]) = ("x", false));
        string[] accepted = ["--accept-config-keys", "new_attention,other_attention"];
        Assert.Contains("the key 'new_attention' (false)", Tool.Run("inspect", backbone).Refused(1), StringComparison.Ordinal);

        JsonNode facts = Tool.Run(["inspect", backbone, "--json", .. accepted]).Succeeded().Json;
        Assert.Equal(2, facts["notes"]!.AsArray().Count);
        ToolResult embedded =
            Tool.Run(["embed", "--backbone", backbone, "--data", data, "--output", _folder.File("e.safetensors"), "--cache", "none", .. accepted]);
        Assert.Contains("'my_note' (\"x\")", embedded.Succeeded().Error, StringComparison.Ordinal);
        Assert.Contains("you accept it: new_attention", embedded.Error, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cache_is_explained_store_by_store()
    {
        string cache = _folder.File("cache");
        Tool.Run(
            "embed",
            "--backbone",
            Repository.Fixture("bert"),
            "--data",
            trained.Data,
            "--output",
            _folder.File("states.safetensors"),
            "--cache",
            cache).Succeeded();
        JsonNode store = Assert.Single(Tool.Run("inspect", cache, "--json").Succeeded().Json["stores"]!.AsArray())!;
        Assert.Equal(60, (int)store["texts"]!);
        Assert.Empty(store["damaged"]!.AsArray());
    }

    [Fact]
    public void A_backbone_that_was_moved_is_found_by_its_name()
    {
        string model = TrainOnCopy();
        Directory.Move(_folder.File("models"), _folder.File("elsewhere"));
        string refusal = Tool.Run("predict", model, "a fine story").Refused();
        Assert.Contains("needs the backbone 'tiny' (bert, SHA-256 ", refusal, StringComparison.Ordinal);
        Assert.Contains("it was not found", refusal, StringComparison.Ordinal);
        Tool.Run("predict", model, "a fine story", "--models", _folder.File("elsewhere")).Succeeded();
    }

    [Fact]
    public void A_classifier_that_was_moved_predicts_the_same()
    {
        string model = TrainOnCopy();
        ToolResult before = Tool.Run("predict", model, "a fine story", "--all").Succeeded();
        Directory.Move(model, _folder.File("moved"));
        Assert.Equal(before.Output, Tool.Run("predict", _folder.File("moved"), "a fine story", "--all").Succeeded().Output);
    }

    [Theory]
    [InlineData("model.safetensors", "weights or config.json")]
    [InlineData("vocab.txt", null)] // tokenizer.json is read, not the vocabulary beside it
    [InlineData("tokenizer.json", "tokenizer")]
    public void A_backbone_that_was_changed_is_refused(string file, string? part)
    {
        string model = TrainOnCopy();
        string path = Path.Combine(_folder.File("models"), "tiny", file);
        byte[] bytes = File.ReadAllBytes(path);
        bytes[^3] = file == "model.safetensors" ? (byte)(bytes[^3] ^ 1) : (byte)' ';
        if (file == "tokenizer.json") bytes = [.. File.ReadAllBytes(path), (byte)'\n'];
        File.WriteAllBytes(path, bytes);
        ToolResult result = Tool.Run("predict", model, "a fine story");
        if (part is null) result.Succeeded();
        else Assert.Contains(
            $"{Path.GetDirectoryName(path)} differs in its {part} from the one it was trained with", result.Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_classifier_of_a_newer_format_is_refused()
    {
        string model = TrainOnCopy();
        string manifest = Path.Combine(model, "classifier.json");
        File.WriteAllText(manifest, File.ReadAllText(manifest).Replace("\"format_version\": 6", "\"format_version\": 7", StringComparison.Ordinal));
        Assert.Contains($"{manifest} has format version 7", Tool.Run("predict", model, "a fine story").Refused(), StringComparison.Ordinal);
    }

    [Fact]
    public void Training_replaces_an_earlier_classifier_and_nothing_else()
    {
        string model = TrainOnCopy();
        string foreign = Directory.CreateDirectory(_folder.File("notes")).FullName;
        File.WriteAllText(Path.Combine(foreign, "notes.txt"), "mine");
        Assert.Contains("is not empty and holds no classifier", Train(foreign).Refused(), StringComparison.Ordinal);
        Assert.Equal([Path.Combine(foreign, "notes.txt")], Directory.EnumerateFileSystemEntries(foreign));
        Train(model).Succeeded();
        Assert.Equal(
            ["models", "model", "notes"],
            Directory.EnumerateFileSystemEntries(_folder.Path).Select(Path.GetFileName).OrderByDescending(name => name == "models")
                .ThenBy(name => name));
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>A classifier on a copy of a backbone that a test may move or change.</summary>
    private string TrainOnCopy()
    {
        string backbone = Directory.CreateDirectory(Path.Combine(_folder.File("models"), "tiny")).FullName;
        foreach (string file in Directory.GetFiles(Repository.Fixture("bert"))) File.Copy(file, Path.Combine(backbone, Path.GetFileName(file)));
        Train(_folder.File("model")).Succeeded();
        return _folder.File("model");
    }

    private ToolResult Train(string output) =>
        Tool.Run("train", "--data", trained.Data, "--output", output, "--backbone", Path.Combine(_folder.File("models"), "tiny"), "--cache", "none");

    private JsonNode[] PredictJsonLines(params string[] arguments) =>
        Tool.Run(["predict", trained.Model, .. arguments, "--output-format", "jsonl"]).Succeeded().JsonLines;

    private static string[] PredictedLabels(JsonNode[] rows) =>
        rows.Select(row => $"{row["id"]} {row["predicted_label"]} {((double)row["probability"]!).ToString(CultureInfo.InvariantCulture)}").ToArray();

    private static async Task WriteParquet(string path, (string Text, string Label)[] rows)
    {
        ParquetSchema schema = new(new DataField<int>("id"), new DataField<string>("text"), new DataField<string>("label"));
        await using FileStream stream = File.Create(path);
        await using ParquetWriter writer = await ParquetWriter.CreateAsync(schema, stream);
        using ParquetRowGroupWriter group = writer.CreateRowGroup();
        await group.WriteAsync<int>(schema.DataFields[0], Enumerable.Range(0, rows.Length).ToArray());
        await group.WriteAsync(schema.DataFields[1], rows.Select(row => row.Text).ToArray());
        await group.WriteAsync(schema.DataFields[2], rows.Select(row => row.Label).ToArray());
    }

    private static void AssertMeasures(JsonNode report, int classes)
    {
        foreach (string measure in new[] { "accuracy", "macro_f1", "micro_f1", "weighted_f1", "ece" }) Assert.InRange((double)report[measure]!, 0, 1);
        Assert.InRange((double)report["mcc"]!, -1, 1);
        Assert.InRange((double)report["brier"]!, 0, 2);
        Assert.True((double)report["log_loss"]! > 0);
        Assert.Equal(classes, report["classes"]!.AsArray().Count);
        int[][] matrix = report["confusion_matrix"].Deserialize<int[][]>()!;
        Assert.Equal((int)report["n"]!, matrix.Sum(row => row.Sum()));
        Assert.Equal(report["classes"]!.AsArray().Select(item => (int)item!["support"]!), matrix.Select(row => row.Sum()));
    }

    internal static void AssertSameFiles(string expected, string found)
    {
        Assert.Equal(Names(expected), Names(found));
        foreach (string name in Names(expected))
            Assert.Equal(File.ReadAllBytes(Path.Combine(expected, name)), File.ReadAllBytes(Path.Combine(found, name)));
        static string[] Names(string folder) =>
            Directory.GetFiles(folder).Select(file => Path.GetFileName(file)!).Order(StringComparer.Ordinal).ToArray();
    }
}
