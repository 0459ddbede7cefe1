using LlmEmbed.Evaluation;
using LlmEmbed.Storage;

namespace LlmEmbed.Cli;

/// <summary>An evaluation report as a file for a browser.</summary>
internal static class ReportPage
{
    public static void Write(string path, EvaluationReport report, string title) => AtomicFile.WriteText(path, HtmlReport.Render(title, report));
}
