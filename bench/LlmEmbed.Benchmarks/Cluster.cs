namespace LlmEmbed.Benchmarks;

/// <summary>A job of many shards on the nodes of a cluster that fail, are taken away and wait for their turn.</summary>
internal sealed record Cluster
{
    public required int Nodes { get; init; }

    public required int Shards { get; init; }

    /// <summary>Seconds that a shard takes on an average node.</summary>
    public required double ShardSeconds { get; init; }

    /// <summary>What a process that dies has computed in vain, at most.</summary>
    public required double UnitSeconds { get; init; }

    /// <summary>From the start of a process to its first text.</summary>
    public double StartSeconds { get; init; } = 2;

    /// <summary>Shards that one process works on, one after the other.</summary>
    public int ShardsPerTask { get; init; } = 1;

    /// <summary>Mean time between two failures of a node.</summary>
    public double FailureHours { get; init; } = 1000;

    /// <summary>How long a node that failed is away.</summary>
    public double RepairHours { get; init; } = 4;

    /// <summary>How often a node is taken away for somebody else's work.</summary>
    public double PreemptionsPerNodeHour { get; init; } = 0.05;

    /// <summary>
    /// The share of shards whose process ends for a reason that the scheduler does not repair by itself (memory, a disk or network error), so that
    /// the shard waits for the next round of <c>job retry</c>.
    /// </summary>
    public double FailedShare { get; init; } = 0.002;

    /// <summary>Until the scheduler starts a task again whose node failed or was taken away.</summary>
    public double RequeueSeconds { get; init; } = 120;

    /// <summary>Processes that the site lets start in a minute.</summary>
    public double StartsPerMinute { get; init; } = double.PositiveInfinity;

    /// <summary>Standard deviation of the logarithm of the nodes' speeds.</summary>
    public double SpeedSpread { get; init; } = 0.05;

    public int Seed { get; init; } = 1;
}

/// <summary>What happened.</summary>
internal sealed record ClusterRun
{
    public double Seconds { get; set; }

    /// <summary>Submissions of missing shards: the first one and one for each <c>job retry</c> that had something to do.</summary>
    public int Rounds { get; set; }

    /// <summary>Processes that were started.</summary>
    public long Processes { get; set; }

    /// <summary>How often a shard was begun or taken up again.</summary>
    public long ShardsBegun { get; set; }

    public long NodeFailures { get; set; }

    public long Preemptions { get; set; }

    public long OtherFailures { get; set; }

    /// <summary>Seconds of nodes that gave nothing: starts, and units that were not finished.</summary>
    public double LostSeconds { get; set; }

    public double MostStartsInAMinute { get; set; }
}

/// <summary>What a process leaves.</summary>
/// <param name="Finished">The shards that it finished.</param>
/// <param name="Begun">The shard that it left unfinished; null if it was not within one.</param>
/// <param name="UnitsOfBegun">Units of that one that it finished.</param>
internal sealed record ProcessEnd(IReadOnlyList<int> Finished, int? Begun, int UnitsOfBegun);

/// <summary>
/// The clock of a cluster. A process lives on its node until it is done or something ends it; the time to the next failure of a node does not depend
/// on the past, so that one event for each process is enough.
/// </summary>
internal sealed class ClusterClock
{
    private enum End
    {
        Done,
        NodeFailed,
        Preempted,
        Failed,
    }

    private readonly Cluster _cluster;
    private readonly Random _random;
    private readonly ClusterRun _run = new();

    /// <summary>Seconds of finished units of each shard; a finished shard has all.</summary>
    private readonly double[] _progress;
    private readonly PriorityQueue<int, double> _nodes = new();
    private readonly double[] _speeds;
    private readonly List<double> _starts = [];
    private readonly Action<ProcessEnd> _tell;

    private ClusterClock(Cluster cluster, Action<ProcessEnd> tell)
    {
        _cluster = cluster;
        _tell = tell;
        _random = new Random(cluster.Seed);
        _progress = new double[cluster.Shards];
        _speeds = [.. Enumerable.Range(0, cluster.Nodes).Select(_ => Math.Exp(cluster.SpeedSpread * Normal()))];
    }

    /// <summary>Lets the clock run until every shard is done.</summary>
    /// <param name="cluster">The cluster.</param>
    /// <param name="tell">Is told what each process did, in the order in which they start.</param>
    public static ClusterRun Run(Cluster cluster, Action<ProcessEnd>? tell = null)
    {
        ClusterClock clock = new(cluster, tell ?? (_ => { }));
        for (int node = 0; node < cluster.Nodes; node++) clock._nodes.Enqueue(node, 0);
        while (clock._progress.Any(seconds => seconds < cluster.ShardSeconds)) clock.Round();
        clock._run.MostStartsInAMinute = MostWithin(clock._starts, seconds: 60);
        return clock._run;
    }

