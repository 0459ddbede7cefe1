using LlmEmbed.Recipes;
using Xunit;

namespace LlmEmbed.Tests.Recipes;

public sealed class PseudoBayesianAverageTests
{
    [Fact]
    public void Equal_models_weigh_the_same() =>
        Assert.All(PseudoBayesianAverage.Weights([Losses(40, 0), Losses(40, 0)], [1, 1], seed: 1), weight => Assert.Equal(0.5, weight, 1e-12));

    [Fact]
    public void Texts_outweigh_the_prior()
    {
        Assert.Equal(0.75, PseudoBayesianAverage.Weights([Losses(40, 0), Losses(40, 0)], [3, 1], seed: 1)[0], 1e-12);
        Assert.InRange(PseudoBayesianAverage.Weights([Losses(400, 0.3), Losses(400, 0)], [3, 1], seed: 1)[0], 0, 0.01);
    }

    [Fact]
    public void More_texts_decide_more()
    {
        double few = WorseOf(10), some = WorseOf(40), many = WorseOf(1000);
        Assert.True(few > some && some > many, $"{few}, {some}, {many}");
        Assert.InRange(few, 0.1, 0.5);
        Assert.InRange(many, 0, 0.01);

        static double WorseOf(int texts) => PseudoBayesianAverage.Weights([Losses(texts, 0), Losses(texts, 0.05)], [1, 1], seed: 1)[1];
    }

    [Fact]
    public void Weights_sum_to_one_whatever_the_losses() =>
        Assert.Equal(1, PseudoBayesianAverage.Weights([Losses(500, 0), Losses(500, 9), Losses(500, 900)], [1, 1, 1], seed: 3).Sum(), 1e-9);

    private static double[] Losses(int texts, double excess) =>
        [.. Enumerable.Range(0, texts).Select(text => 0.5 + 0.3 * Math.Sin(text) + excess * (1 + Math.Cos(text)))];
}
