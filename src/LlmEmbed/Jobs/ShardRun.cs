using System.Diagnostics;

using System.Text.Json;
using LlmEmbed.Data;
using LlmEmbed.Files;
using LlmEmbed.Reading;

namespace LlmEmbed.Jobs;

/// <summary>
/// Computes one shard: unit after unit, each of which is kept as soon as it is finished, then the shard's data, and at last the record that says that
/// it is complete. Whatever ends it, the next attempt goes on after the last unit that was finished.
/// </summary>
internal sealed class ShardRun(JobFolder folder, JobPlan plan, int shard, IUnitWorker worker, int attempt, Work work)
{
    private static readonly JsonSerializerOptions Lines = new(JobPlan.Json) { WriteIndented = false };

    private readonly string _extension = plan.Work.Extension;

    /// <param name="difference">What differs from the plan and was accepted; null if nothing does.</param>
    /// <exception cref="LlmEmbedException">The input changed, or a file cannot be read or written.</exception>
    public ShardRecord Run(string? difference)
    {
        JobRows.Check(folder, plan, shard);
        Directory.CreateDirectory(folder.Units(shard));
        ComputeUnits();
        ShardRecord record = Join() with { Difference = difference };
        AtomicFile.WriteText(folder.Done(shard), JsonSerializer.Serialize(record, JobPlan.Json.Of<ShardRecord>()) + "\n");
        ShardClaim.TryDelete(folder.Failed(shard));
        RemoveLeftovers();
        return record;
    }

    private void ComputeUnits()
    {
        UInt128 hash = 0;
        long before = 0; // rows of units that were finished by an earlier attempt
        IEnumerable<JobUnit[]> Missing()
        {
            foreach (JobUnit unit in JobRows.UnitsOf(folder, plan, shard))
            {
                hash = unchecked(hash + unit.Hash());
                if (IsFinished(unit.Number)) before += unit.Rows.Count;
                else yield return [unit];
            }
        }

        long start = Stopwatch.GetTimestamp(), done = 0;
        Report(0, 0);
        foreach ((JobUnit[] units, FinishedUnit finished) in ChunkPipeline.Run(
            Missing(), units => worker.Prepare(units[0], work.CancellationToken), compute => compute(), work.CancellationToken))
        {
            long now = Stopwatch.GetTimestamp();
            Keep(units[0], finished, Stopwatch.GetElapsedTime(start, now).TotalSeconds);
            start = now;
            done += units[0].Rows.Count;
            Report(before + done, before);
        }
        JobRows.CheckHash(folder, plan, shard, hash);
    }

    private void Report(long done, long before) =>
        work.Progress?.Report(new WorkProgress($"Shard {shard}", done, plan.Shards[shard].Rows, "rows", before));

    private bool IsFinished(long unit) => File.Exists(folder.Unit(shard, unit, ".json"));

    /// <summary>Keeps a unit: its data first, then what says that it is finished.</summary>
    private void Keep(JobUnit unit, FinishedUnit finished, double seconds)
    {
        finished.Write(folder.Unit(shard, unit.Number, _extension));
        RejectedRow[] rejected =
        [
            .. finished.Rejected.Select(bad => new RejectedRow(
                unit.FirstRow + bad.Row, plan.Inputs[unit.Rows[bad.Row].File].Path, unit.Rows[bad.Row].Position.LineNumber, bad.Reason)),
        ];
        UnitRecord record = new(unit.Rows.Count - rejected.Length, rejected, finished.Empty, finished.Truncated, Math.Round(seconds, 3));
        AtomicFile.WriteText(folder.Unit(shard, unit.Number, ".json"), JsonSerializer.Serialize(record, Lines.Of<UnitRecord>()));
    }

    private ShardRecord Join()
    {
        JobShard range = plan.Shards[shard];
        long[] numbers = [.. Enumerable.Range(0, checked((int)range.Units)).Select(unit => range.Unit + unit)];
        string[] units = [.. numbers.Select(unit => folder.Unit(shard, unit, _extension))];
        string data = folder.Data(shard, _extension);
        worker.Join(data, units);
        UnitRecord sum = JoinRecords(numbers, out long rejected);
        return new ShardRecord(
            plan.Id,
            shard,
            sum.Rows,
            rejected,
            sum.Empty,
            sum.Truncated,
            new FileInfo(data).Length,
            FileHash.Of(data),
            rejected > 0 ? FileHash.Of(folder.Rejected(shard)) : null,
            [.. units.Select(unit => worker.ContentOf(unit).Length)],
            Math.Round(sum.Seconds, 3),
            Environment.MachineName,
            attempt,
            Difference: null);
    }

    /// <summary>Adds up what the units say, and writes their bad rows one after the other if there are any.</summary>
    private UnitRecord JoinRecords(long[] units, out long rejected)
    {
        UnitRecord sum = new(0, [], 0, 0, 0);
        rejected = 0;
        using AtomicFile file = new(folder.Rejected(shard));
        foreach (long unit in units)
        {
            UnitRecord record = JobFile.Read<UnitRecord>(folder.Unit(shard, unit, ".json"), "Remove it to have the unit computed again.");
            sum = new(
                sum.Rows + record.Rows, [], sum.Empty + record.Empty, sum.Truncated + record.Truncated, sum.Seconds + record.Seconds);
            foreach (RejectedRow row in record.Rejected)
                file.Write([.. JsonSerializer.SerializeToUtf8Bytes(row, Lines.Of<RejectedRow>()), (byte)'\n']);
            rejected += record.Rejected.Count;
        }
        if (rejected > 0) file.Commit();
        return sum;
    }

    /// <summary>Removes units and what killed processes left. What cannot be removed is no longer needed and does no harm.</summary>
    private void RemoveLeftovers()
    {
        try
        {
            Directory.Delete(folder.Units(shard), recursive: true);
            foreach (string left in Directory.EnumerateFiles(folder.Shards, $"{shard:D6}.*{AtomicFile.TemporarySuffix}")) ShardClaim.TryDelete(left);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            // Another process at the same shard may just be writing there.
        }
    }
}
