using System.Text.Json;
using LlmEmbed.Files;
using LlmEmbed.Reading;

namespace LlmEmbed.Jobs;

/// <summary>A process at work on shards: it opens the model once, when the first shard has to be computed.</summary>
internal sealed class JobWorker(JobFolder folder, JobPlan plan, JobRunOptions options, RuntimeOptions runtime, Work work) : IDisposable
{
    private readonly string _id = plan.Id;
    private readonly OpenBackbones _backbones = new(runtime);
    private readonly List<int> _computed = [], _doneBefore = [], _byOthers = [];
    private long _rows, _rejected;
    private IUnitWorker? _worker;
    private LlmEmbedException? _problem;

    /// <exception cref="LlmEmbedException">A shard failed.</exception>
    public JobRun Run()
    {
        string? difference = plan.Bits.DifferenceHere();
        if (difference is not null && !options.AcceptDifferences)
            throw new LlmEmbedException(
                $"{folder.Path}: {difference}, so that the last bits of the results would differ. Run on machines of one kind with one version, or " +
                "accept it with --accept-differences.")
            { FilePath = folder.Path, Kind = ProblemKind.Mismatch };
        foreach (int shard in options.Shards ?? [.. Enumerable.Range(0, plan.Shards.Count)])
        {
            work.CancellationToken.ThrowIfCancellationRequested();
            Compute(shard, difference);
        }
        return _problem is null ? new JobRun(_computed, _doneBefore, _byOthers, _rows, _rejected) : throw _problem;
    }

    public void Dispose()
    {
        _worker?.Dispose();
        _backbones.Dispose();
    }

    private void Compute(int shard, string? difference)
    {
        if (IsDone(shard))
        {
            _doneBefore.Add(shard);
            return;
        }
        try
        {
            FileProblem.WhenWriting(folder.Shards, Directory.CreateDirectory);
            using ShardClaim? claim = ShardClaim.Take(folder, shard, evenIfClaimed: options.Shards is not null);
            if (claim is null) _byOthers.Add(shard);
            else if (IsDone(shard)) _doneBefore.Add(shard);
            else Compute(shard, claim.Attempt, difference);
        }
        catch (Exception exception) when (exception is LlmEmbedException or IOException && IsCompletedByAnother(shard))
        {
            _doneBefore.Add(shard);
        }
        catch (LlmEmbedException exception)
        {
            throw ProblemOf(exception); // such as a full disk on which no claim can be written
        }
    }

    /// <summary>Whether another process completed the shard meanwhile and removed the units that this one missed.</summary>
    private bool IsCompletedByAnother(int shard) => !options.Again && File.Exists(folder.Done(shard));

    /// <summary>A record that cannot be read is an error and not "missing", since the shard's data may be sound.</summary>
    private bool IsDone(int shard) => !options.Again && File.Exists(folder.Done(shard)) && ShardRecord.Read(folder, shard, _id) is not null;

    private void Compute(int shard, int attempt, string? difference)
    {
        try
        {
            _worker ??= plan.Work.Open(folder, plan, _backbones, work);
            ShardRecord record = new ShardRun(folder, plan, shard, _worker, attempt, work).Run(difference);
            _computed.Add(shard);
            _rows += record.Rows + record.Rejected;
            _rejected += record.Rejected;
        }
        catch (Exception exception) when (
            exception is LlmEmbedException or IOException or UnauthorizedAccessException && !IsCompletedByAnother(shard))
        {
            LlmEmbedException problem = ProblemOf(exception);
            Remember(shard, attempt, problem);
            _problem ??= problem;
            // Other shards would meet the same disk and the same model.
            if (problem.Kind == ProblemKind.MayPass || _worker is null) throw problem;
        }
    }

    private static LlmEmbedException ProblemOf(Exception exception)
    {
        LlmEmbedException problem = exception as LlmEmbedException ?? new LlmEmbedException(exception.Message, exception);
        if (problem.Kind != ProblemKind.BadInput || !FileProblem.MayPass(problem.InnerException)) return problem;
        return new LlmEmbedException($"{problem.Message} Finished units are kept; the same command goes on after them.", problem.InnerException)
        {
            FilePath = problem.FilePath,
            LineNumber = problem.LineNumber,
            Kind = ProblemKind.MayPass,
        };
    }

    private void Remember(int shard, int attempt, LlmEmbedException problem)
    {
        ShardFailure failure = new(attempt, problem.Kind, problem.Message, Environment.MachineName, DateTime.UtcNow);
        try
        {
            AtomicFile.WriteText(folder.Failed(shard), JsonSerializer.Serialize(failure, JobPlan.Json.Of<ShardFailure>()) + "\n");
        }
        catch (LlmEmbedException)
        {
            // The disk that failed may be this one. The problem itself is said in any case.
        }
    }
}
