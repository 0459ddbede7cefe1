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
    /// <summary>Compares the shard's data with the record.</summary>
    /// <param name="path">The data.</param>
    /// <param name="folder">The folder of the job, for messages.</param>
    /// <param name="withHash">Whether every byte is read, or the size is looked at only.</param>
    /// <exception cref="LlmEmbedException">The data are missing or damaged.</exception>
    public void CheckData(string path, JobFolder folder, bool withHash)
    {
        if (!File.Exists(path)) throw Damaged(path, folder, "the file is missing, though the record of its shard is there");
        if (new FileInfo(path).Length is var bytes && bytes != Bytes)
            throw Damaged(path, folder, $"the file is damaged: it has {bytes:N0} bytes, and its record says {Bytes:N0}");
        if (withHash) CheckHash(path, folder, Sha256);
    }

    /// <summary>Compares the shard's bad rows with the record.</summary>
    /// <exception cref="LlmEmbedException">They are missing or damaged.</exception>
    public void CheckRejected(JobFolder folder)
    {
        if (RejectedSha256 is string hash) CheckHash(folder.Rejected(Shard), folder, hash);
    }

    private void CheckHash(string path, JobFolder folder, string expected)
    {
        if (FileHash.Of(path) is var found && found != expected)
            throw Damaged(path, folder, $"the file is damaged: its SHA-256 is {found}, and its record says {expected}");
    }

    /// <summary>What is wrong with a file of the shard, and how the shard is computed again.</summary>
    public LlmEmbedException Damaged(string path, JobFolder folder, string problem) =>
        FileProblem.In(path, $"{problem}. llmembed job run {folder.Path} --shard {Shard} --again computes the shard again.");

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
