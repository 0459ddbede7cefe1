using System.CommandLine;
using System.Diagnostics;
using LlmEmbed.Data;
using LlmEmbed.Evaluation;
using LlmEmbed.Reports;

namespace LlmEmbed.Cli;

/// <summary>llmembed evaluate: measures a classifier on labelled texts.</summary>
internal static class EvaluateCommand
{
    public static Command Create(Terminal terminal)
    {
        Argument<string> model = new("MODEL") { Description = "Folder that 'llmembed train' wrote." };
        Option<string> data = new("--data")
        {
            Description = "Labelled texts that the classifier was not trained on.",
            HelpName = "FILE",
            Required = true,
        };
        ReportArguments report = new();
        LabeledTableArguments tableArguments = new();
        RuntimeArguments runtimeArguments = new();
        Option<bool> json = CommonOptions.Json();
        ToolCommand command = new(terminal, "evaluate", "Measure a classifier on labelled texts: accuracy, F1 scores, confusion matrix, calibration.")
        {
            model, data, json,
        };
        command.Files.Add(PathRole.Model, model);
        command.Files.Add(PathRole.Data, data);
        runtimeArguments.AddTo(command);
        report.AddTo(command);
        tableArguments.AddTo(command);
        command.Run((parsed, cancellationToken) =>
        {
            report.RequireWritable(parsed);
            RuntimeOptions runtime = runtimeArguments.Read(terminal, parsed);
            LabeledTable table = tableArguments.Read(terminal, parsed.GetRequiredValue(data), parsed);
            using TextClassifier classifier = ConsoleProgress.Show(
                terminal, progress => TextClassifier.Load(parsed.GetRequiredValue(model), runtime, progress, cancellationToken));
            long start = Stopwatch.GetTimestamp();
            EvaluationReport result = ConsoleProgress.Show(terminal, progress => classifier.Evaluate(table.Examples, progress, cancellationToken));
            TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
            Print(terminal, result, table, parsed.GetValue(json));
            report.Write(parsed, new EvaluationPage($"{parsed.GetRequiredValue(model)} on {table.Source}", result)
            {
                Choices = classifier.Facts,
                Cost =
                [
                    CostFacts.Parameters(classifier),
                    .. CostFacts.Reading(result.Reading),
                    CostFacts.Duration("In all", elapsed),
                    CostFacts.PeakMemory(),
                ],
                Texts = [.. table.Examples.Select(example => example.Text)],
            });
            return ExitCode.Success;
        });
        return command;
    }

    private static void Print(Terminal terminal, EvaluationReport report, LabeledTable table, bool asJson)
    {
        if (asJson)
        {
            terminal.Output.WriteLine(TableText.AddTo(report.ToJson(), ("data", table)));
            return;
        }
        terminal.Output.WriteLine($"{table.Source}: {report.Count:N0} texts");
        TableText.Print(terminal, table);
        ReportText.Print(terminal, report);
        terminal.Output.WriteLine(
            $"  micro-F1 {report.MicroF1:P1}, weighted F1 {report.WeightedF1:P1}, log loss {report.LogLoss:0.0000}, Brier " +
            $"{report.BrierScore:0.0000}, MCC {report.MatthewsCorrelation:0.000}");
        terminal.Output.WriteLine("  confusion matrix: --json or --report");
    }
}
