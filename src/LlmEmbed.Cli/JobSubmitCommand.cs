using System.CommandLine;
using System.ComponentModel;
using System.Diagnostics;
using LlmEmbed.Jobs;

namespace LlmEmbed.Cli;

/// <summary>llmembed job submit: hands the missing shards of a job to the scheduler of a cluster.</summary>
internal static class JobSubmitCommand
{
    /// <summary>Variables by which a task finds its shards. Those of whoever submits must not reach the tasks.</summary>
    private static readonly string[] TaskVariables = ["LLMEMBED_SHARD", "LLMEMBED_OFFSET", "LLMEMBED_SHARDS_PER_TASK"];

    public static Command Create(Terminal terminal) => new("submit", "Have a cluster compute the shards that are missing.")
    {
        SubmitSlurmCommand.Create(terminal), SubmitKubernetesCommand.Create(terminal),
    };

    public static Option<bool> DryRun() => new("--dry-run") { Description = "Print what would be submitted. Nothing is written or started." };

    public static Option<int?> PerTask() => CommonOptions.Count(
        "--per-task", "K", "Shards that one task computes one after the other, for sites that limit how many tasks start. Default: 1.");

    public static Option<string[]> Command(string byDefault) => new("--command")
    {
        Description = $"How a task starts the tool: its words, such as --command dotnet /apps/llmembed.dll. Default: {byDefault}.",
        HelpName = "WORD",
        AllowMultipleArgumentsPerToken = true,
    };

    public static Option<string[]> RunArguments() => new("--run")
    {
        Description = "An argument of 'llmembed job run' in each task, such as --run=--cache=/shared/cache. May be repeated.",
        HelpName = "ARGUMENT",
    };

    /// <summary>Starts a scheduler's program and returns what it printed.</summary>
    /// <exception cref="LlmEmbedException">It is not there, or it did not succeed.</exception>
    public static string Start(string program, params IEnumerable<string> arguments)
    {
        ProcessStartInfo start = new(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (string variable in TaskVariables) start.Environment.Remove(variable);
        try
        {
            using Process process = Process.Start(start)!;
            Task<string> output = process.StandardOutput.ReadToEndAsync();
            string error = process.StandardError.ReadToEnd().Trim().ReplaceLineEndings("; ");
            process.WaitForExit();
            if (process.ExitCode == 0) return output.GetAwaiter().GetResult().Trim();
            throw new LlmEmbedException($"{Shell.Command([program, .. arguments])} ended with {process.ExitCode}: {error}");
        }
        catch (Win32Exception exception)
        {
            throw new LlmEmbedException(
                $"{program} cannot be started: {exception.Message}. Submit where it is installed, or take --dry-run to see what it would be told.",
                exception);
        }
    }

    /// <summary>The shards that are missing; empty, with a note, if there are none.</summary>
    public static IReadOnlyList<int> MissingOf(Terminal terminal, Job job)
    {
        IReadOnlyList<int> missing = job.Missing();
        if (missing.Count == 0) terminal.Error.WriteLine($"llmembed: no shard of {job.Folder} is missing.");
        return missing;
    }

    /// <summary>What a dry run says of a file.</summary>
    public static void Show(Terminal terminal, string path, string text) => terminal.Output.Write($"# {path}\n{text}\n");
}
