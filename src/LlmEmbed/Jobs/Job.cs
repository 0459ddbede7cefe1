using LlmEmbed.Files;
using LlmEmbed.Reading;

namespace LlmEmbed.Jobs;

/// <summary>
/// Work on more texts than one process can do in time, cut into shards that any number of processes compute on any number of machines with a shared
/// folder: <c>plan.json</c> says what every shard is, each process computes some of them, and the results are merged. The bytes of the result do not
/// depend on the number of shards, on their order, or on what was killed on the way.
/// </summary>
/// <example>
/// <code>
/// Job job = Job.Plan(new JobOptions { Inputs = ["texts.csv"], Task = new JobTask.Predict("my-model"), Shards = 8 }, "job");
/// job.Run();
/// job.Merge("predictions.csv");
/// </code>
/// </example>
public sealed class Job
{
    /// <summary>What stands behind the name of a merged file in the name of the file with its bad rows.</summary>
    public const string RejectedSuffix = ".rejected.jsonl";

    private readonly JobFolder _folder;
    private readonly JobPlan _plan;
    private readonly string _id;

    private Job(JobFolder folder, JobPlan plan) => (_folder, _plan, _id) = (folder, plan, plan.Id);

    /// <summary>The folder.</summary>
    public string Folder => _folder.Path;

    /// <summary>The number of shards.</summary>
    public int ShardCount => _plan.Shards.Count;

    /// <summary>The rows of the whole input.</summary>
    public long Rows => _plan.Rows;

    /// <summary>The files of the input, with their rows.</summary>
    public IReadOnlyList<(string Path, long Rows)> Inputs => [.. _plan.Inputs.Select(input => (_folder.Resolve(input.Path), input.Rows))];

    /// <summary>What the job was expected to take when it was planned.</summary>
    public JobEstimate Estimate => _plan.Estimate ?? new JobEstimate(Rows, 0, 0, 0);

    /// <summary>The folder of embeddings that a job for a training fills; null for other jobs.</summary>
    public string? Store => _plan.Work is TrainWork train ? _folder.Resolve(train.Store) : null;

    /// <summary>Reads the input once, measures the rate on a sample of it, and writes the plan. The same plan may be there already.</summary>
    /// <param name="options">What is to be done.</param>
    /// <param name="folder">The folder of the job, made where it is missing.</param>
    /// <param name="runtime">How backbones run here; its memory limit becomes part of the plan. Null takes the defaults.</param>
    /// <param name="progress">Told how far the reading is.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <exception cref="LlmEmbedException">An input, the model or the folder cannot be used, or another plan lies there.</exception>
    public static Job Plan(
        JobOptions options,
        string folder,
        RuntimeOptions? runtime = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        ArgumentNullException.ThrowIfNull(folder);
        AtomicFile.RequireWritableFolder(folder);
        JobFolder place = new(folder);
        using OpenBackbones backbones = new(WithoutStore(runtime));
        JobPlan plan = new JobPlanner(options, place, backbones, new Work(progress, cancellationToken)).Make();
        FileProblem.WhenWriting(place.Shards, Directory.CreateDirectory);
        if (AtomicFile.WriteTextIfAbsent(place.Plan, plan.ToJson())) return new Job(place, plan);
        JobPlan there = JobPlan.Read(place.Plan);
        if (plan.DifferenceFrom(there) is not string difference) return new Job(place, there);
        throw new LlmEmbedException($"{place.Plan} is there already, and this plan is another one: {difference}. Name another folder for it.")
        {
            FilePath = place.Plan,
            Kind = ProblemKind.Mismatch,
        };
    }

    /// <summary>Opens a job that was planned.</summary>
    /// <exception cref="LlmEmbedException">The folder holds no plan, or one that is damaged or newer.</exception>
    public static Job Open(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        JobFolder place = new(folder);
        return new Job(place, JobPlan.Read(place.Plan));
    }

    /// <summary>The shards that are not complete, ascending.</summary>
    public IReadOnlyList<int> Missing()
    {
        IReadOnlySet<int> done = _folder.With(".done.json");
        return [.. Enumerable.Range(0, ShardCount).Where(shard => !done.Contains(shard))];
    }

    /// <summary>How far the job is.</summary>
    /// <exception cref="LlmEmbedException">A record is damaged.</exception>
    public JobStatus Status()
    {
        IReadOnlySet<int> running = _folder.With(".running.json"), failed = _folder.With(".failed.json"), done = _folder.With(".done.json");
        ShardRecord[] records = [.. done.Where(shard => shard < ShardCount).Order().Select(shard => ShardRecord.Read(_folder, shard, _id))];
        int[] rest = [.. Enumerable.Range(0, ShardCount).Where(shard => !done.Contains(shard))];
        int[] claimed = [.. rest.Where(shard => running.Contains(shard) && ShardClaim.IsClaimed(_folder, shard))];
        FailedShard[] failures = [.. rest.Except(claimed).Where(failed.Contains).Select(FailureOf).OfType<FailedShard>()];
        long rowsDone = records.Sum(record => record.Rows + record.Rejected);
        double seconds = records.Sum(record => record.Seconds);
        double? rate = rowsDone > 0 && seconds > 0 ? rowsDone / seconds : null;
        return new JobStatus(
            ShardCount,
            [.. records.Select(record => record.Shard)],
            claimed,
            failures,
            [.. rest.Except(claimed).Except(failures.Select(failure => failure.Shard))],
            Rows,
            rowsDone,
            records.Sum(record => record.Rejected),
            rate,
            rate is double rowsPerSecond ? (Rows - rowsDone) / rowsPerSecond / Math.Max(1, claimed.Length) : null);
    }

