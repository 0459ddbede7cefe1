using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Nodes;
using LlmEmbed.Data;
using LlmEmbed.Evaluation;
using LlmEmbed.Reading;
using LlmEmbed.Reports;

namespace LlmEmbed.Cli;

/// <summary>llmembed train: from a labelled file to a classifier and its measured quality.</summary>
internal static class TrainCommand
{
    /// <summary>What is held out for measuring where there is no file to measure on.</summary>
    public const double HeldOutShare = 0.2;

    public static Command Create(Terminal terminal)
    {
        Option<string> data = new("--data")
        {
            Description = "Labelled texts: csv, tsv, jsonl or parquet with a text and a label column.",
            HelpName = "FILE",
            Required = true,
        };
        Option<string?> test = new("--test")
        {
            Description = "Labelled texts to measure on. Without it a fifth of the data is held out for measuring, then everything is trained on.",
            HelpName = "FILE",
        };
        Option<string?> unlabelled = new("--unlabelled")
        {
            Description = "Texts without labels, of the kind that will be classified: a table with a text column, or a txt file. With up to 500 " +
                "labelled texts those that are classified most surely become further examples, unless held-out texts are the worse for it.",
            HelpName = "FILE",
        };
        Option<bool> skipOverlap = CommonOptions.SkipOverlap();
        Option<string> output = new("--output") { Description = "Folder for the classifier.", HelpName = "DIR", Required = true };
        Option<int?> examples = CommonOptions.Examples();
        TrainingArguments trainingArguments = new();
        ReportArguments report = new();
        LabeledTableArguments tableArguments = new();
        Option<bool> json = CommonOptions.Json();
        EncoderArguments encoderArguments = new();
        RuntimeArguments runtimeArguments = new();
        ToolCommand command = new(terminal, "train", "Train a text classifier on labelled texts.")
        {
            data, test, unlabelled, skipOverlap, output, examples,
        };
        command.Files.Add(PathRole.Data, data, test, unlabelled);
        command.Files.Add(PathRole.Classifier, output);
        trainingArguments.AddTo(command);
        encoderArguments.AddTo(command);
        runtimeArguments.AddTo(command);
        tableArguments.AddTo(command);
        report.AddTo(command);
        command.Add(json);
        command.Run((parsed, cancellationToken) =>
        {
            TrainingOptions options = trainingArguments.Read(parsed, encoderArguments) with
            {
                HeldOutShare = parsed.GetValue(test) is null ? HeldOutShare : 0,
            };
            Recipe.Automatic? learner = parsed.GetValue(unlabelled) is null ? null : RequireLearner(options.Recipe);
            if (parsed.GetValue(skipOverlap) && parsed.GetValue(test) is null)
                throw new WrongUsageException(
                    "--skip-overlap belongs to --test: without it texts that overlap are held out together as far as possible.");
            string folder = parsed.GetRequiredValue(output);
            TextClassifier.RequireSavable(folder);
            report.RequireWritable(parsed, folder);
            RuntimeOptions runtime = runtimeArguments.Read(terminal, parsed);
            LabeledTable training = tableArguments.ReadForTraining(terminal, parsed.GetRequiredValue(data), parsed);
            if (parsed.GetValue(examples) is int count) training = training.Sample(count, options.Seed);
            LabeledTable? testing = parsed.GetValue(test) is string testPath ? tableArguments.Read(terminal, testPath, parsed) : null;
            BadRows badRows = tableArguments.BadRowsOf(parsed);
            if (parsed.GetValue(unlabelled) is string others)
                options = options with { Recipe = learner! with { Unlabelled = tableArguments.ReadTexts(terminal, others, parsed) } };
            using OpenBackbones open = new(runtime);
            Func<IReadOnlyList<string>, IReadOnlyList<int>> findEmpty = CommonOptions.EmptyTextsOf(terminal, options.Recipe, open, cancellationToken);
            UsedTexts used = UsedTexts.Of(training, badRows, findEmpty, isForTraining: true);
            UsedTexts? usedForTest = testing is null ? null : UsedTexts.Of(testing, badRows, findEmpty)
                .ForClasses(terminal, training.Labels).Against(used, parsed.GetValue(skipOverlap));
            TrainingRun run = ConsoleProgress.Show(
                terminal, progress => Run(used, usedForTest, options, open, progress, cancellationToken));
            using TextClassifier classifier = run.Classifier;
            classifier.Save(folder, run.Report);
            foreach (Warning warning in run.Summary.Warnings.Where(warning => warning.Kind != WarningKind.TruncatedTexts))
                terminal.Error.WriteLine($"llmembed: {warning.Message}");
            if (parsed.GetValue(json)) terminal.Output.WriteLine(ToJson(run, folder).ToJsonString());
            else Print(terminal, run, folder);
            report.Write(parsed, PageOf(run));
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>The recipe, if it can learn from texts without labels.</summary>
    private static Recipe.Automatic RequireLearner(Recipe recipe) =>
        recipe is Recipe.Automatic { Budget: null, Head: HeadOptions.Automatic } learner ? learner : throw new WrongUsageException(
            "--unlabelled belongs to the automatic recipe and head: leave out --head, --depths, --pooling, --pad-to, --recipe and --budget.");

    private static TrainingRun Run(
        UsedTexts training,
        UsedTexts? testing,
        TrainingOptions options,
        OpenBackbones open,
        IProgress<WorkProgress> progress,
        CancellationToken cancellationToken)
    {
        long start = Stopwatch.GetTimestamp();
        TextClassifier classifier = TextClassifier.Train(training.Examples, options, open, progress, cancellationToken);
        TimeSpan trainingTime = Stopwatch.GetElapsedTime(start);
        EvaluationReport report = testing is null
            ? classifier.Training!.HeldOut!
            : classifier.Evaluate(testing.Examples, progress, cancellationToken).With(testing.Overlap);
        return new TrainingRun(classifier, report, training, testing, trainingTime, Stopwatch.GetElapsedTime(start));
    }

    private static void Print(Terminal terminal, TrainingRun run, string folder)
    {
        TextWriter output = terminal.Output;
        output.WriteLine($"{run.Training.Source}: {run.Summary.Examples:N0} examples of {run.Classifier.Labels.Count} classes");
        if (run.Summary.Examples < run.Training.Examples.Count)
            output.WriteLine($"  of {run.Training.Examples.Count:N0}: as many as the time budget allows");
        TableText.Print(terminal, run.Training);
        foreach (string line in run.Summary.Explain()) output.WriteLine(line);
        output.WriteLine();
        output.WriteLine(run.Testing is { } testing
            ? $"Measured on {testing.Source} ({run.Report.Count:N0} texts):"
            : $"Measured on {run.Report.Count:N0} held-out examples ({HeldOutShare:P0}, stratified) by a classifier trained on the rest; the saved " +
                "one is trained on everything:");
        if (run.Testing is not null) TableText.Print(terminal, run.Testing);
        ReportText.Print(terminal, run.Report);
        output.WriteLine();
        output.WriteLine(
            $"Saved to {folder} after {run.TotalTime.TotalSeconds:0.0} s ({run.TrainingTime.TotalSeconds:0.0} s of them training), " +
            $"{CostFacts.PeakMemoryMegabytes():N0} MB at the most. Next:");
        // A folder whose name begins with a hyphen would be read as an option.
        string model = folder.StartsWith('-') ? Path.Combine(".", folder) : folder;
        output.WriteLine($"  {Shell.Command("llmembed", "predict", model, "a text to classify")}");
        output.WriteLine($"  {Shell.Command("llmembed", "predict", model, "--data", "texts.csv", "--output", "predictions.csv")}");
        output.WriteLine($"  {Shell.Command("llmembed", "inspect", model)}");
    }

    private static JsonObject ToJson(TrainingRun run, string folder)
    {
        JsonObject json = JsonNode.Parse(run.Report.ToJson())!.AsObject();
        foreach ((string name, JsonNode? value) in JsonNode.Parse(run.Summary.ToJson())!.AsObject()) json[name] = value?.DeepClone();
        json["output"] = folder;
        json["data"] = TableText.ToJson(run.Training);
        json["test"] = run.Testing is null ? null : TableText.ToJson(run.Testing);
        json["measured_on"] = run.Testing?.Source ?? "held-out examples";
        json["likely_label_errors"] = ToJson(DoubtedLabels(run));
        json["training_seconds"] = Math.Round(run.TrainingTime.TotalSeconds, 3);
        json["total_seconds"] = Math.Round(run.TotalTime.TotalSeconds, 3);
        json["peak_memory_mb"] = Math.Round(CostFacts.PeakMemoryMegabytes());
        return json;
    }

    private static EvaluationPage PageOf(TrainingRun run)
    {
        string measured = run.Testing is { } testing ? $"measured on {testing.Source}" : "measured on held-out examples";
        return new EvaluationPage($"Classifier trained on {run.Training.Source}, {measured}", run.Report)
        {
            Notes = TableText.ForPage(run.Training, run.Testing),
            Choices = run.Classifier.Facts,
            Cost = CostOf(run),
            Training = run.Summary,
            Texts =
            [
                .. run.Testing?.Texts ?? run.Summary.HeldOutRows.Select(row => run.Training.Examples[row].Text),
            ],
            DoubtedLabels = DoubtedLabels(run),
        };
    }

    private static IReadOnlyList<(string Name, string Value)> CostOf(TrainingRun run) =>
    [
        ("Training examples", $"{run.Summary.Examples:N0}"),
        CostFacts.Parameters(run.Classifier),
        .. CostFacts.Reading(run.Summary.Reading),
        // What was read of a backbone and then dropped was paid for as well.
        .. run.Summary.Dropped.Select(part =>
            (
                $"Reading a sample with {part.Backbone}, then dropped",
                $"{part.Statistics.Tokens:N0} tokens in {part.Statistics.Elapsed.TotalSeconds:0.0} s")),
        .. run.Summary.SelectionTime is { } elapsed ? [CostFacts.Duration("Comparing views", elapsed)] : Array.Empty<(string, string)>(),
        CostFacts.Duration("Training the head", run.Summary.HeadTime),
        CostFacts.Duration("Training in all", run.TrainingTime),
        CostFacts.Duration("With measuring", run.TotalTime),
        CostFacts.PeakMemory(),
    ];

    /// <summary>Null if nothing was cross-validated.</summary>
    private static DoubtedLabel[]? DoubtedLabels(TrainingRun run) => run.Summary.LabelErrors is not { } errors ? null :
    [
        .. errors.Select(
            error => new DoubtedLabel(
                run.Training.Lines[error.Row], run.Training.Examples[error.Row].Text, error.Label, error.Preferred, error.Probability)),
    ];

    private static JsonArray? ToJson(DoubtedLabel[]? doubted) => doubted is null ? null : new JsonArray([.. doubted.Select(text => new JsonObject
    {
        ["line"] = text.Line,
        ["text"] = text.Text,
        ["label"] = text.Label,
        ["preferred_label"] = text.Preferred,
        ["probability"] = text.Probability,
    })]);

    private sealed record TrainingRun(
        TextClassifier Classifier,
        EvaluationReport Report,
        UsedTexts Training,
        UsedTexts? Testing,
        TimeSpan TrainingTime,
        TimeSpan TotalTime)
    {
        public TrainingSummary Summary => Classifier.Training!;
    }
}
