using LlmEmbed.Tests.Cli;
using Xunit;

namespace LlmEmbed.Tests.Jobs;

/// <summary>A job on a real Slurm, whose daemons run on this machine while the test does.</summary>
public sealed class SlurmTests
{
    private static readonly string[] Programs = ["slurmctld", "slurmd", "sbatch", "scontrol", "squeue", "sinfo", "scancel"];

    /// <summary>Slow: a controller and two nodes are started, and Slurm takes seconds for what it does.</summary>
    [Fact]
    public void A_job_with_killed_requeued_and_signalled_tasks_ends_with_the_bytes_of_one_run()
    {
        string[] missing = [.. Programs.Where(program => !IsInstalled(program))];
        Assert.SkipUnless(missing.Length == 0, $"needs {string.Join(", ", missing)} (Debian packages slurmctld, slurmd and slurm-client)");
        string script = Path.Combine(Repository.Root, "tests", "slurm.sh");
        ToolResult result = Tool.RunProgram(
            Repository.Root, [("BIN", AppContext.BaseDirectory), ("DOTNET", Tool.Host)], "/bin/bash", script);
        TestContext.Current.TestOutputHelper?.WriteLine(result.Output);
        Assert.True(result.ExitCode == 0, $"exit code {result.ExitCode}:\n{result.Output}\n{result.Error}");
        Assert.Contains("the merged file has the bytes of one run", result.Output, StringComparison.Ordinal);
    }

    /// <summary>Debian keeps the daemons where the search path of users does not lead.</summary>
    private static bool IsInstalled(string program) =>
        $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/usr/local/sbin".Split(':')
        .Any(folder => folder.Length > 0 && File.Exists(Path.Combine(folder, program)));
}
