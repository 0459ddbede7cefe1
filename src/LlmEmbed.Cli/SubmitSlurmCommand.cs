using System.CommandLine;
using System.Globalization;
using System.Text.RegularExpressions;
using LlmEmbed.Files;
using LlmEmbed.Jobs;

namespace LlmEmbed.Cli;

/// <summary>llmembed job submit slurm: a batch script, an array of tasks for it, and a merge that waits for them.</summary>
internal static partial class SubmitSlurmCommand
{
    private const string Script = "slurm.sh", MergeScript = "slurm-merge.sh";

    public static ToolCommand Create(Terminal terminal)
    {
        Argument<string> folder = JobCommands.Folder();
        SlurmArguments slurm = new();
        Option<int?> throttle = CommonOptions.Count("--throttle", "N", "Tasks that run at the same time, at most. Default: what the cluster allows.");
        Option<int?> maxArraySize = CommonOptions.Count(
            "--max-array-size", "N", "The cluster's MaxArraySize; more tasks become several arrays. Default: what scontrol says, else 1001.");
        Option<string?> mergeOutput = new("--merge-output")
        {
            Description = "Also submit a merge into this file, which starts when all tasks have succeeded and is dropped when one has failed.",
            HelpName = "FILE",
        };
        Option<bool> dryRun = JobSubmitCommand.DryRun();
        ToolCommand command = new(
            terminal,
            "slurm",
            $"Write DIR/{Script} and submit it with sbatch for the shards that are missing. Prints the number of each Slurm job.")
        { folder, dryRun, throttle, maxArraySize, mergeOutput };
        command.Files.Add(PathRole.Additions, folder);
        command.Files.Add(PathRole.File, mergeOutput);
        slurm.AddTo(command);
        command.Run((parsed, _) =>
        {
            Job job = Job.Open(parsed.GetRequiredValue(folder));
            SlurmOptions options = slurm.Read(parsed);
            Sbatch sbatch = new(terminal, job, parsed.GetValue(dryRun));
            if (JobSubmitCommand.MissingOf(terminal, job) is { Count: > 0 } missing)
            {
                int largest = parsed.GetValue(maxArraySize) ?? MaxArraySize();
                string limit = parsed.GetValue(throttle) is int n ? $"%{n}" : "";
                string script = sbatch.Write(Script, SlurmScript.ForShards(job.Folder, options));
                foreach (TaskArray array in TaskArray.Of(missing, options.ShardsPerTask, largest))
                    sbatch.Submit([$"--array={array.Indexes}{limit}", .. Offset(array), script]);
            }
            if (parsed.GetValue(mergeOutput) is string output)
            {
                string script = sbatch.Write(MergeScript, SlurmScript.ForMerge(job.Folder, output, options));
                sbatch.Submit([.. sbatch.AfterAll(), script]);
            }
            return ExitCode.Success;
        });
        return command;
    }

    private static string[] Offset(TaskArray array) => array.Offset == 0 ? [] : [$"--export=ALL,LLMEMBED_OFFSET={array.Offset}"];

    /// <summary>What the cluster says, where it can be asked.</summary>
    private static int MaxArraySize()
    {
        try
        {
            Match said = MaxArraySizeLine().Match(JobSubmitCommand.Start("scontrol", "show", "config"));
            return said.Success ? int.Parse(said.Groups["size"].ValueSpan, CultureInfo.InvariantCulture) : TaskArray.UsualMaxSize;
        }
        catch (LlmEmbedException)
        {
            return TaskArray.UsualMaxSize;
        }
    }

