using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace LlmEmbed.Jobs;

/// <summary>What a Kubernetes cluster is asked for.</summary>
public sealed record KubernetesOptions
{
    /// <summary>The name of the Kubernetes Job; a name that exists in the namespace is refused by the cluster.</summary>
    public required string Name { get; init; }

    /// <summary>The image of the container, in which the tool and what it needs are installed.</summary>
    public required string Image { get; init; }

    /// <summary>The namespace; null for the one that kubectl is set to.</summary>
    public string? Namespace { get; init; }

    /// <summary>The words that start the tool in the container.</summary>
    public IReadOnlyList<string> Command { get; init; } = ["llmembed"];

    /// <summary>Arguments of <c>job run</c> in each pod beside the folder, such as <c>--cache</c> and a folder of a volume.</summary>
    public IReadOnlyList<string> RunArguments { get; init; } = [];

    /// <summary>Shards that each pod computes one after the other.</summary>
    public int ShardsPerTask { get; init; } = 1;

    /// <summary>Pods that run at the same time, at most.</summary>
    public int Parallelism { get; init; } = 50;

    /// <summary>How often an index is tried again after a failure that may pass.</summary>
    public int BackoffLimitPerIndex { get; init; } = 2;

    /// <summary>The job ends when more indexes than these have failed.</summary>
    public int MaxFailedIndexes { get; init; } = 5;

    /// <summary>Processors that a pod asks for, which are also the engine's threads.</summary>
    public int Cpus { get; init; } = 4;

    /// <summary>Memory that a pod asks for and may not exceed, as Kubernetes reads it.</summary>
    public string Memory { get; init; } = "8Gi";

    /// <summary>Persistent volume claims, each with the path in the container under which it is found.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> VolumeClaims { get; init; } = [];

    /// <summary>Labels that a node must have, such as one that tells its processor.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> NodeSelector { get; init; } = [];

    /// <summary>Environment variables of the container.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Environment { get; init; } = [];
}

/// <summary>The manifest by which Kubernetes runs a job: a Job of <c>batch/v1</c> with an index for each task.</summary>
public static partial class KubernetesManifest
{
    private const string Container = "main";

    /// <summary>A host name has at most so many characters, and that of a pod is the job's name, a hyphen and the index.</summary>
    private const int LongestHostName = 63;

    /// <summary>The manifest that runs a range of tasks. A task of the range whose shards are done ends at once.</summary>
    /// <param name="folder">The folder of the job as the container sees it.</param>
    /// <param name="first">The first task.</param>
    /// <param name="last">The last task.</param>
    /// <param name="options">What is asked for.</param>
    /// <returns>YAML.</returns>
    /// <exception cref="LlmEmbedException">The name cannot be the name of a job.</exception>
    public static string ForTasks(string folder, int first, int last, KubernetesOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        int tasks = last - first + 1;
        RequireName(options.Name, tasks);
        JsonObject metadata = new() { ["name"] = options.Name };
        if (options.Namespace is not null) metadata["namespace"] = options.Namespace;
        return Yaml.Write(new JsonObject
        {
            ["apiVersion"] = "batch/v1",
            ["kind"] = "Job",
            ["metadata"] = metadata,
            ["spec"] = new JsonObject
            {
                ["completionMode"] = "Indexed",
                ["completions"] = tasks,
                ["parallelism"] = Math.Min(options.Parallelism, tasks),
                ["backoffLimitPerIndex"] = options.BackoffLimitPerIndex,
                ["maxFailedIndexes"] = Math.Min(options.MaxFailedIndexes, tasks),
                ["podFailurePolicy"] = new JsonObject { ["rules"] = FailureRules() },
                ["template"] = new JsonObject { ["spec"] = PodSpec(folder, first, options) },
            },
        });
    }

