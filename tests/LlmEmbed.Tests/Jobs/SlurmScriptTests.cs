using LlmEmbed.Jobs;
using LlmEmbed.Tests.Cli;
using Xunit;

namespace LlmEmbed.Tests.Jobs;

/// <summary>The texts of batch scripts; <see cref="SlurmTests"/> has a Slurm read them.</summary>
public sealed class SlurmScriptTests
{
    [Fact]
    public void The_script_of_a_small_job_is_this()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the paths are those of Unix");
        SlurmOptions options = new() { RunArguments = ["--cache", "/data/cache"], Arguments = ["--partition=short"] };
        string script = SlurmScript.ForShards("/data/reviews", options);
        Assert.Equal(
            """
            #!/bin/bash
            #SBATCH --job-name=llmembed
            #SBATCH --cpus-per-task=4
            #SBATCH --mem=8G
            #SBATCH --time=01:00:00
            #SBATCH --signal=B:TERM@120
            #SBATCH --requeue
            #SBATCH --open-mode=append
            #SBATCH --output=/data/reviews/logs/%A_%a.out
            #SBATCH --partition=short
            exec llmembed job run /data/reviews --per-task 1 --cache /data/cache

            """,
            script);
    }

    [Fact]
    public void The_merge_is_a_script_of_its_own()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the paths are those of Unix");
        string[] lines = SlurmScript.ForMerge("/data/reviews", "/data/labels.csv", new SlurmOptions { Name = "reviews" }).Split('\n');
        Assert.Contains("#SBATCH --job-name=reviews-merge", lines);
        Assert.Contains("#SBATCH --output=/data/reviews/logs/merge-%j.out", lines);
        Assert.Equal("exec llmembed job merge /data/reviews --output /data/labels.csv", lines[^2]);
    }

    [Theory]
    [InlineData("/data/my reviews", "#SBATCH \"--output=/data/my reviews/logs/%A_%a.out\"")]
    [InlineData("/data/it's \"it\"", "#SBATCH \"--output=/data/it's \\\"it\\\"/logs/%A_%a.out\"")]
    [InlineData("/data/100%A", "#SBATCH --output=/data/100%%A/logs/%A_%a.out")]
    [InlineData("/data/#1", "#SBATCH \"--output=/data/#1/logs/%A_%a.out\"")]
    public void The_path_of_logs_is_quoted_by_the_rules_of_sbatch(string folder, string line)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the paths are those of Unix");
        Assert.Contains(line, SlurmScript.ForShards(folder, new SlurmOptions()).Split('\n'));
    }

    [Theory]
    [InlineData("/data/my reviews")]
    [InlineData("/data/it's \"it\"; $HOME `x` * é &")]
    public void Bash_passes_every_word_on_as_it_is(string folder)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs a shell of Unix");
        using TemporaryFolder temporary = new();
        SlurmOptions options = new() { Command = ["printf", "%s\\0", "my tool"], RunArguments = ["", "a'b", "$(false)"], ShardsPerTask = 4 };
        string script = temporary.Write("slurm.sh", SlurmScript.ForShards(folder, options));
        string[] words = Tool.RunProgram(temporary.Path, [], "/bin/bash", script).Succeeded().Output.Split('\0')[..^1];
        Assert.Equal(["my tool", "job", "run", folder, "--per-task", "4", "", "a'b", "$(false)"], words);
    }

    [Theory]
    [InlineData("/data/a\\b", "backslash")]
    [InlineData("/data/a\nb", "line break")]
    public void What_sbatch_cannot_be_told_is_refused(string folder, string words)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the paths are those of Unix");
        LlmEmbedException refusal = Assert.Throws<LlmEmbedException>(() => SlurmScript.ForShards(folder, new SlurmOptions()));
        Assert.Contains(words, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', refusal.Message);
    }
}
