using System.CommandLine;
using LlmEmbed.Files;
using LlmEmbed.Reports;

namespace LlmEmbed.Cli;

/// <summary>The options that write what was measured as a page or as pictures.</summary>
internal sealed class ReportArguments
{
    private readonly Option<string?> _report = CommonOptions.Report();
    private readonly Option<string?> _pictures = new("--pictures")
    {
        Description = "Also write each chart of the page as an SVG file.",
        HelpName = "DIR",
    };

    public void AddTo(ToolCommand command)
    {
        command.Files.Add(PathRole.File, _report);
        command.Files.Add(PathRole.Pictures, _pictures);
        command.Add(_report);
        command.Add(_pictures);
    }

    /// <summary>To be called before the work that the report is about.</summary>
    /// <param name="parsed">Where the options are.</param>
    /// <param name="output">A folder that this work makes, so that a report in it cannot be tried before; or null.</param>
    public void RequireWritable(ParseResult parsed, string? output = null)
    {
        if (parsed.GetValue(_pictures) is string folder && File.Exists(folder))
            throw new LlmEmbedException($"{folder} is a file, expected a folder for the pictures (--pictures).") { FilePath = folder };
        if (parsed.GetValue(_report) is not string path) return;
        if (output is null || Path.GetDirectoryName(Path.GetFullPath(path)) != Path.TrimEndingDirectorySeparator(Path.GetFullPath(output)))
            AtomicFile.RequireWritable(path);
    }

    /// <summary>To be called last: what was printed is not lost where a file cannot be written after all.</summary>
    public void Write(ParseResult parsed, EvaluationPage page)
    {
        if (parsed.GetValue(_report) is string path) page.Save(path);
        if (parsed.GetValue(_pictures) is string folder) page.SavePictures(folder);
    }
}