    [GeneratedRegex(@"^MaxArraySize\s*=\s*(?<size>\d+)", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex MaxArraySizeLine();

    /// <summary>Writes scripts and submits them or, in a dry run, prints both as commands that can be pasted.</summary>
    private sealed class Sbatch(Terminal terminal, Job job, bool isDryRun)
    {
        private readonly List<string> _jobs = [];

        /// <summary>Returns the script's path.</summary>
        public string Write(string name, string text)
        {
            string path = Path.GetFullPath(Path.Combine(job.Folder, name));
            if (isDryRun)
            {
                JobSubmitCommand.Show(terminal, path, text);
                return path;
            }
            job.ForgetFailures();
            Directory.CreateDirectory(Path.Combine(job.Folder, SlurmScript.LogFolder));
            AtomicFile.WriteText(path, text);
            return path;
        }

        public void Submit(string[] arguments)
        {
            if (isDryRun)
            {
                // Numbers of earlier jobs are variables, which quotes would hide from the shell.
                string words = string.Join(' ', arguments.Select(word => word.Contains(":$", StringComparison.Ordinal) ? word : Shell.Command(word)));
                _jobs.Add($"$job{_jobs.Count + 1}");
                terminal.Output.WriteLine($"{_jobs[^1][1..]}=$(sbatch --parsable {words})");
                return;
            }
            try
            {
                _jobs.Add(JobSubmitCommand.Start("sbatch", ["--parsable", .. arguments]).Split(';')[0]);
            }
            catch (LlmEmbedException exception) when (_jobs.Count > 0)
            {
                string before = string.Join(' ', _jobs);
                throw new LlmEmbedException($"{exception.Message} Submitted before and still there: {before}; scancel takes them back.", exception);
            }
            terminal.Output.WriteLine($"{_jobs[^1]}\tsbatch {Shell.Command(arguments)}");
        }

        /// <summary>Waits for what was submitted before. What waits for a task that failed would stay for ever without the second option.</summary>
        public string[] AfterAll() =>
            _jobs.Count == 0 ? [] : [$"--dependency=afterok:{string.Join(':', _jobs)}", "--kill-on-invalid-dep=yes"];
    }
}

/// <summary>The options that say what each task asks of Slurm.</summary>
internal sealed class SlurmArguments
{
    private static readonly SlurmOptions Usual = new();

    /// <summary>Options of sbatch that are passed on under their own names.</summary>
    private readonly Option<string?>[] _passedOn =
    [
        .. new (string Name, string Value, string Description)[]
        {
            ("--partition", "NAME", "Partition of the cluster."),
            ("--account", "NAME", "Account that is charged."),
            ("--qos", "NAME", "Quality of service."),
            ("--constraint", "FEATURES", "Features of the nodes. All must have processors like the one on which the job was planned."),
        }.Select(option => new Option<string?>(option.Name) { HelpName = option.Value, Description = option.Description }),
    ];

    private readonly Option<string?> _time = new("--time") { HelpName = "TIME", Description = $"Longest time of a task. Default: {Usual.Time}." };
    private readonly Option<string?> _memory = new("--mem") { HelpName = "SIZE", Description = $"Memory of a task. Default: {Usual.Memory}." };

    private readonly Option<int?> _cpus = CommonOptions.Count(
        "--cpus-per-task", "N", $"Processors of a task, and threads of its engine. Default: {Usual.CpusPerTask}.");

    private readonly Option<string?> _name = new("--job-name") { HelpName = "NAME", Description = $"Name in Slurm's lists. Default: {Usual.Name}." };

    private readonly Option<string[]> _sbatch = new("--sbatch")
    {
        HelpName = "ARGUMENT",
        Description = "Any other argument of sbatch, such as --sbatch=--exclusive. May be repeated.",
    };

    private readonly Option<int?> _perTask = JobSubmitCommand.PerTask();
    private readonly Option<string[]> _command = JobSubmitCommand.Command("this tool, by its path here");
    private readonly Option<string[]> _run = JobSubmitCommand.RunArguments();

    public void AddTo(ToolCommand command)
    {
        foreach (Option option in new Option[] { _time, _memory, _cpus, _perTask }.Concat(_passedOn).Concat([_name, _sbatch, _command, _run]))
            command.Add(option);
    }

    public SlurmOptions Read(ParseResult parsed) => Usual with
    {
        Name = parsed.GetValue(_name) ?? Usual.Name,
        CpusPerTask = parsed.GetValue(_cpus) ?? Usual.CpusPerTask,
        Memory = parsed.GetValue(_memory) ?? Usual.Memory,
        Time = parsed.GetValue(_time) ?? Usual.Time,
        ShardsPerTask = parsed.GetValue(_perTask) ?? Usual.ShardsPerTask,
        Command = parsed.GetValue(_command) is { Length: > 0 } command ? command : ThisTool(),
        RunArguments = parsed.GetValue(_run) ?? [],
        Arguments =
        [
            .. _passedOn.Where(option => parsed.GetValue(option) is not null).Select(option => $"{option.Name}={parsed.GetValue(option)}"),
            .. parsed.GetValue(_sbatch) ?? [],
        ],
    };

    /// <summary>The words that start this very program, so that nodes with the same file system run no other version.</summary>
    private static string[] ThisTool()
    {
        string program = Environment.ProcessPath ?? "llmembed", library = Path.Combine(AppContext.BaseDirectory, "llmembed.dll");
        return Path.GetFileNameWithoutExtension(program) == "dotnet" ? [program, library] : [program];
    }
}
