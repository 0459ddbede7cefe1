using LlmEmbed.Files;

namespace LlmEmbed.Jobs;

/// <summary>The record that a shard is complete.</summary>
/// <param name="Plan">The plan's id.</param>
/// <param name="Shard">The shard.</param>
/// <param name="Rows">Rows with a result.</param>
/// <param name="Rejected">Rows without one.</param>
/// <param name="Empty">Rows whose text is empty to the model.</param>
/// <param name="Truncated">Rows whose text lost its end.</param>
/// <param name="Bytes">The size of its data.</param>
/// <param name="Sha256">The hash of its data.</param>
/// <param name="RejectedSha256">The hash of its rejected rows; null if there are none.</param>
/// <param name="UnitBytes">The bytes of each unit among the data.</param>
/// <param name="Seconds">How long its units took.</param>
/// <param name="Host">The machine that completed it.</param>
/// <param name="Attempt">How often it was begun.</param>
/// <param name="Difference">What differed from the plan and was accepted; null if nothing did.</param>
internal sealed record ShardRecord(
    string Plan,
    int Shard,
    long Rows,
    long Rejected,
    long Empty,
    long Truncated,
    long Bytes,
    string Sha256,
    string? RejectedSha256,
    IReadOnlyList<long> UnitBytes,
    double Seconds,
    string Host,
    int Attempt,
    string? Difference)
{
    /// <summary>Reads the record of a shard that is there.</summary>
    /// <exception cref="LlmEmbedException">It is damaged, or of another plan.</exception>
    public static ShardRecord Read(JobFolder folder, int shard, string plan)
    {
        string path = folder.Done(shard), remedy = $"Remove it to have shard {shard} computed again; no other shard is concerned.";
        ShardRecord record = JobFile.Read<ShardRecord>(path, remedy);
        if (record.Shard != shard) throw FileProblem.In(path, $"the record is of shard {record.Shard}, expected {shard}. {remedy}");
        if (record.Plan == plan) return record;
        throw new LlmEmbedException($"{path}: the record belongs to another plan than {folder.Plan}. {remedy}")
        {
            FilePath = path,
            Kind = ProblemKind.Mismatch,
        };
    }
}

/// <summary>Why the last attempt at a shard ended.</summary>
/// <param name="Attempt">How often it was begun.</param>
/// <param name="Kind">What kind of problem it was.</param>
/// <param name="Message">What was said.</param>
/// <param name="Host">The machine.</param>
/// <param name="Time">When, by its clock.</param>
internal sealed record ShardFailure(int Attempt, ProblemKind Kind, string Message, string Host, DateTime Time);

/// <summary>That a unit is finished.</summary>
/// <param name="Rows">Its rows with a result.</param>
/// <param name="Rejected">Its bad rows.</param>
/// <param name="Empty">Rows whose text is empty to the model.</param>
/// <param name="Truncated">Rows whose text lost its end.</param>
/// <param name="Seconds">How long it took.</param>
internal sealed record UnitRecord(long Rows, IReadOnlyList<RejectedRow> Rejected, int Empty, int Truncated, double Seconds);

/// <summary>A row that could not be used.</summary>
/// <param name="Row">Its number in the whole input.</param>
/// <param name="File">Its file, as the plan names it.</param>
/// <param name="Line">The line on which it begins.</param>
/// <param name="Reason">Why, as a sentence.</param>
internal sealed record RejectedRow(long Row, string File, long Line, string Reason);
