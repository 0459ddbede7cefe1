namespace LlmEmbed.Jobs;

/// <summary>How far a job is.</summary>
/// <param name="Shards">All shards.</param>
/// <param name="Done">Shards that are complete.</param>
/// <param name="Running">Shards that a process computes.</param>
/// <param name="Failed">Shards whose last attempt failed, with the reason.</param>
/// <param name="Missing">Shards that are neither of these.</param>
/// <param name="Rows">Rows of the whole input.</param>
/// <param name="RowsDone">Rows of complete shards, bad ones included.</param>
/// <param name="RowsRejected">Bad rows of complete shards.</param>
/// <param name="RowsPerSecond">Rows of one process in a second, over all complete shards; null if there are none.</param>
/// <param name="SecondsLeft">Seconds until the end with as many processes as are running, at least one; null if no shard is complete.</param>
public sealed record JobStatus(
    int Shards,
    IReadOnlyList<int> Done,
    IReadOnlyList<int> Running,
    IReadOnlyList<FailedShard> Failed,
    IReadOnlyList<int> Missing,
    long Rows,
    long RowsDone,
    long RowsRejected,
    double? RowsPerSecond,
    double? SecondsLeft)
{
    /// <summary>Whether every shard is complete.</summary>
    public bool IsComplete => Done.Count == Shards;
}

/// <summary>A shard whose last attempt failed.</summary>
/// <param name="Shard">The shard.</param>
/// <param name="Attempts">How often it was begun.</param>
/// <param name="Kind">Whether it may help to try again.</param>
/// <param name="Message">Why it failed.</param>
/// <param name="Host">The machine on which it failed.</param>
public sealed record FailedShard(int Shard, int Attempts, ProblemKind Kind, string Message, string Host);
