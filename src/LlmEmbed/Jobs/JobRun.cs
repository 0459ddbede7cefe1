namespace LlmEmbed.Jobs;

/// <summary>What a process did with the shards that it was given.</summary>
/// <param name="Computed">Shards that it completed.</param>
/// <param name="DoneBefore">Shards that were complete, or were completed by another process meanwhile.</param>
/// <param name="ByOthers">Shards that other processes compute.</param>
/// <param name="Rows">Rows of the shards that it completed.</param>
/// <param name="Rejected">Bad rows among them.</param>
public sealed record JobRun(IReadOnlyList<int> Computed, IReadOnlyList<int> DoneBefore, IReadOnlyList<int> ByOthers, long Rows, long Rejected);

/// <summary>How shards are computed.</summary>
public sealed record JobRunOptions
{
    /// <summary>The shards; null takes all that are missing and that no other process computes, one after the other.</summary>
    public IReadOnlyList<int>? Shards { get; init; }

    /// <summary>
    /// Whether another processor or another version of this library than the plan's is accepted: results then differ in their last bits from those of
    /// other machines, and the record of the shard notes it.
    /// </summary>
    public bool AcceptDifferences { get; init; }

    /// <summary>Whether shards that are complete are computed again, for those that were found damaged. Only with <see cref="Shards"/>.</summary>
    public bool Again { get; init; }
}
