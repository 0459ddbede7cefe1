using System.Text.RegularExpressions;
using LlmEmbed.Tests.Cli;
using Xunit;

namespace LlmEmbed.Tests.Jobs;

/// <summary>What a cluster's programs are told. Small programs stand in for them; <see cref="SlurmTests"/> has the real ones.</summary>
public sealed partial class JobSubmitTests(JobSubmitTests.PlannedJob planned) : IClassFixture<JobSubmitTests.PlannedJob>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void A_dry_run_prints_scripts_and_commands_and_writes_nothing()
    {
        string job = CopyOfJob(), output = _folder.File("all.safetensors");
        string[] before = Entries(job);
        string[] command = ["job", "submit", "slurm", job, "--dry-run", "--command", "llmembed", "--max-array-size", "4", "--merge-output", output];
        ToolResult result = Tool.Run([.. command, "--throttle", "2", "--partition", "short", "--sbatch=--comment=my texts"]).Succeeded();
        Assert.Equal(
            $"""
            # {job}/slurm.sh
            #!/bin/bash
            #SBATCH --job-name=llmembed
            #SBATCH --cpus-per-task=4
            #SBATCH --mem=8G
            #SBATCH --time=01:00:00
            #SBATCH --signal=B:TERM@120
            #SBATCH --requeue
            #SBATCH --open-mode=append
            #SBATCH --output={job}/logs/%A_%a.out
            #SBATCH --partition=short
            #SBATCH "--comment=my texts"
            exec llmembed job run {job} --per-task 1

            job1=$(sbatch --parsable --array=0-2%2 {job}/slurm.sh)
            job2=$(sbatch --parsable --array=0-2%2 --export=ALL,LLMEMBED_OFFSET=3 {job}/slurm.sh)
            job3=$(sbatch --parsable --array=0-1%2 --export=ALL,LLMEMBED_OFFSET=6 {job}/slurm.sh)
            # {job}/slurm-merge.sh
            #!/bin/bash
            #SBATCH --job-name=llmembed-merge
            #SBATCH --cpus-per-task=4
            #SBATCH --mem=8G
            #SBATCH --time=01:00:00
            #SBATCH --signal=B:TERM@120
            #SBATCH --requeue
            #SBATCH --open-mode=append
            #SBATCH --output={job}/logs/merge-%j.out
            #SBATCH --partition=short
            #SBATCH "--comment=my texts"
            exec llmembed job merge {job} --output {output}

            job4=$(sbatch --parsable --dependency=afterok:$job1:$job2:$job3 --kill-on-invalid-dep=yes {job}/slurm-merge.sh)

            """,
            result.Output);
        Assert.Equal(before, Entries(job));
    }

    [Theory]
    [InlineData(new int[0], 1, "--array=0-7")]
    [InlineData(new[] { 0, 1, 4 }, 1, "--array=2-3,5-7")]
    [InlineData(new[] { 0, 1, 4 }, 2, "--array=1-3")]
    [InlineData(new[] { 0, 1, 2, 3, 4, 5, 6 }, 4, "--array=1")]
    public void Only_tasks_with_a_missing_shard_are_submitted(int[] done, int perTask, string array)
    {
        string job = CopyOfJob(done);
        string output = Tool.Run(
            "job", "submit", "slurm", job, "--dry-run", "--command", "llmembed", "--per-task", $"{perTask}").Succeeded().Output;
        string[] submissions = [.. output.Split('\n').Where(line => line.Contains("sbatch", StringComparison.Ordinal))];
        Assert.Equal([$"job1=$(sbatch --parsable {array} {job}/slurm.sh)"], submissions);
        Assert.Contains($"exec llmembed job run {job} --per-task {perTask}\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public void Sbatch_gets_the_arrays_and_the_merge_waits_for_their_numbers()
    {
        string job = CopyOfJob(done: [3]), output = _folder.File("all.safetensors");
        File.WriteAllText(Path.Combine(job, "shards", "000002.failed.json"), "{}");
        Program("scontrol", "echo 'MaxArraySize            = 7'");
        Program("sbatch", "echo \"$@\" >> $LOG; env | grep LLMEMBED >> $LOG; n=$(wc -l < $LOG); echo \"4$n;cluster\"");
        ToolResult result = Run("job", "submit", "slurm", job, "--command", "llmembed", "--merge-output", output).Succeeded();
        Assert.Equal(
            [
                $"--parsable --array=0-2,4-5 {job}/slurm.sh",
                $"--parsable --array=0-1 --export=ALL,LLMEMBED_OFFSET=6 {job}/slurm.sh",
                $"--parsable --dependency=afterok:41:42 --kill-on-invalid-dep=yes {job}/slurm-merge.sh",
            ],
            File.ReadAllLines(_folder.File("log")));
        Assert.Equal(["41", "42", "43"], result.Lines.Select(line => line.Split('\t')[0]));
        Assert.Equal(["logs", "plan.json", "shards", "slurm-merge.sh", "slurm.sh"], Entries(job).Where(entry => !entry.Contains('/')));
        Assert.False(File.Exists(Path.Combine(job, "shards", "000002.failed.json")), "the failure is forgotten, as retry does");
    }

    [Fact]
    public void A_refusal_of_sbatch_names_what_was_submitted_before()
    {
        string job = CopyOfJob();
        Program("sbatch", "echo \"$@\" >> $LOG; [ $(wc -l < $LOG) = 1 ] && echo 41 && exit; echo 'error: no' >&2; echo 'error: limit' >&2; exit 1");
        ToolResult result = Run("job", "submit", "slurm", job, "--max-array-size", "5");
        Assert.Equal(1, result.ExitCode);
        Assert.Matches(
            "^llmembed: sbatch .* ended with 1: error: no; error: limit Submitted before .*: 41; scancel takes them back.\n$", result.Error);
    }

    [Theory]
    [InlineData("slurm", "sbatch")]
    [InlineData("kubernetes --image i", "kubectl")]
    public void A_machine_without_the_program_is_told_so(string scheduler, string program)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "sets a search path of Unix");
        ToolResult result = Tool.RunProgram(
            _folder.Path, [("PATH", _folder.Path)], Tool.Host, [Tool.Library, "job", "submit", .. scheduler.Split(' '), CopyOfJob()]);
        Assert.Contains($"llmembed: {program} cannot be started: ", result.Error, StringComparison.Ordinal);
        Assert.Contains("--dry-run", result.Error, StringComparison.Ordinal);
        Assert.Equal(1, result.ExitCode);
    }

    [Fact]
    public void Nothing_is_submitted_where_nothing_is_missing_but_the_merge()
    {
        string job = CopyOfJob(done: [.. Enumerable.Range(0, 8)]);
        string[] command = ["job", "submit", "slurm", job, "--dry-run"];
        ToolResult result = Tool.Run(command).Succeeded();
        Assert.Empty(result.Output);
        Assert.Contains($"no shard of {job} is missing", result.Error, StringComparison.Ordinal);
        string merge = Tool.Run([.. command, "--merge-output", _folder.File("all.safetensors")]).Succeeded().Lines[^1];
        Assert.Equal($"job1=$(sbatch --parsable {job}/slurm-merge.sh)", merge);
        Assert.Empty(Tool.Run("job", "submit", "kubernetes", job, "--image", "i", "--dry-run").Succeeded().Output);
    }

    [Theory]
    [InlineData(new int[0], 1, 8, 0)]
    [InlineData(new[] { 0, 1, 4, 7 }, 1, 5, 2)]
    [InlineData(new[] { 0, 1, 2, 4 }, 2, 3, 1)]
    public void Kubernetes_gets_the_range_of_tasks_with_missing_shards(int[] done, int perTask, int completions, int offset)
    {
        string job = CopyOfJob(done);
        string[] options = ["--image", "i", "--dry-run", "--per-task", $"{perTask}", "--job-folder", "/data/job", "--pvc", "texts:/data"];
        string output = Tool.Run(["job", "submit", "kubernetes", job, .. options]).Succeeded().Output;
        Assert.Contains($"\n  completions: {completions}\n", output, StringComparison.Ordinal);
        string command = $"command: [llmembed, job, run, /data/job, --offset, \"{offset}\", --per-task, \"{perTask}\", ";
        Assert.Contains(command, output, StringComparison.Ordinal);
        Assert.EndsWith($"\nkubectl create -f {job}/kubernetes.yaml\n", output, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(job, "kubernetes.yaml")));
    }

    [Theory]
    [InlineData("--pvc texts:/other", "lies in none of the volumes of --pvc (/other)")]
    [InlineData("--pvc texts", "--pvc is 'texts', expected NAME:PATH.")]
    [InlineData("--env =x", "--env is '=x', expected NAME=VALUE.")]
    public void A_manifest_that_cannot_work_is_refused(string options, string words)
    {
        ToolResult result = Tool.Run(["job", "submit", "kubernetes", CopyOfJob(), "--image", "i", .. options.Split(' ')]);
        Assert.Equal(2, result.ExitCode);
        Assert.Contains(words, result.Error, StringComparison.Ordinal);
    }

    /// <summary>The tool itself in the pods of a cluster on this machine: one pod is killed as it starts, and one finds a damaged record.</summary>
    [Fact]
    public void A_cluster_computes_what_it_can_and_the_rest_when_the_cause_is_gone()
    {
        string job = CopyOfJob(), damaged = Path.Combine(job, "shards", "000002.done.json"), output = _folder.File("all.safetensors");
        using LocalCluster cluster = Cluster(job, kills: (index, before) => (index, before) == (1, 0));
        File.WriteAllText(damaged, "{");
        cluster.Run();
        Assert.False(cluster.HasFailed, string.Concat(cluster.Log));
        Assert.Equal([0, 1, 3, 4, 5, 6, 7], cluster.CompletedIndexes.Order());
        Assert.Equal([(1, 137), (2, 1)], cluster.Ends.Where(end => end.ExitCode != 0).Order());

        File.Delete(damaged);
        using LocalCluster second = Cluster(job);
        second.Run();
        Assert.Equal([(0, 0)], second.Ends); // one pod, for the shard that is missing
        Tool.Run("job", "merge", job, "--output", output).Succeeded();
        Assert.Equal(File.ReadAllBytes(planned.Merged), File.ReadAllBytes(output));
    }

    [Fact]
    public void Another_model_ends_the_job()
    {
        string job = CopyOfJob(), plan = Path.Combine(job, "plan.json");
        File.WriteAllText(plan, Fingerprint().Replace(File.ReadAllText(plan), "\"fingerprint\": \"0000"));
        using LocalCluster cluster = Cluster(job);
        cluster.Run();
        Assert.True(cluster.HasFailed);
        Assert.All(cluster.Ends, end => Assert.Contains(end.ExitCode, (int[])[3, 137]));
        Assert.InRange(cluster.Ends.Count(), 1, 2); // those that ran together when the first one ended
        Assert.Empty(cluster.CompletedIndexes);
    }

    public void Dispose() => _folder.Dispose();

    private LocalCluster Cluster(string job, Func<int, int, bool>? kills = null)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "a program in place of kubectl needs a shell of Unix");
        Program("kubectl", "echo \"$@\"");
        string[] options = ["--image", "i", "--cpus", "1", "--parallelism", "2", "--run=--cache", $"--run={planned.Cache}"];
        string said = Run(["job", "submit", "kubernetes", job, "--command", Tool.Host, Tool.Library, .. options]).Succeeded().Output;
        Assert.Equal($"create -f {job}/kubernetes.yaml\n", said);
        return new LocalCluster(File.ReadAllText(Path.Combine(job, "kubernetes.yaml")))
        {
            Started = (index, before, process) =>
            {
                if (kills?.Invoke(index, before) == true) process.Kill();
            },
        };
    }

    /// <summary>The plan of eight shards in a folder of its own, some of them with a record.</summary>
    private string CopyOfJob(IEnumerable<int>? done = null)
    {
        string job = _folder.File("job");
        Directory.CreateDirectory(Path.Combine(job, "shards"));
        string plan = File.ReadAllText(Path.Combine(planned.Folder, "plan.json"));
        string texts = Path.GetRelativePath(job, planned.Texts), backbone = Path.GetRelativePath(job, Repository.Fixture("bert"));
        plan = plan.Replace("\"../texts.csv\"", $"\"{texts}\"", StringComparison.Ordinal);
        plan = plan.Replace($"\"{Path.GetRelativePath(planned.Folder, Repository.Fixture("bert"))}\"", $"\"{backbone}\"", StringComparison.Ordinal);
        File.WriteAllText(Path.Combine(job, "plan.json"), plan);
        foreach (int shard in done ?? []) File.WriteAllText(Path.Combine(job, "shards", $"{shard:D6}.done.json"), "{}");
        return job;
    }

    /// <summary>A program of a scheduler, as a few words of the shell. It may add to the file LOG.</summary>
    private void Program(string name, string script)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "programs of the test are scripts of Unix");
        string path = _folder.Write(name, $"#!/bin/sh\nLOG='{_folder.File("log")}'\n{script}\n");
        if (!OperatingSystem.IsWindows()) File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    /// <summary>The tool as a process that finds the test's programs first, and is told of shards by variables of whoever starts it.</summary>
    private ToolResult Run(params string[] arguments) => Tool.RunProgram(
        _folder.Path,
        [("PATH", $"{_folder.Path}:{Environment.GetEnvironmentVariable("PATH")}"), ("LLMEMBED_SHARD", "5"), ("LLMEMBED_OFFSET", "5")],
        Tool.Host,
        [Tool.Library, .. arguments]);

    private static string[] Entries(string folder) =>
    [
        .. Directory.EnumerateFileSystemEntries(folder, "*", SearchOption.AllDirectories).Select(entry => Path.GetRelativePath(folder, entry))
            .Order(StringComparer.Ordinal),
    ];

    [GeneratedRegex("\"fingerprint\": \"....", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Fingerprint();

    /// <summary>A job of eight shards, planned and computed once.</summary>
    public sealed class PlannedJob : IDisposable
    {
        private readonly TemporaryFolder _folder = new();

        public PlannedJob()
        {
            // A unit ends at 120,000 characters: two rows.
            _folder.Write("texts.csv", "text\n" + string.Concat(Enumerable.Range(0, 16).Select(row => $"{row}{new string(' ', 60_000)}x\n")));
            string[] plan = ["job", "plan", Texts, "--output", Folder, "--task", "embed", "--backbone", Repository.Fixture("bert"), "--shards", "8"];
            Tool.Run([.. plan, "--precision", "fp32", "--cache", Cache]).Succeeded();
            Tool.Run("job", "run", Folder, "--cache", Cache).Succeeded();
            Merged = _folder.File("merged.safetensors");
            Tool.Run("job", "merge", Folder, "--output", Merged).Succeeded();
        }

        public string Folder => _folder.File("job");

        public string Texts => _folder.File("texts.csv");

        public string Cache => _folder.File("cache");

        public string Merged { get; }

        public void Dispose() => _folder.Dispose();
    }
}
