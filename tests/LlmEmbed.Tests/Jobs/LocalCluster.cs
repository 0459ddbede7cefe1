using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;

namespace LlmEmbed.Tests.Jobs;

/// <summary>
/// Plays Kubernetes on this machine: starts the command of a manifest's pods as processes, an index for each, and does after each failure what the
/// manifest says. Nothing of the manifest is built in: limits, rules and variables are read from it.
/// </summary>
internal sealed class LocalCluster(string yaml) : IDisposable
{
    private readonly JsonNode _spec = YamlText.Read(yaml)!["spec"]!;
    private readonly ConcurrentQueue<(int Index, int ExitCode)> _ends = [];
    private readonly ConcurrentDictionary<int, int> _failures = [];
    private readonly CancellationTokenSource _jobFailed = new();

    /// <summary>Called with each pod that was started: its index, how many pods of the index were started before, and its process.</summary>
    public Action<int, int, Process> Started { get; init; } = (_, _, _) => { };

    /// <summary>Whether a pod that ends is one that the cluster took away, by index and number of pods before.</summary>
    public Func<int, int, bool> IsDisrupted { get; init; } = (_, _) => false;

    public ConcurrentQueue<int> CompletedIndexes { get; } = [];

    public ConcurrentQueue<int> FailedIndexes { get; } = [];

    /// <summary>Whether the job as a whole was given up.</summary>
    public bool HasFailed => _jobFailed.IsCancellationRequested;

    /// <summary>How each pod ended.</summary>
    public IEnumerable<(int Index, int ExitCode)> Ends => _ends;

    /// <summary>What the pods wrote to standard error.</summary>
    public ConcurrentQueue<string> Log { get; } = [];

    public void Run()
    {
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = (int)_spec["parallelism"]! };
        Parallel.For(0, (int)_spec["completions"]!, parallel, (index, loop) =>
        {
            for (int pods = 0; !HasFailed && RunPod(index, pods); pods++)
            {
            }
        });
    }

    public void Dispose() => _jobFailed.Dispose();

    /// <summary>Runs one pod and says whether another one has to follow.</summary>
    private bool RunPod(int index, int before)
    {
        using Process process = Process.Start(Command(index))!;
        process.StandardInput.Close();
        using CancellationTokenRegistration end = _jobFailed.Token.Register(() => process.Kill(entireProcessTree: true));
        Started(index, before, process);
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Log.Enqueue(process.StandardError.ReadToEnd());
        process.WaitForExit();
        output.Wait();
        _ends.Enqueue((index, process.ExitCode));
        if (process.ExitCode == 0)
        {
            CompletedIndexes.Enqueue(index);
            return false;
        }
        return !HasFailed && Act(ActionFor(process.ExitCode, IsDisrupted(index, before)), index);
    }

    private bool Act(string action, int index)
    {
        switch (action)
        {
            case "Ignore":
                return true;
            case "FailJob":
                _jobFailed.Cancel();
                return false;
            case "Count" when _failures.AddOrUpdate(index, 1, (_, count) => count + 1) <= (int)_spec["backoffLimitPerIndex"]!:
                return true;
            default:
                FailedIndexes.Enqueue(index);
                if (FailedIndexes.Count > (int)_spec["maxFailedIndexes"]!) _jobFailed.Cancel();
                return false;
        }
    }

    /// <summary>What the first rule says that matches; failures that none matches are counted.</summary>
    private string ActionFor(int exitCode, bool isDisrupted)
    {
        foreach (JsonNode? rule in _spec["podFailurePolicy"]!["rules"]!.AsArray())
        {
            bool isMatch = rule!["onExitCodes"] is { } codes
                ? (string?)codes["operator"] == "In" == codes["values"]!.AsArray().Any(value => (int)value! == exitCode)
                : isDisrupted && rule["onPodConditions"]!.AsArray().Any(pattern => (string?)pattern!["type"] == "DisruptionTarget");
            if (isMatch) return (string)rule["action"]!;
        }
        return "Count";
    }

    private ProcessStartInfo Command(int index)
    {
        JsonNode container = _spec["template"]!["spec"]!["containers"]![0]!;
        string[] words = [.. container["command"]!.AsArray().Select(word => Unescaped((string)word!))];
        ProcessStartInfo start = new(words[0], words[1..])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (JsonNode? variable in container["env"]?.AsArray() ?? [])
            start.Environment[(string)variable!["name"]!] = Unescaped((string)variable["value"]!);
        start.Environment["JOB_COMPLETION_INDEX"] = index.ToString(CultureInfo.InvariantCulture);
        return start;
    }

    /// <summary>Kubernetes takes two dollars for one. References to variables do not occur in manifests of ours.</summary>
    private static string Unescaped(string text) => text.Replace("$$", "$", StringComparison.Ordinal);
}
