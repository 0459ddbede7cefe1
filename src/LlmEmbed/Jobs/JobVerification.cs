using LlmEmbed.Reading;

namespace LlmEmbed.Jobs;

/// <summary>Compares the data of complete shards with their records, and if asked with what is computed again.</summary>
internal sealed class JobVerification(JobFolder folder, JobPlan plan, Work work)
{
    private readonly string _id = plan.Id, _extension = plan.Work.Extension;

    /// <returns>A sentence for each shard with which something is wrong.</returns>
    public IReadOnlyList<string> Run(bool deep, RuntimeOptions runtime)
    {
        if (deep && plan.Bits.DifferenceHere() is string difference)
            throw new LlmEmbedException(
                $"{folder.Path}: {difference}, so that units computed here would differ in their last bits. Verify without --deep, or on a machine " +
                "of the plan's kind.")
            { FilePath = folder.Path, Kind = ProblemKind.Mismatch };
        using OpenBackbones backbones = new(runtime);
        // What a training reads was added to a store, where a unit that is computed again would be added once more.
        using IUnitWorker? worker = deep && plan.Work is not TrainWork ? plan.Work.Open(folder, plan, backbones, work) : null;
        List<string> problems = [];
        int[] shards = [.. folder.With(".done.json").Where(shard => shard < plan.Shards.Count).Order()];
        foreach ((int index, int shard) in shards.Index())
        {
            work.CancellationToken.ThrowIfCancellationRequested();
            if (ProblemOf(shard, worker) is string problem)
                problems.Add(problem);
            work.Progress?.Report(new WorkProgress("Verifying", index + 1, shards.Length, "shards"));
        }
        return problems;
    }

    private string? ProblemOf(int shard, IUnitWorker? worker)
    {
        try
        {
            ShardRecord record = ShardRecord.Read(folder, shard, _id);
            record.CheckData(folder.Data(shard, _extension), folder, withHash: true);
            record.CheckRejected(folder);
            if (worker is not null && record.Difference is null) CheckUnit(shard, record, worker);
            return null;
        }
        catch (LlmEmbedException exception)
        {
            return exception.Message;
        }
    }

    /// <summary>Computes one unit again and compares its bytes with those in the shard. Which one depends on the shard's number only.</summary>
    private void CheckUnit(int shard, ShardRecord record, IUnitWorker worker)
    {
        int place = (int)new Data.DeterministicRandom((ulong)shard).Next(record.UnitBytes.Count);
        JobUnit unit = JobRows.UnitsOf(folder, plan, shard).ElementAt(place);
        string trial = Path.Combine(Path.GetTempPath(), $"{Guid.NewGuid():N}{_extension}"), data = folder.Data(shard, _extension);
        try
        {
            worker.Prepare(unit, work.CancellationToken)().Write(trial);
            (long offset, long length) = worker.ContentOf(trial);
            long inShard = worker.ContentOf(data).Offset + record.UnitBytes.Take(place).Sum();
            if (length != record.UnitBytes[place] || !AreSame(trial, offset, data, inShard, length))
                throw record.Damaged(
                    data,
                    folder,
                    $"unit {unit.Number} (rows {unit.FirstRow} to {unit.FirstRow + unit.Rows.Count - 1}) has other bytes than computed here");
        }
        finally
        {
            File.Delete(trial);
        }
    }

    private static bool AreSame(string first, long firstOffset, string second, long secondOffset, long length)
    {
        const int BlockBytes = 1 << 20;
        using FileStream one = File.OpenRead(first), other = File.OpenRead(second);
        (one.Position, other.Position) = (firstOffset, secondOffset);
        byte[] mine = new byte[BlockBytes], theirs = new byte[BlockBytes];
        for (int count; length > 0; length -= count)
        {
            count = (int)Math.Min(BlockBytes, length);
            one.ReadExactly(mine, 0, count);
            other.ReadExactly(theirs, 0, count);
            if (!mine.AsSpan(0, count).SequenceEqual(theirs.AsSpan(0, count))) return false;
        }
        return true;
    }
}
