using System.Text.Json.Nodes;
using CsCheck;
using LlmEmbed.Jobs;
using NJsonSchema;
using Xunit;

namespace LlmEmbed.Tests.Jobs;

/// <summary>The manifest as text, against the published description of a Job, and as a cluster would carry it out.</summary>
public sealed class KubernetesManifestTests : IDisposable
{
    private static readonly KubernetesOptions Small = new() { Name = "reviews", Image = "example.org/llmembed:1" };

    private static readonly string[] Tricky =
        ["", "yes", "null", "~", "1", "1e5", "0x1", "-", "- a", "a: b", "a #b", "é", "\u2028", "😀", "\t", "\n", "--", "/"];

    private readonly TemporaryFolder _folder = new();

    /// <summary>Every option at once, with values that need quotes.</summary>
    private static KubernetesOptions Full => Small with
    {
        Namespace = "texts",
        Command = ["dotnet", "/my app/llmembed.dll"],
        RunArguments = ["--cache", "/data/it's \"here\": $(HOME) #1"],
        ShardsPerTask = 4,
        Parallelism = 3,
        VolumeClaims = [new("data", "/data"), new("models", "/models")],
        NodeSelector = [new("node.kubernetes.io/instance-type", "true")],
        Environment = [new("HF_HUB_OFFLINE", "1"), new("EMPTY", "")],
    };

    [Fact]
    public void The_manifest_of_a_small_job_is_this() => Assert.Equal(
        """
        apiVersion: batch/v1
        kind: Job
        metadata:
          name: reviews
        spec:
          completionMode: Indexed
          completions: 8
          parallelism: 8
          backoffLimitPerIndex: 2
          maxFailedIndexes: 5
          podFailurePolicy:
            rules:
            - action: FailJob
              onExitCodes:
                containerName: main
                operator: In
                values: [2, 3]
            - action: FailIndex
              onExitCodes:
                containerName: main
                operator: In
                values: [1]
            - action: Ignore
              onPodConditions:
              - type: DisruptionTarget
                status: "True"
          template:
            spec:
              restartPolicy: Never
              terminationGracePeriodSeconds: 60
              containers:
              - name: main
                image: "example.org/llmembed:1"
                command: [llmembed, job, run, /data/reviews, --offset, "3", --per-task, "1", --threads, "4"]
                resources:
                  requests:
                    cpu: "4"
                    memory: "8Gi"
                  limits:
                    memory: "8Gi"
                volumeMounts:
                - name: volume-0
                  mountPath: /data
              volumes:
              - name: volume-0
                persistentVolumeClaim:
                  claimName: texts

        """,
        KubernetesManifest.ForTasks("/data/reviews", first: 3, last: 10, Small with { VolumeClaims = [new("texts", "/data")] }));

    [Fact]
    public async Task Kubernetes_knows_every_field_and_value()
    {
        JsonSchema schema = await JsonSchema.FromFileAsync(
            Path.Combine(Repository.Root, "tests", "LlmEmbed.Tests", "Jobs", "batch-v1-job.schema.json"), TestContext.Current.CancellationToken);
        foreach (KubernetesOptions options in (KubernetesOptions[])[Small, Full])
            Assert.Empty(schema.Validate(YamlText.Read(KubernetesManifest.ForTasks("/data/reviews", 0, 399, options))!.ToJsonString()));

        // The schema can refuse: a field at the wrong place, a value that is none of the known ones, a number as text, a field left out.
        JsonNode manifest = YamlText.Read(KubernetesManifest.ForTasks("/data/reviews", 0, 399, Full))!;
        Action<JsonNode>[] mistakes =
        [
            spec => spec["restartPolicy"] = "Never",
            spec => spec["podFailurePolicy"]!["rules"]![0]!["action"] = "Fail",
            spec => spec["completions"] = "400",
            spec => spec["podFailurePolicy"]!["rules"]![2]!["onPodConditions"]![0]!.AsObject().Remove("status"),
        ];
        foreach (Action<JsonNode> mistake in mistakes)
        {
            JsonNode wrong = manifest.DeepClone();
            mistake(wrong["spec"]!);
            Assert.NotEmpty(schema.Validate(wrong.ToJsonString()));
        }
    }

