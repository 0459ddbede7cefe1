using System.CommandLine;
using LlmEmbed.Files;
using LlmEmbed.Jobs;

namespace LlmEmbed.Cli;

/// <summary>llmembed job submit kubernetes: a manifest of an indexed Job, handed to kubectl.</summary>
internal static class SubmitKubernetesCommand
{
    private const string Manifest = "kubernetes.yaml";

    public static ToolCommand Create(Terminal terminal)
    {
        Argument<string> folder = JobCommands.Folder();
        KubernetesArguments kubernetes = new();
        Option<string?> inside = new("--job-folder")
        {
            Description = "Path of the job's folder inside the containers. Default: the same path as here.",
            HelpName = "PATH",
        };
        Option<bool> dryRun = JobSubmitCommand.DryRun();
        ToolCommand command = new(
            terminal, "kubernetes", $"Write DIR/{Manifest} and create the Kubernetes Job with kubectl for the shards that are missing.")
        { folder, dryRun, inside };
        command.Files.Add(PathRole.Additions, folder);
        kubernetes.AddTo(command);
        command.Run((parsed, _) =>
        {
            Job job = Job.Open(parsed.GetRequiredValue(folder));
            KubernetesOptions options = kubernetes.Read(parsed, job.Folder);
            string there = parsed.GetValue(inside) ?? Path.TrimEndingDirectorySeparator(Path.GetFullPath(job.Folder));
            RequireVolume(terminal, options, there);
            if (JobSubmitCommand.MissingOf(terminal, job) is not { Count: > 0 } missing) return ExitCode.Success;
            int first = missing[0] / options.ShardsPerTask, last = missing[^1] / options.ShardsPerTask;
            string path = Path.GetFullPath(Path.Combine(job.Folder, Manifest)), manifest = KubernetesManifest.ForTasks(there, first, last, options);
            if (parsed.GetValue(dryRun))
            {
                JobSubmitCommand.Show(terminal, path, manifest);
                terminal.Output.WriteLine(Shell.Command("kubectl", "create", "-f", path));
                return ExitCode.Success;
            }
            job.ForgetFailures();
            AtomicFile.WriteText(path, manifest);
            terminal.Output.WriteLine(JobSubmitCommand.Start("kubectl", "create", "-f", path));
            return ExitCode.Success;
        });
        return command;
    }

    /// <summary>A pod sees nothing of the job without a volume that holds it.</summary>
    private static void RequireVolume(Terminal terminal, KubernetesOptions options, string folder)
    {
        if (options.VolumeClaims.Count == 0)
        {
            terminal.Error.WriteLine("llmembed: no --pvc is given, so that the pods find the folder of the job only if their image brings it.");
            return;
        }
        if (options.VolumeClaims.Any(claim => $"{folder}/".StartsWith($"{claim.Value.TrimEnd('/')}/", StringComparison.Ordinal))) return;
        string volumes = string.Join(", ", options.VolumeClaims.Select(claim => claim.Value));
        throw new WrongUsageException(
            $"The folder of the job, {folder}, lies in none of the volumes of --pvc ({volumes}); say where the pods see it with --job-folder PATH.");
    }
}

/// <summary>The options that say what each pod asks of Kubernetes.</summary>
internal sealed class KubernetesArguments
{
    private static readonly KubernetesOptions Usual = new() { Name = "", Image = "" };

    private readonly Option<string> _image = new("--image")
    {
        HelpName = "IMAGE",
        Description = "Image in which the tool is installed.",
        Required = true,
    };

    private readonly Option<string?> _name = new("--name")
    {
        HelpName = "NAME",
        Description = "Name of the Kubernetes Job, which must be new. Default: llmembed- and the name of DIR.",
    };

    private readonly Option<string?> _namespace = new("--namespace") { HelpName = "NAME", Description = "Namespace. Default: that of kubectl." };

    private readonly Option<KeyValuePair<string, string>[]> _claims = Pairs(
        "--pvc", ':', "NAME:PATH", "Persistent volume claim and the path under which the containers see it, such as texts:/data. May be repeated.");

