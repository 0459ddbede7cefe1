using LlmEmbed.Jobs;
using Xunit;

namespace LlmEmbed.Tests.Jobs;

/// <summary>Numbers of shards as schedulers take them.</summary>
public sealed class TaskArrayTests
{
    [Theory]
    [InlineData("3,7-9", new[] { 3, 7, 8, 9 })]
    [InlineData("9, 1-1,1", new[] { 1, 9 })]
    [InlineData("0-2", new[] { 0, 1, 2 })]
    public void Lists_of_shards_are_read(string text, int[] shards) => Assert.Equal(shards, ShardRanges.Parse(text));

    [Theory]
    [InlineData("")]
    [InlineData("3-1")]
    [InlineData("-1")]
    [InlineData("1,,2")]
    [InlineData("1-2-3")]
    [InlineData("a")]
    public void What_is_no_list_is_refused_and_quoted(string text)
    {
        string message = Assert.Throws<LlmEmbedException>(() => ShardRanges.Parse(text)).Message;
        Assert.Contains($"in '{text}' is no shard", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(new int[0], "")]
    [InlineData(new[] { 9, 3, 8, 7 }, "3,7-9")]
    [InlineData(new[] { 0, 1, 3, 5, 6 }, "0-1,3,5-6")]
    public void Shards_are_written_as_short_as_they_can(int[] shards, string text) => Assert.Equal(text, ShardRanges.Format(shards));

    [Fact]
    public void Shards_beyond_the_largest_array_get_an_offset()
    {
        IReadOnlyList<TaskArray> arrays = TaskArray.Of([3, 7, 8, 9, 1000, 1001, 2500]);
        Assert.Equal(
            ["--array=3,7-9", "--array=0-1 --export=ALL,LLMEMBED_OFFSET=1000", "--array=500 --export=ALL,LLMEMBED_OFFSET=2000"],
            arrays.Select(array => array.SbatchOptions));
    }

    [Fact]
    public void A_task_may_have_several_shards() =>
        Assert.Equal(["--array=0,2-3"], TaskArray.Of([1, 9, 10, 11, 12], perTask: 4).Select(array => array.SbatchOptions));
}
