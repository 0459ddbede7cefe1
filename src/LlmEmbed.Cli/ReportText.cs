using Spectre.Console;

namespace LlmEmbed.Cli;

/// <summary>An evaluation report for a terminal.</summary>
internal static class ReportText
{
    public static void Print(EvaluationReport report)
    {
        Console.WriteLine($"  accuracy {report.Accuracy:P1} (95 % interval {report.AccuracyLow:P1} to {report.AccuracyHigh:P1}), macro-F1 {report.MacroF1:P1}, calibration error {report.ExpectedCalibrationError:P1}");
        Table table = new() { Border = TableBorder.Simple };
        table.AddColumn("class");
        foreach (string column in new[] { "precision", "recall", "F1", "texts" }) table.AddColumn(new TableColumn(column).RightAligned());
        foreach (EvaluationReport.ClassScore score in report.Classes)
            table.AddRow(Markup.Escape(score.Label), $"{score.Precision:P1}", $"{score.Recall:P1}", $"{score.F1:P1}", $"{score.Support:N0}");
        IAnsiConsole console = AnsiConsole.Console;
        // A pipe has no width; labels must not be broken for one that is not there.
        if (Console.IsOutputRedirected) console.Profile.Width = 200;
        console.Write(table);
    }
}
