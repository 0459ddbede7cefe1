using System.CommandLine;
using LlmEmbed.Jobs;

namespace LlmEmbed.Cli;

/// <summary>llmembed job run: computes shards, those that a scheduler names or all that are missing.</summary>
internal static class JobRunCommand
{
    public static ToolCommand Create(Terminal terminal)
    {
        Argument<string> folder = JobCommands.Folder();
        Option<int?> shard = new("--shard") { Description = $"The shard. Default: {TaskNumber.Names}, else all that are missing.", HelpName = "I" };
        Option<string?> shards = new("--shards") { Description = "Several shards, one after the other: 3,7-9.", HelpName = "LIST" };
        Option<int?> offset = new("--offset")
        {
            Description = "Added to the number of a scheduler's task, for more tasks than one array can have. Default: LLMEMBED_OFFSET, else 0.",
            HelpName = "O",
        };
        Option<int?> perTask = JobCommands.PerTask();
        Option<bool> again = new("--again")
        {
            Description = "Compute the shards of --shard or --shards again though they are complete, because they were found damaged.",
        };
        Option<bool> accept = new("--accept-differences")
        {
            Description = "Accept another processor or version than the plan's, which gives other last bits; the record of the shard notes it.",
        };
        RuntimeArguments runtimeArguments = RuntimeArguments.KeepingWeightsOnly(hasMemory: false);
        ToolCommand command = new(
            terminal, "run", "Compute shards. What is complete is skipped, what was begun is resumed after its last finished unit.")
        { folder, shard, shards, offset, perTask, again, accept };
        command.Files.Add(PathRole.Additions, folder);
        runtimeArguments.AddTo(command);
        command.Run((parsed, cancellationToken) =>
        {
            if (parsed.GetValue(shard) is not null && parsed.GetValue(shards) is not null)
                throw new WrongUsageException("Give --shard or --shards, not both.");
            Job job = Job.Open(parsed.GetRequiredValue(folder));
            IReadOnlyList<int>? given = parsed.GetValue(shard) is int one ? [one]
                : parsed.GetValue(shards) is string list ? Parse(list)
                : null;
            if (given is null && parsed.GetValue(again)) throw new WrongUsageException("--again needs --shard or --shards.");
            IReadOnlyList<int>? chosen = given
                ?? TaskNumber.ShardsOf(Environment.GetEnvironmentVariable, parsed.GetValue(offset), parsed.GetValue(perTask), job.ShardCount);
            Refuse(chosen, job.ShardCount);
            JobRunOptions options = new() { Shards = chosen, AcceptDifferences = parsed.GetValue(accept), Again = parsed.GetValue(again) };
            RuntimeOptions runtime = runtimeArguments.Read(terminal, parsed);
            JobRun run = ConsoleProgress.Show(terminal, progress => job.Run(options, runtime, progress, cancellationToken));
            return Print(terminal, run);
        });
        return command;
    }

    private static IReadOnlyList<int> Parse(string list)
    {
        try
        {
            return ShardRanges.Parse(list);
        }
        catch (LlmEmbedException exception)
        {
            throw new WrongUsageException(exception.Message);
        }
    }

    private static void Refuse(IReadOnlyList<int>? shards, int count)
    {
        foreach (int shard in shards ?? [])
        {
            if (shard < 0 || shard >= count)
                throw new WrongUsageException($"Shard {shard} is outside of the plan, which has the shards 0 to {count - 1}.");
        }
    }

    private static int Print(Terminal terminal, JobRun run)
    {
        if (run.Computed.Count > 0)
            terminal.Output.WriteLine($"shards {ShardRanges.Format(run.Computed)}: {run.Rows:N0} rows, {run.Rejected:N0} of them bad");
        if (run.DoneBefore.Count > 0) terminal.Output.WriteLine($"complete before: {ShardRanges.Format(run.DoneBefore)}");
        if (run.ByOthers.Count == 0) return ExitCode.Success;
        terminal.Error.WriteLine(
            $"llmembed: other processes compute {ShardRanges.Format(run.ByOthers)}; llmembed job status says when they are done.");
        return ExitCode.MayPass;
    }
}
