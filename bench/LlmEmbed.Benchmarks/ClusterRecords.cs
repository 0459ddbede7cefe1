using System.Text.Json;
using LlmEmbed.Jobs;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// The simulated clock with a real job: each process of the clock computes, leaves and resumes shards of texts that cost hardly anything, with the
/// real plan and the real records. After each, the job must miss the shards that the clock says. What the job asked of the file system is counted,
/// and set beside what <see cref="ClusterSimulation"/> computes from the costs of one process, shard and unit.
/// </summary>
internal static class ClusterRecords
{
    private const int UnitsOfShard = 2;

    public static int Run(int shards)
    {
        (JobCalls process, JobCalls shard, JobCalls unit) = JobCalls.Measure();
        DirectoryInfo shared = Directory.CreateTempSubdirectory("llmembed-bench-");
        try
        {
            TinyJob tiny = new(shared, shards, UnitsOfShard * shards);
            (JobCalls counted, string output) =
                JobCalls.Of(shared.FullName, typeof(ClusterRecords).Assembly.Location, "cluster-records-of", tiny.Job.Folder);
            ClusterRun run = JsonSerializer.Deserialize<ClusterRun>(output)!;
            JobCalls computed = run.Processes * process + run.ShardsBegun * shard + UnitsOfShard * shards * unit;
            string[] files = Directory.GetFiles(tiny.Job.Folder, "*", SearchOption.AllDirectories);
            return JobCalls.Print(
                $"A job of {shards:N0} shards of {UnitsOfShard} units, with real files and a simulated clock of {run.Seconds / 3600:0.0} hours: " +
                    $"{run.Processes:N0} processes in {run.Rounds} rounds; {run.NodeFailures} ended with their node, {run.Preemptions} were taken " +
                    $"away, {run.OtherFailures} failed; {run.ShardsBegun:N0} times a shard was begun or resumed. Left are {files.Length:N0} files " +
                    $"of {Megabytes(files):0.0} MB, of which the plan has {Megabytes(tiny.Plan):0.00} MB.",
                ("counted", counted),
                ("computed from one process, shard and unit", computed));
        }
        finally
        {
            shared.Delete(recursive: true);
        }
    }

    /// <summary>What runs under strace.</summary>
    public static int RunJob(string folder)
    {
        Job job = Job.Open(folder);
        Cluster cluster = new()
        {
            Nodes = job.ShardCount / 20,
            Shards = job.ShardCount,
            ShardsPerTask = 4,
            ShardSeconds = 20 * 60,
            UnitSeconds = 20 * 60 / UnitsOfShard,
            FailureHours = 20,
            PreemptionsPerNodeHour = 0.5,
            FailedShare = 0.01,
        };
        HashSet<int> missing = [.. Enumerable.Range(0, job.ShardCount)];
        ClusterRun run = ClusterClock.Run(cluster, end =>
        {
            Compute(job, end);
            missing.ExceptWith(end.Finished);
            if (!job.Missing().SequenceEqual(missing.Order()))
                throw new InvalidOperationException($"The job misses {job.Missing().Count} shards, and the clock says {missing.Count}.");
        });
        Console.WriteLine(JsonSerializer.Serialize(run));
        return 0;
    }

    private static double Megabytes(params string[] files) => files.Sum(file => new FileInfo(file).Length) / 1e6;

    private static void Compute(Job job, ProcessEnd end)
    {
        int? begun = end.UnitsOfBegun > 0 ? end.Begun : null;
        int[] shards = [.. end.Finished, .. begun is int shard ? new[] { shard } : []];
        if (shards.Length == 0) return;
        try
        {
            job.Run(new() { Shards = shards }, progress: new EndAfter($"Shard {begun}", end.UnitsOfBegun));
        }
        catch (ProcessEndedException)
        {
            // What it finished is kept.
        }
    }

    /// <summary>Ends the work on a shard after so many units.</summary>
    private sealed class EndAfter(string stage, int units) : IProgress<WorkProgress>
    {
        private int _units;

        public void Report(WorkProgress value)
        {
            if (value.Stage == stage && ++_units == units) throw new ProcessEndedException();
        }
    }

    private sealed class ProcessEndedException : Exception;
}