    /// <summary>
    /// In the order in which Kubernetes tries them. Wrong usage, another plan or another processor would fail every pod; an unusable input fails its
    /// index, however often it is tried; whoever drains a node is no fault of the shard. All others count against the limit of the index.
    /// </summary>
    private static JsonArray FailureRules() =>
    [
        OnExitCodes("FailJob", 2, 3),
        OnExitCodes("FailIndex", 1),
        new JsonObject
        {
            ["action"] = "Ignore",
            ["onPodConditions"] = new JsonArray(new JsonObject { ["type"] = "DisruptionTarget", ["status"] = "True" }),
        },
    ];

    private static JsonObject OnExitCodes(string action, params int[] codes) => new()
    {
        ["action"] = action,
        ["onExitCodes"] = new JsonObject
        {
            ["containerName"] = Container,
            ["operator"] = "In",
            ["values"] = new JsonArray([.. codes.Select(code => JsonValue.Create(code))]),
        },
    };

    private static JsonObject PodSpec(string folder, int first, KubernetesOptions options)
    {
        JsonObject spec = new() { ["restartPolicy"] = "Never", ["terminationGracePeriodSeconds"] = 60 };
        if (options.NodeSelector.Count > 0)
            spec["nodeSelector"] = new JsonObject(options.NodeSelector.Select(label => KeyValuePair.Create(label.Key, (JsonNode?)label.Value)));
        spec["containers"] = new JsonArray(ContainerOf(folder, first, options));
        if (options.VolumeClaims.Count > 0)
            spec["volumes"] = ListOf(options.VolumeClaims, (claim, index) => new JsonObject
            {
                ["name"] = VolumeName(index),
                ["persistentVolumeClaim"] = new JsonObject { ["claimName"] = claim.Key },
            });
        return spec;
    }

    /// <summary>
    /// No limit of processors, which would make all threads wait for each other in turns. Without it the container sees all processors of the node,
    /// so the number of threads is said.
    /// </summary>
    private static JsonObject ContainerOf(string folder, int first, KubernetesOptions options)
    {
        string[] command =
        [
            .. options.Command, "job", "run", folder, "--offset", $"{first}", "--per-task", $"{options.ShardsPerTask}",
            "--threads", $"{options.Cpus}", .. options.RunArguments,
        ];
        JsonObject container = new()
        {
            ["name"] = Container,
            ["image"] = options.Image,
            ["command"] = new JsonArray([.. command.Select(word => JsonValue.Create(Literal(word)))]),
        };
        if (options.Environment.Count > 0)
            container["env"] = ListOf(
                options.Environment, (variable, _) => new JsonObject { ["name"] = variable.Key, ["value"] = Literal(variable.Value) });
        container["resources"] = new JsonObject
        {
            ["requests"] = new JsonObject { ["cpu"] = $"{options.Cpus}", ["memory"] = options.Memory },
            ["limits"] = new JsonObject { ["memory"] = options.Memory },
        };
        if (options.VolumeClaims.Count > 0)
            container["volumeMounts"] = ListOf(
                options.VolumeClaims, (claim, index) => new JsonObject { ["name"] = VolumeName(index), ["mountPath"] = claim.Value });
        return container;
    }

    private static JsonArray ListOf(IEnumerable<KeyValuePair<string, string>> pairs, Func<KeyValuePair<string, string>, int, JsonNode> item) =>
        new([.. pairs.Select(item)]);

    /// <summary>Kubernetes puts variables in the place of $(NAME), and a dollar in the place of two.</summary>
    private static string Literal(string text) => text.Replace("$", "$$", StringComparison.Ordinal);

    private static string VolumeName(int index) => $"volume-{index}";

    private static void RequireName(string name, int tasks)
    {
        int longest = LongestHostName - $"-{tasks - 1}".Length;
        if (!HostName().IsMatch(name) || name.Length > longest)
            throw new LlmEmbedException(
                $"The name of the Kubernetes Job is '{name}', expected lower-case letters, digits and hyphens between them, at most {longest} " +
                "characters for this number of tasks. Name it with --name.");
    }

    [GeneratedRegex("^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex HostName();
}
