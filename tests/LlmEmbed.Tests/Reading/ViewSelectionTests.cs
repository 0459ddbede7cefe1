using LlmEmbed.Checkpoints;
using LlmEmbed.Models;
using Xunit;

namespace LlmEmbed.Tests.Reading;

public sealed class ViewSelectionTests
{
    [Fact]
    public void The_starter_backbones_have_their_default_views()
    {
        Assert.Equal(
            [new(15, Pooling.MeanSkipFirst), new(18, Pooling.Last), new(24, Pooling.MeanSkipFirst)],
            Views(Path.Combine(Repository.Models, "smollm2-135m-instruct"), ViewSelection.Default));
        Assert.Equal([new(4, Pooling.Mean), new(6, Pooling.Mean)], Views(Path.Combine(Repository.Models, "all-minilm-l6-v2"), ViewSelection.Default));
    }

    [Fact]
    public void Default_views_are_within_the_backbone_and_no_two_are_equal()
    {
        for (int blocks = 1; blocks <= 100; blocks++)
        {
            foreach (bool isDecoder in new[] { true, false })
            {
                IReadOnlyList<View> views = ViewSelection.Default.Resolve(isDecoder, blocks);
                Assert.All(views, view => Assert.InRange(view.Depth, 1, blocks));
                Assert.Equal(views.Distinct(), views);
            }
        }
    }

    [Theory]
    [InlineData("0", 0)]
    [InlineData("0,8,15", 0, 8, 15)]
    [InlineData(" 8 , 0 ,", 8, 0)]
    [InlineData("8,8,8", 8)]
    [InlineData("-1", 30)]
    [InlineData("-1,-31", 30, 0)]
    [InlineData("50%", 15)]
    [InlineData("0%,100%", 0, 30)]
    [InlineData("55%", 17)] // 16.5 rounds away from zero
    [InlineData("last1", 30)]
    [InlineData("last5", 26, 27, 28, 29, 30)]
    [InlineData("last2,28,-1", 29, 30, 28)]
    public void Depths_are_numbers_places_from_the_end_shares_and_ranges(string text, params int[] expected) =>
        Assert.Equal(expected, Depths(text, 30));

    [Fact]
    public void All_and_the_last_of_all_are_every_depth_from_the_embeddings_on()
    {
        Assert.Equal([0, 1, 2, 3], Depths("all", 3));
        Assert.Equal([0, 1, 2, 3], Depths("last4", 3));
    }

    [Theory]
    [InlineData("", "No depth in ''")]
    [InlineData(" , ", "No depth in ' , '")]
    [InlineData("31", "Depth '31' is outside 0..30")]
    [InlineData("-32", "Depth '-32' is outside 0..30")]
    [InlineData("1,99999999999", "'99999999999' in depths '1,99999999999' is not understood")]
    [InlineData("last32", "'last32' asks for 32 depths; this backbone has 31")]
    [InlineData("last0", "'last0' in depths")]
    [InlineData("last-1", "'last-1' in depths")]
    [InlineData("last", "'last' in depths")]
    [InlineData("101%", "'101%' in depths")]
    [InlineData("-5%", "'-5%' in depths")]
    [InlineData("%", "'%' in depths")]
    [InlineData("1.5", "'1.5' in depths")]
    [InlineData("ALL", "'ALL' in depths")]
    [InlineData("8;9", "'8;9' in depths")]
    public void What_is_no_depth_is_refused(string text, string expected)
    {
        string message = Assert.Throws<LlmEmbedException>(() => Depths(text, 30)).Message;
        Assert.Contains(expected, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Depths_and_poolings_combine_depth_by_depth()
    {
        ViewSelection selection = ViewSelection.At("1,3", [Pooling.Mean, Pooling.Last]);
        Assert.Equal(
            [new(1, Pooling.Mean), new(1, Pooling.Last), new(3, Pooling.Mean), new(3, Pooling.Last)], Views(Repository.Fixture("bert"), selection));
    }

    [Fact]
    public void Depths_alone_take_the_pooling_of_the_architecture()
    {
        Assert.Equal([new(1, Pooling.MeanSkipFirst)], Views(Repository.Fixture("llama-mha"), ViewSelection.At("1")));
        Assert.Equal([new(1, Pooling.Mean)], Views(Repository.Fixture("bert"), ViewSelection.At("1")));
    }

    [Fact]
    public void Poolings_alone_take_the_default_depths_and_the_pooler_the_last()
    {
        Assert.Equal(
            [new(3, Pooling.Max), new(4, Pooling.Max), new(4, Pooling.Pooler)],
            Views(Repository.Fixture("bert"), ViewSelection.At(null, [Pooling.Max, Pooling.Pooler])));
        Assert.Equal(
            [new(15, Pooling.First), new(18, Pooling.First), new(24, Pooling.First)],
            Views(Path.Combine(Repository.Models, "smollm2-135m-instruct"), ViewSelection.At(null, [Pooling.First])));
    }

    [Fact]
    public void Named_views_are_taken_as_they_are()
    {
        View[] views = [new(2, Pooling.Last), new(0, Pooling.First)];
        Assert.Equal(views, Views(Repository.Fixture("bert"), ViewSelection.Of(views)));
    }

    private static IEnumerable<int> Depths(string text, int blockCount) =>
        ViewSelection.At(text, [Pooling.Mean]).Resolve(isCausal: false, blockCount).Select(view => view.Depth);

    private static IReadOnlyList<View> Views(string path, ViewSelection selection)
    {
        using Checkpoint checkpoint = Checkpoint.Open(path);
        Backbone backbone = Backbone.Create(checkpoint);
        return selection.Resolve(backbone.IsCausal, backbone.BlockCount);
    }
}