    private readonly Option<KeyValuePair<string, string>[]> _selector = Pairs(
        "--node-selector",
        '=',
        "LABEL=VALUE",
        "Label that nodes must have; all must have processors like the one on which the job was planned. May be repeated.");

    private readonly Option<KeyValuePair<string, string>[]> _environment = Pairs(
        "--env", '=', "NAME=VALUE", "Environment variable of the containers. May be repeated.");

    private readonly Option<int?> _parallelism = CommonOptions.Count(
        "--parallelism", "N", $"Pods that run at the same time, at most. Default: {Usual.Parallelism}.");

    private readonly Option<int?> _cpus = CommonOptions.Count(
        "--cpus", "N", $"Processors that a pod asks for, and threads of its engine. Default: {Usual.Cpus}.");

    private readonly Option<string?> _memory = new("--mem")
    {
        HelpName = "SIZE",
        Description = $"Memory that a pod asks for and may not exceed, as Kubernetes reads it. Default: {Usual.Memory}.",
    };

    private readonly Option<int?> _backoff = CommonOptions.Count(
        "--backoff-limit-per-index", "N", $"How often a task is tried again after a failure that may pass. Default: {Usual.BackoffLimitPerIndex}.");

    private readonly Option<int?> _maxFailed = CommonOptions.Count(
        "--max-failed-indexes", "N", $"The job ends when more tasks than these have failed. Default: {Usual.MaxFailedIndexes}.");

    private readonly Option<int?> _perTask = JobSubmitCommand.PerTask();
    private readonly Option<string[]> _command = JobSubmitCommand.Command("llmembed");
    private readonly Option<string[]> _run = JobSubmitCommand.RunArguments();

    public void AddTo(ToolCommand command)
    {
        Option[] options =
        [
            _image, _claims, _name, _namespace, _parallelism, _cpus, _memory, _perTask, _backoff, _maxFailed, _selector, _environment, _command, _run,
        ];
        foreach (Option option in options) command.Add(option);
    }

    public KubernetesOptions Read(ParseResult parsed, string folder) => Usual with
    {
        Name = parsed.GetValue(_name) ?? NameOf(folder),
        Image = parsed.GetRequiredValue(_image),
        Namespace = parsed.GetValue(_namespace),
        Command = parsed.GetValue(_command) is { Length: > 0 } command ? command : Usual.Command,
        RunArguments = parsed.GetValue(_run) ?? [],
        ShardsPerTask = parsed.GetValue(_perTask) ?? Usual.ShardsPerTask,
        Parallelism = parsed.GetValue(_parallelism) ?? Usual.Parallelism,
        BackoffLimitPerIndex = parsed.GetValue(_backoff) ?? Usual.BackoffLimitPerIndex,
        MaxFailedIndexes = parsed.GetValue(_maxFailed) ?? Usual.MaxFailedIndexes,
        Cpus = parsed.GetValue(_cpus) ?? Usual.Cpus,
        Memory = parsed.GetValue(_memory) ?? Usual.Memory,
        VolumeClaims = parsed.GetValue(_claims) ?? [],
        NodeSelector = parsed.GetValue(_selector) ?? [],
        Environment = parsed.GetValue(_environment) ?? [],
    };

    /// <summary>The name of a folder as far as it can be the name of a Kubernetes Job.</summary>
    private static string NameOf(string folder)
    {
        string name = Path.GetFileName(Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder))).ToLowerInvariant();
        string letters = new([.. name.Select(letter => char.IsAsciiLetterOrDigit(letter) ? letter : '-')]);
        return $"llmembed-{letters.Trim('-')}".TrimEnd('-');
    }

    private static Option<KeyValuePair<string, string>[]> Pairs(string name, char separator, string helpName, string description) => new(name)
    {
        HelpName = helpName,
        Description = description,
        Arity = ArgumentArity.OneOrMore,
        CustomParser = argument =>
        {
            string[] values = [.. argument.Tokens.Select(token => token.Value)];
            if (Array.Find(values, value => value.IndexOf(separator) < 1) is string wrong)
            {
                argument.AddError($"{name} is '{wrong}', expected {helpName}.");
                return null;
            }
            return [.. values.Select(value => value.Split(separator, 2)).Select(parts => KeyValuePair.Create(parts[0], parts[1]))];
        },
    };
}
