using System.CommandLine;
using System.Text.Json.Nodes;
using LlmEmbed.Jobs;

namespace LlmEmbed.Cli;

/// <summary>llmembed job: one plan, any number of machines, the same bytes.</summary>
internal static class JobCommands
{
    public static Command Create(Terminal terminal) =>
        new("job", "Classify or embed more texts than one machine can in time: plan shards, run them anywhere, merge.")
        {
            JobPlanCommand.Create(terminal),
            JobRunCommand.Create(terminal),
            CreateStatus(terminal),
            CreateRetry(terminal),
            CreateVerify(terminal),
            CreateMerge(terminal),
            JobSubmitCommand.Create(terminal),
        };

    /// <summary>The folder of a job that was planned.</summary>
    public static Argument<string> Folder() => new("DIR") { Description = "Folder that 'llmembed job plan' made." };

    private static ToolCommand CreateStatus(Terminal terminal)
    {
        Argument<string> folder = Folder();
        Option<bool> json = CommonOptions.Json();
        ToolCommand command = new(terminal, "status", "Say how far a job is; ends with 0 only when it is complete.") { folder, json };
        command.Files.Add(PathRole.Additions, folder);
        command.Run((parsed, _) =>
        {
            JobStatus status = Job.Open(parsed.GetRequiredValue(folder)).Status();
            if (parsed.GetValue(json)) terminal.Output.WriteLine(ToJson(status).ToJsonString());
            else foreach (string line in LinesOf(status)) terminal.Output.WriteLine(line);
            return status.IsComplete ? ExitCode.Success : ExitCode.BadInput;
        });
        return command;
    }

    private static ToolCommand CreateRetry(Terminal terminal)
    {
        Argument<string> folder = Folder();
        Option<int?> perTask = PerTask();
        Option<int?> maxArraySize = CommonOptions.Count(
            "--max-array-size", "N", "The cluster's MaxArraySize: an array has numbers below it. Default: 1001, which is Slurm's own.");
        Option<bool> json = CommonOptions.Json();
        ToolCommand command = new(
            terminal,
            "retry",
            "Print the options of sbatch for the shards that are missing, a line for each array, and forget why shards failed.")
        { folder, perTask, maxArraySize, json };
        command.Files.Add(PathRole.Additions, folder);
        command.Run((parsed, _) =>
        {
            Job job = Job.Open(parsed.GetRequiredValue(folder));
            IReadOnlyList<int> missing = job.Missing();
            job.ForgetFailures();
            IReadOnlyList<TaskArray> arrays = TaskArray.Of(
                missing, parsed.GetValue(perTask) ?? 1, parsed.GetValue(maxArraySize) ?? TaskArray.UsualMaxSize);
            if (parsed.GetValue(json))
            {
                terminal.Output.WriteLine(new JsonObject
                {
                    ["missing"] = ShardRanges.Format(missing),
                    ["arrays"] = new JsonArray([.. arrays.Select(array => new JsonObject { ["array"] = array.Indexes, ["offset"] = array.Offset })]),
                }.ToJsonString());
                return ExitCode.Success;
            }
            foreach (TaskArray array in arrays) terminal.Output.WriteLine(array.SbatchOptions);
            if (missing.Count == 0) terminal.Error.WriteLine("llmembed: no shard is missing.");
            return ExitCode.Success;
        });
        return command;
    }

    private static ToolCommand CreateVerify(Terminal terminal)
    {
        Argument<string> folder = Folder();
        Option<bool> deep = new("--deep") { Description = "Also compute one unit of each shard again and compare its bytes." };
        RuntimeArguments runtimeArguments = RuntimeArguments.KeepingWeightsOnly(hasMemory: false);
        ToolCommand command = new(terminal, "verify", "Read the data of all complete shards and compare them with their checksums.") { folder, deep };
        command.Files.Add(PathRole.Additions, folder);
        runtimeArguments.AddTo(command);
        command.Run((parsed, cancellationToken) =>
        {
            Job job = Job.Open(parsed.GetRequiredValue(folder));
            RuntimeOptions runtime = runtimeArguments.Read(terminal, parsed);
            IReadOnlyList<string> problems = ConsoleProgress.Show(
                terminal, progress => job.Verify(parsed.GetValue(deep), runtime, progress, cancellationToken));
            foreach (string problem in problems) terminal.Error.WriteLine($"llmembed: {problem}");
            int checkedShards = job.ShardCount - job.Missing().Count;
            terminal.Output.WriteLine($"{checkedShards:N0} of {job.ShardCount:N0} shards are there and were read, {problems.Count:N0} are damaged");
            return problems.Count == 0 ? ExitCode.Success : ExitCode.BadInput;
        });
        return command;
    }

