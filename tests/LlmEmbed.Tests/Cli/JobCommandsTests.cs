using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text.Json.Nodes;
using LlmEmbed.Tests.Jobs;
using Xunit;

namespace LlmEmbed.Tests.Cli;

/// <summary>llmembed job as people and schedulers call it.</summary>
public sealed partial class JobCommandsTests(JobFixture fixture) : IClassFixture<JobFixture>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    private string Job => _folder.File("job");

    [Fact]
    public void A_job_is_planned_run_by_parts_and_merged()
    {
        ToolResult planned = Plan(shards: 4).Succeeded();
        Assert.Contains("3 files, 605 texts", planned.Output, StringComparison.Ordinal);
        Assert.Contains($"llmembed job run {Job}", planned.Output, StringComparison.Ordinal);
        Assert.Equal(["--array=0-3"], Tool.Run("job", "retry", Job).Succeeded().Lines);
        Tool.Run("job", "run", Job, "--shard", "2").Succeeded();
        ToolResult status = Tool.Run("job", "status", Job, "--json");
        Assert.Equal(1, status.ExitCode);
        Assert.Equal(("2", "0-1,3", false), ((string)status.Json["done"]!, (string)status.Json["missing"]!, (bool)status.Json["complete"]!));
        Assert.Equal(["--array=0-1,3"], Tool.Run("job", "retry", Job).Succeeded().Lines);
        Assert.Equal(1, Tool.Run("job", "merge", Job, "--output", _folder.File("early.csv")).ExitCode);
        Tool.Run("job", "run", Job, "--shards", "3,0-1").Succeeded();
        Assert.Equal(0, Tool.Run("job", "status", Job).ExitCode);
        Assert.Empty(Tool.Run("job", "retry", Job).Succeeded().Lines);
        Assert.Contains("0 are damaged", Tool.Run("job", "verify", Job, "--deep").Succeeded().Output, StringComparison.Ordinal);
        string output = _folder.File("out.csv");
        string[] merged = Tool.Run("job", "merge", Job, "--output", output).Succeeded().Lines;
        Assert.Equal([$"{output}: 602 rows of 4 shards", $"{output}.rejected.jsonl: 3 bad rows"], merged);
        Assert.Equal("text,id,predicted_label,probability", File.ReadLines(output).First());
    }

    [Theory]
    [InlineData("run {0} --shard 4", 2, "Shard 4 is outside of the plan, which has the shards 0 to 3")]
    [InlineData("run {0} --shards 1-9", 2, "outside of the plan")]
    [InlineData("run {0} --shards x", 2, "is no shard")]
    [InlineData("run {0} --again", 2, "--again needs")]
    [InlineData("run {0} --shard 1 --shards 2", 2, "not both")]
    [InlineData("run {0}/shards", 1, "there is no plan.json in it")]
    [InlineData("status {0}/shards", 1, "there is no plan.json in it")]
    [InlineData("plan {1} --output {0} --task predict", 2, "needs --model")]
    [InlineData("plan {1} --output {0} --task embed", 2, "needs --backbone")]
    [InlineData("plan {1} --output {0} --task embed --backbone {2} --model {3}", 2, "--model belongs to --task predict")]
    [InlineData("plan {1} --output {0} --task predict --model {3} --depths 1", 2, "--depths belongs to --task embed")]
    [InlineData("plan {1} --output {0} --task embed --backbone {2} --seed 1", 2, "--seed belongs to --task embed --for-train")]
    [InlineData("plan {1} --output {0} --task predict --model {3} --shards 2 --rows-per-shard 9", 2, "not both")]
    [InlineData("plan nowhere.csv --output {0} --task predict --model {3}", 1, "there is no such file")]
    [InlineData("plan {1} --output /proc/job --task predict --model {3}", 1, "no file can be written in this folder")]
    [InlineData("plan {1} --output {0} --task predict --model {3} --shards 3 --unit-rows 50", 3, "another one")]
    public void What_cannot_be_done_is_one_line_with_its_exit_code(string command, int exitCode, string message)
    {
        Assert.SkipWhen(command.Contains("/proc", StringComparison.Ordinal) && !Directory.Exists("/proc"), "there is no /proc");
        Plan(shards: 4).Succeeded();
        string[] words = [.. command.Split(' ').Select(word => string.Format(null, word, Job, fixture.Inputs[0], fixture.Backbone, fixture.Model))];
        string plan = File.ReadAllText(_folder.File("job/plan.json"));
        ToolResult result = Tool.Run(["job", .. words]);
        Assert.Equal(exitCode, result.ExitCode);
        Assert.Contains(message, result.Error, StringComparison.Ordinal);
        Assert.Equal(plan, File.ReadAllText(_folder.File("job/plan.json")));
    }

    [Fact]
    public void Failures_are_listed_with_their_cause_and_forgotten_by_retry()
    {
        Plan(shards: 2).Succeeded();
        TemporaryFolder.EditJson(_folder.File("job/plan.json"), plan => plan["inputs"]![0]!["path"] = "../moved.csv");
        Assert.Equal(1, Tool.Run("job", "run", Job, "--shard", "0").ExitCode);
        Assert.Equal(1, Tool.Run("job", "run", Job, "--shard", "0").ExitCode);
        JsonNode failed = Assert.Single(Tool.Run("job", "status", Job, "--json").Json["failed"]!.AsArray())!;
        Assert.Equal((0, 2, 1), ((int)failed["shard"]!, (int)failed["attempts"]!, (int)failed["exit_code"]!));
        Assert.Contains("moved.csv", (string)failed["message"]!, StringComparison.Ordinal);
        Tool.Run("job", "retry", Job).Succeeded();
        Assert.Empty(Tool.Run("job", "status", Job, "--json").Json["failed"]!.AsArray());
    }

    /// <summary>Slow: processes are started and killed at random moments until the job is complete.</summary>
    [Fact]
    public void Killed_processes_change_no_byte()
    {
        Plan(shards: 3).Succeeded();
        Tool.Run("job", "run", Job).Succeeded();
        Tool.Run("job", "merge", Job, "--output", _folder.File("undisturbed.jsonl")).Succeeded();
        Directory.CreateDirectory(_folder.File("killed/shards"));
        File.Copy(_folder.File("job/plan.json"), _folder.File("killed/plan.json"));
        Random random = new(5);
        for (int kill = 0; kill < 6; kill++)
        {
            using Process first = Tool.Start("job", "run", _folder.File("killed"), "--shard", $"{random.Next(3)}");
            using Process second = Tool.Start("job", "run", _folder.File("killed"));
            Thread.Sleep(random.Next(300, 1500));
            first.Kill();
            second.Kill();
            Tool.Finish(first);
            Tool.Finish(second);
        }
        Tool.Run("job", "run", _folder.File("killed"), "--shards", "0-2").Succeeded();
        Tool.Run("job", "merge", _folder.File("killed"), "--output", _folder.File("killed.jsonl")).Succeeded();
        Assert.Equal(File.ReadAllBytes(_folder.File("undisturbed.jsonl")), File.ReadAllBytes(_folder.File("killed.jsonl")));
        string[] left = Directory.GetFileSystemEntries(_folder.File("killed/shards"));
        Assert.All(left, file => Assert.Matches("\\.(jsonl|done\\.json)$", file));
    }

    [Fact]
    public void Two_processes_at_one_shard_do_no_harm()
    {
        Plan(shards: 1).Succeeded();
        Process[] processes = [.. Enumerable.Range(0, 2).Select(_ => Tool.Start("job", "run", Job, "--shard", "0"))];
        foreach (Process process in processes)
        {
            Assert.Contains(Tool.Finish(process).ExitCode, (int[])[0, 75]);
            process.Dispose();
        }
        Assert.Contains("0 are damaged", Tool.Run("job", "verify", Job, "--deep").Succeeded().Output, StringComparison.Ordinal);
        Assert.Equal(0, Tool.Run("job", "status", Job).ExitCode);
    }

    [Fact]
    public void SIGTERM_keeps_finished_units_and_ends_with_143()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "there is no SIGTERM on Windows");
        Plan(shards: 1, unitRows: 5).Succeeded();
        using Process process = Tool.Start("job", "run", Job, "--shard", "0", "--threads", "1");
        string units = _folder.File("job/shards/000000.units");
        while (!Directory.Exists(units) || !Directory.EnumerateFiles(units, "*.json").Any())
        {
            Assert.False(process.HasExited, "the tool ended before its first unit");
            Thread.Sleep(1);
        }
        Assert.Equal(0, Kill(process.Id, 15));
        Assert.Contains("finished units of a job", Tool.Finish(process).Refused(exitCode: 143), StringComparison.Ordinal);
        Assert.NotEmpty(Directory.EnumerateFiles(units, "*.json"));
        Assert.False(File.Exists(_folder.File("job/shards/000000.running.json")));
        Assert.Contains("kept from before", Tool.Run("job", "run", Job).Succeeded().Error, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private ToolResult Plan(int shards, int unitRows = 50) => Tool.Run(
        [
            "job", "plan", .. fixture.Inputs, "--output", Job, "--task", "predict", "--model", fixture.Model, "--shards", $"{shards}", "--unit-rows",
            $"{unitRows}",
        ]);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int process, int signal);
}
