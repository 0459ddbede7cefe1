using LlmEmbed.Data;
using LlmEmbed.Evaluation;
using LlmEmbed.Learning;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class MixtureWeightsTests
{
    /// <summary>How strongly weights are drawn to the shares, of which the plain objective here has to know.</summary>
    private const double Pull = 5;

    [Theory]
    [InlineData(12)]
    [InlineData(400)]
    public void They_have_the_least_loss_of_a_fine_grid_the_pull_included(int rows)
    {
        int[] labels = Labels(rows, 3);
        double[] strengths = [1.5, 1, 0];
        double[][] experts = [.. strengths.Select((strength, place) => Expert(labels, 3, strength, (ulong)place + 1))];
        double[] shares = [1, 2, 0.5];
        const int Steps = 200;
        (double Loss, double[] Weights) best = (double.MaxValue, []);
        for (int i = 1; i < Steps; i++)
            for (int j = 1; i + j < Steps; j++)
            {
                double[] weights = [i / (double)Steps, j / (double)Steps, (Steps - i - j) / (double)Steps];
                if (Loss(weights) is var loss && loss < best.Loss) best = (loss, weights);
            }
        double[] learned = MixtureWeights.Learn(experts, labels, shares);
        Assert.True(Loss(learned) <= best.Loss + 1e-6, $"{Loss(learned)} instead of {best.Loss}");
        for (int i = 0; i < 3; i++) Assert.Equal(best.Weights[i], learned[i], 1.01 / Steps);

        double Loss(double[] weights) => TemperatureScaling.NegativeLogLikelihoods(MixtureWeights.Mix(experts, weights), labels, temperature: 1).Sum()
            - Pull * weights.Zip(shares, (weight, share) => share / shares.Sum() * Math.Log(weight)).Sum();
    }

    [Fact]
    public void They_sum_to_one_and_none_is_negative_however_much_experts_differ()
    {
        int[] labels = Labels(300, 4);
        double[][] experts = [Expert(labels, 4, 900, 1), Expert(labels, 4, -900, 2), Expert(labels, 4, 0, 3), new double[1200]];
        double[] weights = MixtureWeights.Learn(experts, labels, [1, 1, 0.5, 1]);
        Assert.Equal(1, weights.Sum(), 1e-12);
        Assert.All(weights, weight => Assert.InRange(weight, 0, 1));
    }

    [Fact]
    public void Equal_experts_keep_their_shares()
    {
        int[] labels = Labels(500, 2);
        double[] expert = Expert(labels, 2, 1, 1);
        double[] weights = MixtureWeights.Learn([expert, expert, expert, expert], labels, [1, 0.5, 0.5, 2]);
        double[] expected = [0.25, 0.125, 0.125, 0.5];
        for (int i = 0; i < 4; i++) Assert.Equal(expected[i], weights[i], 1e-6);
    }

    [Fact]
    public void An_expert_that_knows_everything_wins_with_many_texts_and_stays_near_its_share_with_few()
    {
        double few = WeightOfTheBest(4), some = WeightOfTheBest(100), many = WeightOfTheBest(4000);
        Assert.InRange(few, 0.34, 0.6);
        Assert.True(few < some && some < many, $"{few}, {some}, {many}");
        Assert.InRange(many, 0.9, 1);

        static double WeightOfTheBest(int rows)
        {
            int[] labels = Labels(rows, 2);
            return MixtureWeights.Learn([Expert(labels, 2, 0, 1), Expert(labels, 2, 4, 2), Expert(labels, 2, 0, 3)], labels, [1, 1, 1])[1];
        }
    }

    [Fact]
    public void The_order_of_experts_does_not_matter()
    {
        int[] labels = Labels(90, 3), order = [2, 0, 3, 1];
        double[][] experts = [.. Enumerable.Range(0, 4).Select(i => Expert(labels, 3, 0.4 * i, (ulong)i))];
        double[] shares = [1, 0.5, 2, 0.2];
        double[] weights = MixtureWeights.Learn(experts, labels, shares);
        double[] turned = MixtureWeights.Learn([.. order.Select(i => experts[i])], labels, [.. order.Select(i => shares[i])]);
        for (int i = 0; i < 4; i++) Assert.Equal(weights[order[i]], turned[i], 1e-5);
    }

    [Fact]
    public void One_expert_has_all_the_weight() => Assert.Equal([1], MixtureWeights.Learn([Expert(Labels(5, 2), 2, 1, 1)], Labels(5, 2), [0.3]));

    private static int[] Labels(int rows, int classCount) => [.. Enumerable.Range(0, rows).Select(row => row % classCount)];

    /// <summary>Log-probabilities of noise to which the truth is added.</summary>
    private static double[] Expert(int[] labels, int classCount, double strength, ulong seed)
    {
        DeterministicRandom random = new(seed);
        double[] logits = [.. labels.SelectMany(label => Enumerable.Range(0, classCount).Select(k =>
            HeadProblems.Normal(random) + (k == label ? strength : 0)))];
        return TemperatureScaling.LogProbabilities(logits, classCount, temperature: 1);
    }
}
