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
            Description = "Labelled texts, which should not be those that the classifier was trained on.",
            HelpName = "FILE",
            Required = true,
        };
        Option<string?> trainedOn = new("--trained-on")
        {
            Description = "The labelled texts that the classifier was trained on. What both files share is counted and said.",
            HelpName = "FILE",
        };
        Option<bool> skipOverlap = CommonOptions.SkipOverlap();
        ReportArguments report = new();
        LabeledTableArguments tableArguments = new();
        RuntimeArguments runtimeArguments = new();
        Option<bool> json = CommonOptions.Json();
        ToolCommand command = new(terminal, "evaluate", "Measure a classifier on labelled texts: accuracy, F1 scores, confusion matrix, calibration.")
        {
            model, data, trainedOn, skipOverlap, json,
        };
        command.Files.Add(PathRole.Model, model);
        command.Files.Add(PathRole.Data, data, trainedOn);
        runtimeArguments.AddTo(command);
        report.AddTo(command);
        tableArguments.AddTo(command);
        command.Run((parsed, cancellationToken) =>
        {
            if (parsed.GetValue(skipOverlap) && parsed.GetValue(trainedOn) is null)
                throw new WrongUsageException("--skip-overlap needs --trained-on: a classifier does not keep its training texts.");
            report.RequireWritable(parsed);
            RuntimeOptions runtime = runtimeArguments.Read(terminal, parsed);
            LabeledTable table = tableArguments.Read(terminal, parsed.GetRequiredValue(data), parsed);
            LabeledTable? training = parsed.GetValue(trainedOn) is string path ? tableArguments.Read(terminal, path, parsed) : null;
            using TextClassifier classifier = ConsoleProgress.Show(
                terminal, progress => TextClassifier.Load(parsed.GetRequiredValue(model), runtime, progress, cancellationToken));
            UsedTexts used = UsedTexts.Of(table, tableArguments.BadRowsOf(parsed), texts => classifier.FindEmptyTexts(texts, cancellationToken))
                .ForClasses(terminal, classifier.Labels);
            if (training is not null) used = used.Against(UsedTexts.All(training), parsed.GetValue(skipOverlap));
            long start = Stopwatch.GetTimestamp();
            EvaluationReport result = ConsoleProgress.Show(terminal, progress => classifier.Evaluate(used.Examples, progress, cancellationToken))
                .With(used.Overlap);
            TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
            Print(terminal, result, used, parsed.GetValue(json));
            report.Write(parsed, new EvaluationPage($"{parsed.GetRequiredValue(model)} on {table.Source}", result)
            {
                Notes = TableText.ForPage(used),
                Choices = classifier.Facts,
                Cost =
                [
                    CostFacts.Parameters(classifier),
                    .. CostFacts.Reading(result.Reading),
                    CostFacts.Duration("In all", elapsed),
                    CostFacts.PeakMemory(),
                ],
                Texts = used.Texts,
            });
            return ExitCode.Success;
        });
        return command;
    }

    private static void Print(Terminal terminal, EvaluationReport report, UsedTexts used, bool asJson)
    {
        if (asJson)
        {
            terminal.Output.WriteLine(TableText.AddTo(report.ToJson(), ("data", used)));
            return;
        }
        terminal.Output.WriteLine($"{used.Source}: {report.Count:N0} texts");
        TableText.Print(terminal, used);
        if (report.Overlap is null)
            terminal.Output.WriteLine("  texts that the classifier was trained on would flatter it: --trained-on FILE counts them");
        ReportText.Print(terminal, report);
        terminal.Output.WriteLine(
            $"  micro-F1 {report.MicroF1:P1}, weighted F1 {report.WeightedF1:P1}, log loss {report.LogLoss:0.0000}, Brier " +
            $"{report.BrierScore:0.0000}, MCC {report.MatthewsCorrelation:0.000}");
        terminal.Output.WriteLine("  confusion matrix: --json or --report");
    }
}