    /// <summary>Forgets why shards failed, so that they count as missing. What was computed of them is kept.</summary>
    public void ForgetFailures()
    {
        foreach (int shard in _folder.With(".failed.json")) ShardClaim.TryDelete(_folder.Failed(shard));
    }

    /// <summary>
    /// Computes shards. A shard that is complete is skipped; one that was begun is resumed after its last finished unit. A bad row goes to the
    /// shard's rejected rows with its reason. A shard that fails does not keep others from being computed, unless a disk or a network failed.
    /// </summary>
    /// <param name="options">Which shards; null takes the defaults.</param>
    /// <param name="runtime">How backbones run here; the memory limit is that of the plan. Null takes the defaults.</param>
    /// <param name="progress">Told about each unit.</param>
    /// <param name="cancellationToken">Stops at the next batch; finished units are kept.</param>
    /// <exception cref="LlmEmbedException">
    /// A shard failed, or this machine or its software gives other bytes than the plan's; <see cref="LlmEmbedException.Kind"/> says whether it may
    /// help to try again.
    /// </exception>
    public JobRun Run(
        JobRunOptions? options = null,
        RuntimeOptions? runtime = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        options ??= new JobRunOptions();
        if (options.Shards?.Any(shard => shard < 0 || shard >= ShardCount) == true)
            throw new ArgumentOutOfRangeException(nameof(options), $"A shard is outside 0..{ShardCount - 1}.");
        runtime = WithoutStore(runtime) with { MemoryBytes = _plan.Bits.MemoryBytes };
        using JobWorker worker = new(_folder, _plan, options, runtime, new Work(progress, cancellationToken));
        return worker.Run();
    }

    /// <summary>Reads all data of complete shards and compares them with their records.</summary>
    /// <param name="deep">Whether one unit of each shard is also computed again and compared byte for byte.</param>
    /// <param name="runtime">How backbones run here. Null takes the defaults.</param>
    /// <param name="progress">Told about each shard.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>What is wrong, a sentence for each shard that is.</returns>
    public IReadOnlyList<string> Verify(
        bool deep = false, RuntimeOptions? runtime = null, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        runtime = WithoutStore(runtime) with { MemoryBytes = _plan.Bits.MemoryBytes };
        return new JobVerification(_folder, _plan, new Work(progress, cancellationToken)).Run(deep, runtime);
    }

    /// <summary>
    /// Puts the results of all shards together, in the order of the input. Predictions become a table (csv, tsv, jsonl or parquet, by the extension);
    /// embeddings a .safetensors or .npy file, or with .json an index that names the shards without copying them. In a folder predictions become a
    /// table for each file of the input, and embeddings an index. Bad rows, if there are any, are written beside it, with .rejected.jsonl behind its
    /// name.
    /// </summary>
    /// <param name="output">The file to write, or a folder that is there.</param>
    /// <param name="progress">Told about each shard.</param>
    /// <param name="cancellationToken">Stops it; nothing is written then.</param>
    /// <returns>Rows with a result and bad rows.</returns>
    /// <exception cref="LlmEmbedException">A shard is missing or damaged, or the file cannot be written.</exception>
    public (long Rows, long Rejected) Merge(string output, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(output);
        if (Missing() is { Count: > 0 } missing)
            throw new LlmEmbedException(
                $"{Folder}: {missing.Count:N0} of {ShardCount:N0} shards are missing ({ShardRanges.Format(missing)}). Compute them with llmembed " +
                "job run; llmembed job status says why shards failed.")
            { FilePath = Folder };
        ShardRecord[] records = [.. Enumerable.Range(0, ShardCount).Select(shard => ShardRecord.Read(_folder, shard, _id))];
        return new JobMerge(_folder, _plan, records, new Work(progress, cancellationToken)).Write(output);
    }

    /// <summary>Embeddings of a store were computed in other batches, so that their last bits may be others.</summary>
    private static RuntimeOptions WithoutStore(RuntimeOptions? runtime) =>
        (runtime ??= new RuntimeOptions()) with { CacheFolder = null, WeightsFolder = runtime.FolderOfWeights };

    private FailedShard? FailureOf(int shard) => ShardClaim.LastFailure(_folder, shard) is { } failure
        ? new FailedShard(shard, failure.Attempt, failure.Kind, failure.Message, failure.Host)
        : null;
}