    [Fact]
    public void Every_text_comes_back_from_YAML() =>
        Gen.OneOf(Gen.String, Gen.Int[0, Tricky.Length - 1].Select(index => Tricky[index]))
            .Array[0, 4].Sample(texts =>
            {
                texts = [.. texts.Where(text => !text.Any(char.IsSurrogate) || text == "😀")];
                JsonObject map = new() { ["list"] = new JsonArray([.. texts.Select(text => JsonValue.Create(text))]), ["maps"] = new JsonArray() };
                foreach (string text in texts.Distinct(StringComparer.Ordinal))
                    map["maps"]!.AsArray().Add(new JsonObject { [text] = text, ["deeper"] = new JsonObject { [text + "x"] = text } });
                Assert.True(JsonNode.DeepEquals(map, YamlText.Read(Yaml.Write(map))), Yaml.Write(map));
            });

    [Theory]
    [InlineData("Reviews", 10)]
    [InlineData("-reviews", 10)]
    [InlineData("", 10)]
    [InlineData("a23456789-123456789-123456789-123456789-123456789-123456789", 10_000)]
    public void A_name_that_no_job_can_have_is_refused(string name, int tasks)
    {
        KubernetesOptions options = Small with { Name = name };
        LlmEmbedException refusal = Assert.Throws<LlmEmbedException>(() => KubernetesManifest.ForTasks("/data", 0, tasks - 1, options));
        Assert.Contains("--name", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_killed_pod_is_tried_again_and_a_useless_input_fails_its_index_only()
    {
        using LocalCluster cluster = Cluster(
            "i=$JOB_COMPLETION_INDEX; [ $i != 2 ] || exit 1; [ $i != 1 ] || [ -e $OUT/1 ] || { touch $OUT/1; kill -9 $$; }");
        cluster.Run();
        Assert.False(cluster.HasFailed);
        Assert.Equal([0, 1, 3], cluster.CompletedIndexes.Order());
        Assert.Equal([2], cluster.FailedIndexes);
        Assert.Equal([(0, 0), (1, 0), (1, 137), (2, 1), (3, 0)], cluster.Ends.Order());
    }

    [Fact]
    public void Another_plan_ends_the_job()
    {
        using LocalCluster cluster = Cluster("[ $JOB_COMPLETION_INDEX != 1 ] || exit 3", Small with { Parallelism = 1 });
        cluster.Run();
        Assert.True(cluster.HasFailed);
        Assert.Equal([(0, 0), (1, 3)], cluster.Ends.Order());
    }

    [Fact]
    public void Failures_that_may_pass_are_tried_so_often_and_then_fail_the_index()
    {
        using LocalCluster cluster = Cluster(
            "[ $JOB_COMPLETION_INDEX = 0 ] || exit 75", Small with { BackoffLimitPerIndex = 1, MaxFailedIndexes = 3 });
        cluster.Run();
        Assert.False(cluster.HasFailed);
        Assert.Equal([(0, 0), (1, 75), (1, 75), (2, 75), (2, 75), (3, 75), (3, 75)], cluster.Ends.Order());
        Assert.Equal([1, 2, 3], cluster.FailedIndexes.Order());
    }

    [Fact]
    public void Drained_nodes_do_not_count()
    {
        using LocalCluster cluster = Cluster(
            "n=$(ls $OUT | wc -l); touch $OUT/$n; [ $n -ge 5 ] || exit 143", Small with { BackoffLimitPerIndex = 0 }, tasks: 1, (_, _) => true);
        cluster.Run();
        Assert.Equal([0], cluster.CompletedIndexes);
        Assert.Equal(6, cluster.Ends.Count());
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>A cluster whose pods run a line of the shell in place of the tool.</summary>
    private LocalCluster Cluster(string line, KubernetesOptions? options = null, int tasks = 4, Func<int, int, bool>? isDisrupted = null)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs a shell of Unix");
        string marks = Directory.CreateDirectory(_folder.File("marks")).FullName;
        options = (options ?? Small) with { Command = ["/bin/sh", "-c", line], Environment = [new("OUT", marks)] };
        return new LocalCluster(KubernetesManifest.ForTasks("/data", 0, tasks - 1, options)) { IsDisrupted = isDisrupted ?? ((_, _) => false) };
    }
}
