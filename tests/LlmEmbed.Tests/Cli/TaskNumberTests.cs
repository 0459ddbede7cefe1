using LlmEmbed.Cli;
using Xunit;

namespace LlmEmbed.Tests.Cli;

/// <summary>Which shards a process works on, by what its scheduler says.</summary>
public sealed class TaskNumberTests
{
    [Theory]
    [InlineData("SLURM_ARRAY_TASK_ID=4", new[] { 4 })]
    [InlineData("JOB_COMPLETION_INDEX=0", new[] { 0 })]
    [InlineData("SKYPILOT_JOB_RANK=2", new[] { 2 })]
    [InlineData("OMPI_COMM_WORLD_RANK=3", new[] { 3 })]
    [InlineData("SGE_TASK_ID=1", new[] { 0 })]
    [InlineData("SGE_TASK_ID=undefined", null)]
    [InlineData("LLMEMBED_SHARD=5 SLURM_ARRAY_TASK_ID=4", new[] { 5 })]
    [InlineData("SLURM_ARRAY_TASK_ID=1 SLURM_ARRAY_TASK_COUNT=1 LLMEMBED_OFFSET=6", new[] { 7 })]
    [InlineData("SLURM_ARRAY_TASK_ID=1 LLMEMBED_SHARDS_PER_TASK=4", new[] { 4, 5, 6, 7 })]
    [InlineData("SLURM_ARRAY_TASK_ID=2 LLMEMBED_SHARDS_PER_TASK=4", new[] { 8, 9 })]
    [InlineData("HOME=/root", null)]
    public void The_first_variable_that_is_set_counts(string environment, int[]? shards) => Assert.Equal(shards, ShardsOf(environment));

    [Fact]
    public void Options_go_before_the_environment() =>
        Assert.Equal([6, 7], TaskNumber.ShardsOf(Reader("SLURM_ARRAY_TASK_ID=1 LLMEMBED_OFFSET=9"), 2, 2, 10));

    [Theory]
    [InlineData("SLURM_ARRAY_TASK_ID=10", "SLURM_ARRAY_TASK_ID is 10, which stands for shard 10")]
    [InlineData("SLURM_ARRAY_TASK_ID=x", "SLURM_ARRAY_TASK_ID is 'x'")]
    [InlineData("SGE_TASK_ID=0", "stands for shard -1")]
    [InlineData("SLURM_ARRAY_TASK_ID=1 LLMEMBED_OFFSET=-1", "LLMEMBED_OFFSET is '-1'")]
    public void Numbers_outside_of_the_plan_are_refused(string environment, string message) =>
        Assert.Contains(message, Assert.Throws<WrongUsageException>(() => ShardsOf(environment)).Message, StringComparison.Ordinal);

    private static IReadOnlyList<int>? ShardsOf(string environment) =>
        TaskNumber.ShardsOf(Reader(environment), offset: null, perTask: null, count: 10);

    private static Func<string, string?> Reader(string environment)
    {
        Dictionary<string, string> variables = environment.Split(' ').Select(pair => pair.Split('=')).ToDictionary(
            pair => pair[0], pair => pair[1], StringComparer.Ordinal);
        return variables.GetValueOrDefault;
    }
}