    /// <summary>Submits what is missing and waits until the scheduler has nothing to do any more.</summary>
    private void Round()
    {
        _run.Rounds++;
        double submitted = _run.Seconds, allowed = submitted;
        PriorityQueue<int, double> waiting = new();
        for (int task = 0; task * _cluster.ShardsPerTask < _cluster.Shards; task++)
            if (Missing(task).Any()) waiting.Enqueue(task, submitted);
        // Each event is the moment at which a process ends; what it means for its task and its node is known when it starts.
        while (waiting.TryDequeue(out int task, out double ready))
        {
            _nodes.TryDequeue(out int node, out double free);
            double start = Math.Max(Math.Max(ready, free), allowed);
            allowed = start + 60 / _cluster.StartsPerMinute;
            _starts.Add(start);
            (End end, double seconds) = Live(task, node);
            double ended = start + seconds;
            _run.Seconds = Math.Max(_run.Seconds, ended);
            _nodes.Enqueue(node, ended + (end == End.NodeFailed ? 3600 * _cluster.RepairHours : 0));
            if (end is End.NodeFailed or End.Preempted) waiting.Enqueue(task, ended + _cluster.RequeueSeconds);
        }
    }

    /// <summary>A process from its start to its end.</summary>
    private (End, double Seconds) Live(int task, int node)
    {
        _run.Processes++;
        double speed = _speeds[node];
        int[] missing = [.. Missing(task)];
        double needed = _cluster.StartSeconds + missing.Sum(shard => _cluster.ShardSeconds - _progress[shard]) / speed;
        double failure = Exponential(3600 * _cluster.FailureHours), preemption = Exponential(3600 / _cluster.PreemptionsPerNodeHour);
        double other = _random.NextDouble() < _cluster.FailedShare * missing.Length ? needed * _random.NextDouble() : double.PositiveInfinity;
        double lived = Math.Min(Math.Min(needed, failure), Math.Min(preemption, other));
        End end = lived == needed ? End.Done : lived == failure ? End.NodeFailed : lived == preemption ? End.Preempted : End.Failed;
        if (end == End.NodeFailed) _run.NodeFailures++;
        if (end == End.Preempted) _run.Preemptions++;
        if (end == End.Failed) _run.OtherFailures++;
        _run.LostSeconds += lived - Work(missing, end == End.Done ? double.PositiveInfinity : (lived - _cluster.StartSeconds) * speed) / speed;
        return (end, lived);
    }

    /// <summary>Gives shards the finished units of so many seconds.</summary>
    /// <returns>The seconds that count.</returns>
    private double Work(int[] missing, double seconds)
    {
        List<int> finished = [];
        ProcessEnd end = new(finished, Begun: null, UnitsOfBegun: 0);
        double counted = 0;
        foreach (int shard in missing.TakeWhile(_ => seconds > 0))
        {
            _run.ShardsBegun++;
            double left = _cluster.ShardSeconds - _progress[shard];
            double done = seconds >= left ? left : Math.Floor(seconds / _cluster.UnitSeconds) * _cluster.UnitSeconds;
            _progress[shard] = seconds >= left ? _cluster.ShardSeconds : _progress[shard] + done;
            if (seconds >= left) finished.Add(shard);
            else end = end with { Begun = shard, UnitsOfBegun = (int)Math.Round(done / _cluster.UnitSeconds) };
            counted += done;
            seconds -= left;
        }
        _tell(end);
        return counted;
    }

    private IEnumerable<int> Missing(int task) =>
        Enumerable.Range(task * _cluster.ShardsPerTask, Math.Min(_cluster.ShardsPerTask, _cluster.Shards - task * _cluster.ShardsPerTask))
            .Where(shard => _progress[shard] < _cluster.ShardSeconds);

    private double Exponential(double mean) => -mean * Math.Log(1 - _random.NextDouble());

    private double Normal() =>
        Math.Sqrt(-2 * Math.Log(1 - _random.NextDouble())) * Math.Cos(2 * Math.PI * _random.NextDouble());

    private static int MostWithin(List<double> times, double seconds)
    {
        times.Sort();
        int most = 0;
        for (int first = 0, last = 0; last < times.Count; last++)
        {
            while (times[last] - times[first] > seconds) first++;
            most = Math.Max(most, last - first + 1);
        }
        return most;
    }
}
