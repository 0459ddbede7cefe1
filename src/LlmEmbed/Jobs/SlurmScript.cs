using System.Text;

namespace LlmEmbed.Jobs;

/// <summary>What a Slurm cluster is asked for.</summary>
public sealed record SlurmOptions
{
    /// <summary>The words that start the tool on a node. They are quoted where the shell needs it.</summary>
    public IReadOnlyList<string> Command { get; init; } = ["llmembed"];

    /// <summary>Arguments of <c>job run</c> in each task beside the folder, such as <c>--cache</c> and a shared folder.</summary>
    public IReadOnlyList<string> RunArguments { get; init; } = [];

    /// <summary>Shards that each task computes one after the other, for sites that limit how many tasks start in a minute.</summary>
    public int ShardsPerTask { get; init; } = 1;

    /// <summary>The name by which Slurm shows the tasks; the merge has it with <c>-merge</c> behind.</summary>
    public string Name { get; init; } = "llmembed";

    /// <summary>Processors of a task, which are also the engine's threads.</summary>
    public int CpusPerTask { get; init; } = 4;

    /// <summary>Memory of a task, as sbatch reads it.</summary>
    public string Memory { get; init; } = "8G";

    /// <summary>The longest time of a task, as sbatch reads it.</summary>
    public string Time { get; init; } = "01:00:00";

    /// <summary>Other arguments of sbatch, such as <c>--partition=short</c>.</summary>
    public IReadOnlyList<string> Arguments { get; init; } = [];
}

/// <summary>
/// Batch scripts by which Slurm runs a job. A script does not name shards: which ones a task computes comes from <c>sbatch --array</c> and the
/// variable LLMEMBED_OFFSET, so that one script serves all arrays of a job and those that are missing later.
/// </summary>
public static class SlurmScript
{
    /// <summary>The folder inside the job's folder to which tasks write what they say. Slurm does not make it.</summary>
    public const string LogFolder = "logs";

    /// <summary>The script of the tasks that compute shards.</summary>
    /// <param name="folder">The folder of the job, which all nodes see under the same path.</param>
    /// <param name="options">What is asked for.</param>
    /// <returns>The text, with a line feed at the end of each line.</returns>
    /// <exception cref="LlmEmbedException">A value cannot be said to sbatch.</exception>
    public static string ForShards(string folder, SlurmOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        string[] command = [.. options.Command, "job", "run", folder, "--per-task", $"{options.ShardsPerTask}", .. options.RunArguments];
        return Script(folder, options.Name, "%A_%a.out", options, command);
    }

    /// <summary>The script of the task that joins the results, which is to be started when all shards are there.</summary>
    /// <param name="folder">The folder of the job.</param>
    /// <param name="output">The file to write.</param>
    /// <param name="options">What is asked for.</param>
    /// <returns>The text, with a line feed at the end of each line.</returns>
    /// <exception cref="LlmEmbedException">A value cannot be said to sbatch.</exception>
    public static string ForMerge(string folder, string output, SlurmOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        folder = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        string[] command = [.. options.Command, "job", "merge", folder, "--output", Path.GetFullPath(output)];
        return Script(folder, $"{options.Name}-merge", "merge-%j.out", options, command);
    }

    /// <summary>
    /// The signal comes two minutes before the time limit, to the script only; by exec the script is the tool, which then saves its work, and whose
    /// exit code is the task's. A task that Slurm starts again adds to its log.
    /// </summary>
    private static string Script(string folder, string name, string log, SlurmOptions options, IEnumerable<string> command)
    {
        if (folder.Contains('\\', StringComparison.Ordinal))
            throw new LlmEmbedException($"{folder}: the path holds a backslash, which Slurm reads otherwise in names of logs. Rename the folder.");
        string[] arguments =
        [
            $"--job-name={name}",
            $"--cpus-per-task={options.CpusPerTask}",
            $"--mem={options.Memory}",
            $"--time={options.Time}",
            "--signal=B:TERM@120",
            "--requeue",
            "--open-mode=append",
            $"--output={Path.Combine(folder, LogFolder).Replace("%", "%%", StringComparison.Ordinal)}/{log}",
            .. options.Arguments,
        ];
        StringBuilder script = new("#!/bin/bash\n");
        foreach (string argument in arguments) script.Append("#SBATCH ").Append(QuoteForSbatch(argument)).Append('\n');
        return script.Append("exec ").AppendJoin(' ', command.Select(QuoteForShell)).Append('\n').ToString();
    }

    /// <summary>
    /// By the rules of sbatch, which are not the shell's: a backslash counts in quotes too, and two kinds of quotes cannot follow each other.
    /// </summary>
    private static string QuoteForSbatch(string argument)
    {
        if (argument.Any(char.IsControl))
            throw new LlmEmbedException(
                $"The argument of sbatch '{argument.ReplaceLineEndings(" ")}' holds a line break or another control character.");
        return IsPlain(argument)
            ? argument
            : $"\"{argument.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
    }

    private static string QuoteForShell(string word) =>
        word.Length > 0 && IsPlain(word) ? word : $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";

    private static bool IsPlain(string word) =>
        word.All(character => char.IsAsciiLetterOrDigit(character) || "_-./:=@%+,".Contains(character, StringComparison.Ordinal));
}
