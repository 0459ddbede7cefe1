using System.Globalization;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// What a job takes on clusters that nobody has at hand: a simulated clock, and what files cost as <see cref="JobCalls"/> counts it on the real tool.
/// </summary>
internal sealed class ClusterSimulation
{
    /// <summary>Tokens of a unit, as its 120,000 characters give them in English.</summary>
    private const double TokensOfUnit = 30_000;

    /// <summary>Until a claim is written anew, which is one small file where a unit is two.</summary>
    private const double RenewalSeconds = 30;

    /// <summary>The length of a shard that is aimed at.</summary>
    private const double UsualShardSeconds = 20 * 60;

    private static readonly (double Texts, int Nodes)[] Sizes = [(1e8, 100), (1e8, 1000), (1e10, 100), (1e10, 1000)];

    private static readonly string[] Columns =
    [
        "", "shards", "minutes of a shard", "hours", "% of the ideal", "rounds", "processes", "most starts in a minute", "node failures",
        "preemptions", "failed processes", "lost, %", "calls/s", "of these files made, renamed, removed", "files at the end",
    ];

    private readonly double _textsPerSecond;
    private readonly Cluster _usual;
    private readonly JobCalls _process, _shard, _unit;

    private ClusterSimulation(double tokensPerSecond, double tokensPerText, (JobCalls Process, JobCalls Shard, JobCalls Unit) calls)
    {
        _textsPerSecond = tokensPerSecond / tokensPerText;
        (_process, _shard, _unit) = calls;
        _usual = new() { Nodes = 1, Shards = 1, ShardSeconds = UsualShardSeconds, UnitSeconds = TokensOfUnit / tokensPerSecond };
    }

    /// <param name="tokensPerSecond">What one node computes.</param>
    /// <param name="tokensPerText">Tokens of an average text.</param>
    public static int Run(double tokensPerSecond, double tokensPerText)
    {
        (JobCalls Process, JobCalls Shard, JobCalls Unit) calls = JobCalls.Measure();
        JobCalls.Print("What `llmembed job run` asks of the file system that holds job, input and model, as strace counts it.",
            ("for each process", calls.Process), ("for each shard", calls.Shard), ("for each unit", calls.Unit));
        ClusterSimulation simulation = new(tokensPerSecond, tokensPerText, calls);
        Cluster usual = simulation._usual;
        Console.WriteLine();
        Bench.Table(
            $"Nodes of {Show(simulation._textsPerSecond)} texts/s, units of {Show(usual.UnitSeconds, "0.0")} s. A node fails each " +
                $"{Show(usual.FailureHours)} hours and is away for {Show(usual.RepairHours)}; it is taken away " +
                $"{Show(usual.PreemptionsPerNodeHour, "0.##")} times an hour; {Show(100 * usual.FailedShare, "0.#")} % of the shards fail by " +
                "themselves.",
            Columns,
            Sizes.Select(size => simulation.Row(
                $"{Power(size.Texts)} texts on {size.Nodes:N0} nodes",
                size.Texts,
                usual with { Nodes = size.Nodes, ShardSeconds = ShardSeconds(size) })));
        (double texts, int nodes) = Sizes[^1];
        Console.WriteLine();
        return Bench.Table(
            $"{Power(texts)} texts on {nodes:N0} nodes, with one thing changed at a time.",
            Columns,
            Variants(usual with { Nodes = nodes }).Select(variant => simulation.Row(variant.Name, texts, variant.Cluster)));

        // Few shards for each node leave nodes idle at the end.
        double ShardSeconds((double Texts, int Nodes) size) =>
            Math.Clamp(size.Texts / size.Nodes / simulation._textsPerSecond / 5, 60, UsualShardSeconds);
    }

    private static IEnumerable<(string Name, Cluster Cluster)> Variants(Cluster usual)
    {
        foreach (double minutes in new[] { 2.0, 5, 10, 30, 60, 240 })
            yield return ($"shards of {minutes} minutes", usual with { ShardSeconds = 60 * minutes });
        yield return ("a failure each 100 hours", usual with { FailureHours = 100 });
        yield return ("a preemption each hour", usual with { PreemptionsPerNodeHour = 1 });
        yield return ("5 % of the shards fail by themselves", usual with { FailedShare = 0.05 });
        yield return ("10 starts a minute", usual with { StartsPerMinute = 10 });
        yield return ("10 starts a minute, 6 shards for each task", usual with { StartsPerMinute = 10, ShardsPerTask = 6 });
        yield return ("nothing is kept of a shard that is not finished", usual with { UnitSeconds = usual.ShardSeconds });
        yield return ("nothing ever fails", usual with { FailureHours = 1e9, PreemptionsPerNodeHour = 1e-9, FailedShare = 0 });
    }

    private string[] Row(string name, double texts, Cluster cluster)
    {
        double computing = texts / _textsPerSecond, ideal = computing / cluster.Nodes;
        cluster = cluster with { Shards = (int)Math.Ceiling(computing / cluster.ShardSeconds) };
        ClusterRun run = ClusterClock.Run(cluster);
        double units = computing / cluster.UnitSeconds, renewals = (computing + run.LostSeconds) / RenewalSeconds;
        JobCalls calls = run.Processes * _process + run.ShardsBegun * _shard + (units + renewals / 2) * _unit;
        return
        [
            name, Show(cluster.Shards), Show(cluster.ShardSeconds / 60, "0.#"), Show(run.Seconds / 3600, "0.00"),
            Show(100 * ideal / run.Seconds, "0"), Show(run.Rounds), Show(run.Processes), Show(run.MostStartsInAMinute), Show(run.NodeFailures),
            Show(run.Preemptions), Show(run.OtherFailures), Show(100 * run.LostSeconds / computing, "0.00"), Show(calls.Sum / run.Seconds),
            Show(calls.Changes / run.Seconds), Show(2.0 * cluster.Shards + 1),
        ];
    }

    private static string Show(double value, string format = "N0") => value.ToString(format, CultureInfo.InvariantCulture);

    private static string Power(double value) => $"10{(value == 1e8 ? "⁸" : "¹⁰")}";
}
