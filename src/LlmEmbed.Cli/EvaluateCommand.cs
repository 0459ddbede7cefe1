using System.CommandLine;
using System.Diagnostics;
using LlmEmbed.Data;
using LlmEmbed.Reports;

namespace LlmEmbed.Cli;

/// <summary>llmembed evaluate: measures a classifier on labelled texts.</summary>
internal static class EvaluateCommand
{
    public static Command Create()
    {
        Argument<string> model = new("MODEL") { Description = "Folder that 'llmembed train' wrote." };
        Option<string> data = new("--data") { Description = "Labelled texts that the classifier was not trained on.", HelpName = "FILE", Required = true };
        ReportArguments report = new();
        LabeledTableArguments tableArguments = new();
        Option<string?> cache = CommonOptions.Cache();
        Option<string[]> models = CommonOptions.ModelFolders();
        Option<long?> memory = CommonOptions.Memory();
        Option<int?> threads = CommonOptions.Threads();
        Option<bool> json = CommonOptions.Json();
        Command command = new("evaluate", "Measure a classifier on labelled texts: accuracy, F1 scores, confusion matrix, calibration.")
        {
            model, data, cache, models, memory, threads, json,
        };
        report.AddTo(command);
        tableArguments.AddTo(command);
        command.SetAction((parsed, cancellation) =>
        {
            report.RequireWritable(parsed);
            LabeledTable table = LabeledTableReader.Read(parsed.GetRequiredValue(data), tableArguments.Read(parsed));
            using TextClassifier classifier = TextClassifier.Load(parsed.GetRequiredValue(model), new ClassifierOptions
            {
                CacheFolder = CommonOptions.CacheFolder(parsed.GetValue(cache), CommonOptions.DefaultCache),
                ModelFolders = parsed.GetValue(models) ?? [],
                MemoryBytes = parsed.GetValue(memory),
                Threads = parsed.GetValue(threads),
            });
            long start = Stopwatch.GetTimestamp();
            (EvaluationReport result, IReadOnlyList<EncodingStatistics> statistics) = ConsoleProgress.Show(progress => classifier.EvaluateWithStatistics(table.Examples, progress, cancellation));
            TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
            Print(result, table, parsed.GetValue(json));
            report.Write(parsed, new EvaluationPage($"{parsed.GetRequiredValue(model)} on {table.Source}", result)
            {
                Choices = ClassifierFacts.Choices(classifier),
                Cost = [CostFacts.Parameters(classifier), .. CostFacts.Reading(classifier, statistics), CostFacts.Duration("In all", elapsed), CostFacts.PeakMemory()],
                Texts = [.. table.Examples.Select(example => example.Text)],
            });
            return Task.FromResult(ExitCode.Success);
        });
        return command;
    }

    private static void Print(EvaluationReport report, LabeledTable table, bool asJson)
    {
        if (asJson)
        {
            Console.WriteLine(report.ToJson());
            return;
        }
        Console.WriteLine($"{table.Source}: {report.Count:N0} texts");
        foreach (string reason in table.SkippedReasons) Console.WriteLine($"  left out: {reason}");
        ReportText.Print(report);
        Console.WriteLine($"  micro-F1 {report.MicroF1:P1}, weighted F1 {report.WeightedF1:P1}, log loss {report.LogLoss:0.0000}, Brier {report.BrierScore:0.0000}, MCC {report.MatthewsCorrelation:0.000}");
        Console.WriteLine("  confusion matrix: --json or --report");
    }
}
