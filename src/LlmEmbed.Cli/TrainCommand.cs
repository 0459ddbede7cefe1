using System.CommandLine;
using System.Diagnostics;
using System.Text.Json.Nodes;
using LlmEmbed.Bundles;
using LlmEmbed.Data;
using LlmEmbed.Reading;
using LlmEmbed.Reports;

namespace LlmEmbed.Cli;

/// <summary>llmembed train: from a labelled file to a classifier and its measured quality.</summary>
internal static class TrainCommand
{
    private const double HeldOutShare = 0.2;

    public static Command Create()
    {
        Option<string> data = new("--data") { Description = "Labelled texts: csv, tsv, jsonl or parquet with a text and a label column.", HelpName = "FILE", Required = true };
        Option<string?> test = new("--test") { Description = "Labelled texts to measure on. Without it a fifth of the data is held out for measuring, then everything is trained on.", HelpName = "FILE" };
        Option<string> output = new("--output") { Description = "Folder for the classifier.", HelpName = "DIR", Required = true };
        Option<string[]> backbones = CommonOptions.Backbones();
        ReferenceArguments reference = new();
        Option<HeadKind> head = CommonOptions.Choice<HeadKind>("--head", "linear (logistic regression), mlp, cooccurrence (LLMEmbed's head), nearest-mean, or auto: linear unless another is clearly better on unseen training texts. Default: auto.");
        Option<TimeSpan?> budget = CommonOptions.Budget();
        Option<FusionOperators> fusion = CommonOptions.Fusion();
        Option<ClassWeighting> classWeight = CommonOptions.Choice<ClassWeighting>("--class-weight", "none, balanced (every class counts the same, however rare), or auto: what cross-validation prefers. Default: auto.");
        Option<bool> noWords = CommonOptions.NoWords();
        Option<bool> noAttention = CommonOptions.NoAttention();
        Option<int?> examples = CommonOptions.Examples();
        Option<int> seed = new("--seed") { Description = "Seed of every random choice. Default: 0.", HelpName = "N" };
        ReportArguments report = new();
        LabeledTableArguments tableArguments = new();
        Option<bool> json = CommonOptions.Json();
        EncoderArguments encoderArguments = new();
        Command command = new("train", "Train a text classifier on labelled texts.") { data, test, output, examples, backbones, head, fusion, classWeight, noWords, noAttention, budget, seed };
        reference.AddTo(command);
        encoderArguments.AddTo(command);
        tableArguments.AddTo(command);
        report.AddTo(command);
        command.Add(json);
        command.SetAction((parsed, cancellation) =>
        {
            LabeledTableOptions tableOptions = tableArguments.Read(parsed);
            TrainingOptions options = new()
            {
                Encoder = encoderArguments.Read(parsed),
                Head = parsed.GetValue(head),
                ClassWeighting = parsed.GetValue(classWeight),
                UseWords = !parsed.GetValue(noWords),
                UseAttention = !parsed.GetValue(noAttention),
                Budget = parsed.GetValue(budget),
                Seed = parsed.GetValue(seed),
                HeldOutShare = parsed.GetValue(test) is null ? HeldOutShare : 0,
            };
            if (parsed.GetValue(backbones) is { Length: > 0 } names) options = options with { Backbones = names };
            if (parsed.GetResult(fusion) is not null) options = options with { Fusion = parsed.GetValue(fusion) };
            options = reference.Apply(parsed, options, refused: [backbones, head, budget]);
            string folder = parsed.GetRequiredValue(output);
            ClassifierBundle.RequireUsable(folder);
            report.RequireWritable(parsed, folder);
            LabeledTable training = LabeledTableReader.ReadForTraining(parsed.GetRequiredValue(data), tableOptions).Sample(parsed.GetValue(examples), options.Seed);
            LabeledTable? testing = parsed.GetValue(test) is string testPath ? LabeledTableReader.Read(testPath, tableOptions) : null;

            TrainingRun run = ConsoleProgress.Show(progress => Run(training, testing, options, progress, cancellation));
            using TextClassifier classifier = run.Classifier;
            ClassifierBundle.Save(classifier, folder, run.Report);
            if (parsed.GetValue(json)) Console.WriteLine(ToJson(run, folder).ToJsonString());
            else Print(run, folder);
            report.Write(parsed, PageOf(run));
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }

    private static TrainingRun Run(LabeledTable training, LabeledTable? testing, TrainingOptions options, IProgress<WorkProgress> progress, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        TextClassifier classifier = TextClassifier.Train(training.Examples, options, progress, cancellation);
        TimeSpan trainingTime = Stopwatch.GetElapsedTime(start);
        EvaluationReport report = testing is null ? classifier.Training!.HeldOut! : classifier.Evaluate(testing.Examples, progress, cancellation);
        return new TrainingRun(classifier, report, training, testing, trainingTime, Stopwatch.GetElapsedTime(start));
    }

    private static void Print(TrainingRun run, string folder)
    {
        TrainingSummary summary = run.Classifier.Training!;
        Console.WriteLine($"{run.Training.Source}: {summary.Examples:N0} examples of {run.Classifier.Labels.Count} classes");
        if (summary.Examples < run.Training.Examples.Count) Console.WriteLine($"  of {run.Training.Examples.Count:N0}: as many as the time budget allows");
        PrintNotes(run.Training);
        if (run.Testing is not null) PrintNotes(run.Testing);
        if (summary.Selection is { } selection) SelectionText.Print(selection);
        foreach ((TextEncoder encoder, EncodingStatistics statistics) in run.Classifier.Encoders.Zip(summary.Encoding))
        {
            string views = string.Join(", ", encoder.Views.Select(PoolingNames.NameOf));
            Console.WriteLine($"{encoder.Name} (depth:pooling {views}, of {encoder.BlockCount} blocks), {EncodingTotals.Describe(encoder)}");
            Console.WriteLine($"  {new EncodingTotals().Add(statistics).Describe(encoder.MaxTokens)}");
            foreach (string warning in encoder.StoreWarnings) Console.Error.WriteLine($"llmembed: {warning}");
        }
        Console.WriteLine($"Head: {summary.Choice}, in {summary.HeadTime.TotalSeconds:0.0} s");
        Console.WriteLine();
        Console.WriteLine(run.Testing is { } testing
            ? $"Measured on {testing.Source} ({run.Report.Count:N0} texts, not trained on):"
            : $"Measured on {run.Report.Count:N0} held-out examples ({HeldOutShare:P0}, stratified) by a classifier trained on the rest; the saved one is trained on everything:");
        ReportText.Print(run.Report);
        Console.WriteLine();
        Console.WriteLine($"Saved to {folder} after {run.TotalTime.TotalSeconds:0.0} s ({run.TrainingTime.TotalSeconds:0.0} s of them training), {CostFacts.PeakMemoryMegabytes():N0} MB at the most. Next:");
        Console.WriteLine($"  llmembed predict {folder} \"a text to classify\"");
        Console.WriteLine($"  llmembed predict {folder} --data texts.csv --output predictions.csv");
        Console.WriteLine($"  llmembed inspect {folder}");
    }

    private static void PrintNotes(LabeledTable table)
    {
        foreach (string reason in table.SkippedReasons) Console.WriteLine($"  left out: {reason}");
        if (table.ConflictingTexts > 0) Console.WriteLine($"  note: {table.ConflictingTexts:N0} texts of {table.Source} occur with more than one label");
    }

    private static JsonObject ToJson(TrainingRun run, string folder)
    {
        TrainingSummary summary = run.Classifier.Training!;
        JsonObject json = JsonNode.Parse(run.Report.ToJson())!.AsObject();
        json["output"] = folder;
        json["examples"] = summary.Examples;
        json["skipped_rows"] = run.Training.SkippedRows;
        json["measured_on"] = run.Testing?.Source ?? "held-out examples";
        json["head"] = run.Classifier.Head.Details.DeepClone();
        json["backbones"] = new JsonArray([.. run.Classifier.Encoders.Zip(summary.Encoding).Select(pair =>
        {
            JsonObject backbone = new EncodingTotals().Add(pair.Second).ToJson();
            backbone["name"] = pair.First.Name;
            backbone["views"] = new JsonArray([.. pair.First.Views.Select(view => (JsonNode)PoolingNames.NameOf(view))]);
            return backbone;
        })]);
        json["selection"] = summary.Selection is { } selection ? SelectionText.ToJson(selection) : null;
        json["likely_label_errors"] = ToJson(DoubtedLabels(run));
        json["training_seconds"] = Math.Round(run.TrainingTime.TotalSeconds, 3);
        json["head_seconds"] = Math.Round(summary.HeadTime.TotalSeconds, 3);
        json["total_seconds"] = Math.Round(run.TotalTime.TotalSeconds, 3);
        json["peak_memory_mb"] = Math.Round(CostFacts.PeakMemoryMegabytes());
        return json;
    }

    private static EvaluationPage PageOf(TrainingRun run)
    {
        TrainingSummary summary = run.Classifier.Training!;
        string measured = run.Testing is { } testing ? $"measured on {testing.Source}" : "measured on held-out examples";
        return new EvaluationPage($"Classifier trained on {run.Training.Source}, {measured}", run.Report)
        {
            Choices = ClassifierFacts.Choices(run.Classifier),
            Cost = CostOf(run),
            Selection = summary.Selection,
            Texts = [.. run.Testing?.Examples.Select(example => example.Text) ?? summary.HeldOutRows.Select(row => run.Training.Examples[row].Text)],
            DoubtedLabels = DoubtedLabels(run),
        };
    }

    private static IReadOnlyList<(string Name, string Value)> CostOf(TrainingRun run)
    {
        TrainingSummary summary = run.Classifier.Training!;
        // What was read of a backbone and then dropped was paid for as well.
        var dropped = summary.Selection?.Encoding.Where(part => run.Classifier.Encoders.All(encoder => Fusion.NameOf(encoder) != part.Backbone)) ?? [];
        return
        [
            ("Training examples", $"{summary.Examples:N0}"),
            CostFacts.Parameters(run.Classifier),
            .. CostFacts.Reading(run.Classifier, summary.Encoding),
            .. dropped.Select(part => ($"Reading a sample with {part.Backbone}, then dropped", $"{part.Statistics.Tokens:N0} tokens in {part.Statistics.Elapsed.TotalSeconds:0.0} s")),
            .. summary.Selection is { } selection ? [CostFacts.Duration("Comparing views", selection.Elapsed)] : Array.Empty<(string, string)>(),
            CostFacts.Duration("Training the head", summary.HeadTime),
            CostFacts.Duration("Training in all", run.TrainingTime),
            CostFacts.Duration("With measuring", run.TotalTime),
            CostFacts.PeakMemory(),
        ];
    }

    /// <summary>Null where nothing was cross-validated.</summary>
    private static DoubtedLabel[]? DoubtedLabels(TrainingRun run)
    {
        if (run.Classifier.Training!.LabelErrors is not { } errors) return null;
        string LabelOf(int index) => run.Classifier.Labels[index];
        return [.. errors.Select(error => new DoubtedLabel(run.Training.Lines[error.Row], run.Training.Examples[error.Row].Text, LabelOf(error.Given), LabelOf(error.Preferred), error.Probability))];
    }

    private static JsonArray? ToJson(DoubtedLabel[]? doubted) => doubted is null ? null : new JsonArray([.. doubted.Select(text => new JsonObject
    {
        ["line"] = text.Line,
        ["text"] = text.Text,
        ["label"] = text.Label,
        ["preferred_label"] = text.Preferred,
        ["probability"] = text.Probability,
    })]);

    private sealed record TrainingRun(TextClassifier Classifier, EvaluationReport Report, LabeledTable Training, LabeledTable? Testing, TimeSpan TrainingTime, TimeSpan TotalTime);
}
