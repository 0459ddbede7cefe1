using LlmEmbed.Comparison;
using Xunit;

namespace LlmEmbed.Tests.Comparison;

public sealed class ResamplingTests
{
    [Fact]
    public void The_interval_of_a_share_is_about_the_binomial_one_and_holds_the_share()
    {
        int[] truth = [.. Enumerable.Range(0, 400).Select(i => i % 2)];
        int[] predicted = [.. truth.Select((label, i) => i < 100 ? 1 - label : label)];
        (Interval accuracy, Interval macroF1) = Resampling.Intervals(truth, predicted, classCount: 2, seed: 1);
        // The standard error is √(0.75 × 0.25 / 400) = 0.02165.
        Assert.Equal(0.75 - 1.96 * 0.02165, accuracy.Low, 0.008);
        Assert.Equal(0.75 + 1.96 * 0.02165, accuracy.High, 0.008);
        Assert.InRange(0.75, macroF1.Low, macroF1.High); // both classes have 50 of 200 wrong
    }

    [Fact]
    public void The_same_seed_gives_the_same_interval_and_another_one_another()
    {
        int[] truth = [.. Enumerable.Range(0, 300).Select(i => i % 3)];
        int[] predicted = [.. truth.Select((label, i) => i % 4 == 0 ? (label + 1) % 3 : label)];
        Assert.Equal(Resampling.Intervals(truth, predicted, 3, seed: 1), Resampling.Intervals(truth, predicted, 3, seed: 1));
        Assert.NotEqual(Resampling.Intervals(truth, predicted, 3, seed: 1).MacroF1, Resampling.Intervals(truth, predicted, 3, seed: 2).MacroF1);
    }

    [Fact]
    public void Nothing_wrong_leaves_no_doubt()
    {
        int[] truth = [0, 1, 2, 0, 1, 2];
        Assert.Equal((new Interval(1, 1), new Interval(1, 1)), Resampling.Intervals(truth, truth, 3, seed: 0));
    }
}