    private static ToolCommand CreateMerge(Terminal terminal)
    {
        Argument<string> folder = Folder();
        Option<string> output = new("--output")
        {
            Description = "Predictions: a csv, tsv, jsonl or parquet file, or a folder that is there for a table for each file of the input. " +
                "Embeddings: a .safetensors or .npy file, or .json or a folder for an index of the shards that copies nothing. Bad rows are " +
                "written beside it.",
            HelpName = "FILE|DIR",
            Required = true,
        };
        ToolCommand command = new(terminal, "merge", "Put the results of all shards together, in the order of the input.") { folder, output };
        command.Files.Add(PathRole.Additions, folder);
        command.Files.Add(PathRole.File, output);
        command.Run((parsed, cancellationToken) =>
        {
            Job job = Job.Open(parsed.GetRequiredValue(folder));
            string path = parsed.GetRequiredValue(output);
            (long rows, long rejected) = ConsoleProgress.Show(terminal, progress => job.Merge(path, progress, cancellationToken));
            terminal.Output.WriteLine($"{path}: {rows:N0} rows of {job.ShardCount:N0} shards");
            if (rejected > 0) terminal.Output.WriteLine($"{path}{Job.RejectedSuffix}: {rejected:N0} bad rows");
            return ExitCode.Success;
        });
        return command;
    }

    public static Option<int?> PerTask() => CommonOptions.Count(
        "--per-task", "K", "Shards that one task works on, for sites that limit the starts of tasks. Default: LLMEMBED_SHARDS_PER_TASK, else 1.");

    /// <summary>A time as people say it.</summary>
    public static string Show(double seconds) =>
        seconds < 90 ? $"{seconds:N0} s" : seconds < 5400 ? $"{seconds / 60:N0} min" : $"{seconds / 3600:N1} h";

    private static IEnumerable<string> LinesOf(JobStatus status)
    {
        yield return $"{status.Done.Count:N0} of {status.Shards:N0} shards done, {status.RowsDone:N0} of {status.Rows:N0} rows, " +
            $"{status.RowsRejected:N0} of them bad";
        if (status.Running.Count > 0) yield return $"running: {ShardRanges.Format(status.Running)}";
        if (status.Missing.Count > 0) yield return $"missing: {ShardRanges.Format(status.Missing)}";
        foreach (FailedShard failed in status.Failed)
            yield return $"failed: {failed.Shard} after {failed.Attempts} attempts, on {failed.Host}: {failed.Message}";
        if (status is { IsComplete: false, RowsPerSecond: double rate, SecondsLeft: double left })
            yield return $"{rate:N0} rows/s for each process; about {Show(left)} left with those that are running";
    }

    private static JsonObject ToJson(JobStatus status) => new()
    {
        ["complete"] = status.IsComplete,
        ["shards"] = status.Shards,
        ["done"] = ShardRanges.Format(status.Done),
        ["running"] = ShardRanges.Format(status.Running),
        ["missing"] = ShardRanges.Format(status.Missing),
        ["failed"] = new JsonArray(
        [
            .. status.Failed.Select(failed => new JsonObject
            {
                ["shard"] = failed.Shard,
                ["attempts"] = failed.Attempts,
                ["exit_code"] = ExitCode.Of(failed.Kind),
                ["message"] = failed.Message,
                ["host"] = failed.Host,
            }),
        ]),
        ["rows"] = status.Rows,
        ["rows_done"] = status.RowsDone,
        ["rows_rejected"] = status.RowsRejected,
        ["rows_per_second"] = status.RowsPerSecond,
        ["seconds_left"] = status.SecondsLeft,
    };
}
