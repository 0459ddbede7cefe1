using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using Xunit;

namespace LlmEmbed.Tests.Cli;

/// <summary>What a run leaves that is ended while it works.</summary>
public sealed partial class InterruptionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public InterruptionTests() => _folder.Write("data.jsonl", LabeledTexts.JsonLines(LabeledTexts.TakeLong(4000)));

    [Theory]
    [InlineData(2, "SIGINT")]
    [InlineData(15, "SIGTERM")]
    public void A_signal_ends_the_work_with_its_code_and_leaves_no_half_classifier(int signal, string name)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), $"there is no {name} to be sent to a process on Windows");
        Assert.SkipWhen(IsIgnored(signal), $"{name} is ignored by whoever started the tests, and so by what they start");
        using Process process = StartExtraction("model", "cache");
        Assert.Equal(0, Kill(process.Id, signal));
        ToolResult result = Tool.Finish(process);
        Assert.Contains("the same command resumes", result.Refused(exitCode: 128 + signal), StringComparison.Ordinal);
        Assert.Equal(["cache", "data.jsonl"], Entries(_folder.Path));
        Assert.All(
            Directory.GetDirectories(_folder.File("cache")),
            store => Assert.DoesNotContain(Entries(store), file => file.EndsWith(".tmp", StringComparison.Ordinal)));
    }

    /// <summary>Slow: two classifiers are trained on 4,000 texts, so many that a kill falls between two shards of embeddings.</summary>
    [Fact]
    public void A_killed_extraction_resumes_and_gives_the_classifier_of_an_undisturbed_run()
    {
        using Process process = StartExtraction("model", "cache");
        process.Kill(); // SIGKILL: nothing in the process can react
        Assert.NotEqual(0, Tool.Finish(process).ExitCode);
        Assert.Equal(["cache", "data.jsonl"], Entries(_folder.Path));

        ToolResult resumed = Tool.Run(Train("model", "cache")).Succeeded();
        ToolResult undisturbed = Tool.Run(Train("undisturbed", "other cache")).Succeeded();
        Assert.InRange((int)Backbone(resumed)["cached"]!, 1, 3999);
        Assert.Equal(4000, (int)Backbone(resumed)["cached"]! + (int)Backbone(resumed)["computed"]!);
        Assert.Equal(4000, (int)Backbone(undisturbed)["computed"]!);
        Assert.Contains($"{(int)Backbone(resumed)["cached"]!:N0} kept from before", resumed.Error, StringComparison.Ordinal);
        ClassifierCommandsTests.AssertSameFiles(_folder.File("undisturbed"), _folder.File("model"));
    }

    [Theory]
    [InlineData(2, "SIGINT")]
    [InlineData(15, "SIGTERM")]
    public void A_signal_leaves_the_old_predictions_and_no_half_new_ones(int signal, string name)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), $"there is no {name} to be sent to a process on Windows");
        Assert.SkipWhen(IsIgnored(signal), $"{name} is ignored by whoever started the tests, and so by what they start");
        string few = _folder.Write("few.csv", LabeledTexts.Csv(LabeledTexts.Take(30))), model = _folder.File("model");
        string[] training = ["train", "--data", few, "--backbone", Repository.Fixture("llama-mha"), "--output", model, "--cache", "none"];
        Tool.Run([.. training, "--depths", "2", "--head", "linear", "--no-words", "--precision", "fp32"]).Succeeded();
        string output = _folder.Write("predictions.csv", "old");
        using Process process = Tool.Start(
            "predict", model, "--data", _folder.File("data.jsonl"), "--output", output, "--threads", "1", "--cache", "none");
        while (!Directory.EnumerateFiles(_folder.Path, "*.tmp").Any())
        {
            Assert.False(process.HasExited, "the tool ended before it began to write");
            Thread.Sleep(1);
        }
        Assert.Equal(0, Kill(process.Id, signal));
        Assert.Contains("No output file was written", Tool.Finish(process).Refused(exitCode: 128 + signal), StringComparison.Ordinal);
        Assert.Equal("old", File.ReadAllText(output));
        Assert.Equal(["data.jsonl", "few.csv", "model", "predictions.csv"], Entries(_folder.Path));
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>Returns when the first shard of embeddings is written and seven more are still to come.</summary>
    private Process StartExtraction(string output, string cache)
    {
        Process process = Tool.Start(Train(output, cache));
        while (!HasShard(_folder.File(cache)))
        {
            Assert.False(process.HasExited, "the tool ended before its first shard");
            Thread.Sleep(1);
        }
        return process;
    }

    private string[] Train(string output, string cache) =>
    [
        "train",
        "--data",
        _folder.File("data.jsonl"),
        "--output",
        _folder.File(output),
        "--backbone",
        Repository.Fixture("llama-mha"),
        "--cache",
        _folder.File(cache),
        "--threads",
        "1",
        "--precision",
        "fp32",
        "--json",
    ];

    /// <summary>Of views: those of tokens are written before.</summary>
    private static bool HasShard(string cache) =>
        Directory.Exists(cache) && Directory.EnumerateFiles(cache, "*.safetensors", SearchOption.AllDirectories)
        .Any(shard => !File.ReadAllText(Path.Combine(Path.GetDirectoryName(shard)!, "encoder.json")).Contains(":tokens", StringComparison.Ordinal));

    private static JsonNode Backbone(ToolResult training) => Assert.Single(training.Json["backbones"]!.AsArray())!;

    private static string[] Entries(string folder) =>
        Directory.GetFileSystemEntries(folder).Select(path => Path.GetFileName(path)!).Order(StringComparer.Ordinal).ToArray();

    /// <summary>A shell that starts something in the background has it ignore SIGINT, and children inherit that.</summary>
    private static bool IsIgnored(int signal)
    {
        string? line = File.Exists("/proc/self/status")
            ? File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith("SigIgn:", StringComparison.Ordinal))
            : null;
        return line is not null && (ulong.Parse(line[7..].Trim(), NumberStyles.HexNumber, CultureInfo.InvariantCulture) >> (signal - 1) & 1) == 1;
    }

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
