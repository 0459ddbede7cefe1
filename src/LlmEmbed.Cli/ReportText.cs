using LlmEmbed.Evaluation;
using Spectre.Console;

namespace LlmEmbed.Cli;

/// <summary>An evaluation report for a terminal.</summary>
internal static class ReportText
{
    public static void Print(Terminal terminal, EvaluationReport report)
    {
        if (report.Overlap is { } overlap) terminal.Output.WriteLine($"  {overlap}");
        terminal.Output.WriteLine(
            $"  accuracy {report.Accuracy:P1} (95 % interval {report.AccuracyInterval.Low:P1} to {report.AccuracyInterval.High:P1}), macro-F1 " +
            $"{report.MacroF1:P1}, calibration error {report.ExpectedCalibrationError:P1}");
        Table table = new() { Border = TableBorder.Simple };
        table.AddColumn("class");
        foreach (string column in new[] { "precision", "recall", "F1", "texts" }) table.AddColumn(new TableColumn(column).RightAligned());
        foreach (ClassScore score in report.Classes)
            table.AddRow(Markup.Escape(score.Label), $"{score.Precision:P1}", $"{score.Recall:P1}", $"{score.F1:P1}", $"{score.Support:N0}");
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(terminal.Output) });
        // A pipe has no width; labels must not be broken for one that is not there.
        if (!terminal.IsOutputWindow) console.Profile.Width = 200;
        console.Write(table);
    }
}
