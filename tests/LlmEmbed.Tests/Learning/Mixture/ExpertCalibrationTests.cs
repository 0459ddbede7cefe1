using LlmEmbed.Data;
using LlmEmbed.Evaluation;
using LlmEmbed.Learning;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class ExpertCalibrationTests
{
    [Fact]
    public void With_many_texts_each_has_the_temperature_that_suits_it()
    {
        int[] labels = Labels(6000);
        double[][] experts = [Expert(labels, factor: 1, seed: 1), Expert(labels, factor: 3, seed: 2), Expert(labels, factor: 0.4, seed: 3)];
        double[] temperatures = ExpertCalibration.Temperatures(experts, labels);
        for (int i = 0; i < 3; i++) Assert.Equal(1, temperatures[i] / TemperatureScaling.Fit(experts[i], labels), 0.03);
        Assert.InRange(temperatures[1] / temperatures[2], 6, 9); // 3 / 0.4 = 7.5
    }

    /// <summary>The logits of the second expert are those of the first, but every fourth is wrong that was right, and right that was wrong.</summary>
    [Theory]
    [InlineData(16, true)]
    [InlineData(6000, false)]
    public void With_few_texts_they_are_drawn_together(int rows, bool areDrawn)
    {
        int[] labels = Labels(rows);
        double[] one = Expert(labels, 1, seed: 1), two = [.. one.Select((logit, i) => i / 2 % 4 == 1 ? -logit : logit)];
        double fitted = Math.Log(TemperatureScaling.Fit(two, labels, 1.0 / (rows + 2)) / TemperatureScaling.Fit(one, labels, 1.0 / (rows + 2)));
        double[] temperatures = ExpertCalibration.Temperatures([one, two], labels);
        Assert.InRange(fitted, 0.3, double.MaxValue);
        Assert.InRange(Math.Log(temperatures[1] / temperatures[0]) / fitted, areDrawn ? 0 : 0.9, areDrawn ? 0.5 : 1);
    }

    [Fact]
    public void Equal_experts_have_the_temperature_that_suits_each_of_them_however_few_texts_there_are()
    {
        int[] labels = Labels(12);
        double[] one = Expert(labels, 3, seed: 4);
        double fitted = TemperatureScaling.Fit(one, labels, 1.0 / 14);
        Assert.All(ExpertCalibration.Temperatures([one, one, one], labels), temperature => Assert.Equal(fitted, temperature, 1e-9));
    }

    [Fact]
    public void A_silent_expert_changes_no_other_and_says_nothing_itself()
    {
        int[] labels = Labels(60);
        double[] one = Expert(labels, 1, 1), two = Expert(labels, 2, 2);
        double[] without = ExpertCalibration.Temperatures([one, two], labels);
        double[] with = ExpertCalibration.Temperatures([one, new double[120], two], labels);
        Assert.Equal(without[0], with[0], 1e-12);
        Assert.Equal(without[1], with[2], 1e-12);
        Assert.True(with[1] > 0 && double.IsFinite(with[1]));
        Assert.All(ExpertCalibration.Temperatures([new double[120], new double[120]], labels), found => Assert.True(double.IsFinite(found)));
    }

    /// <summary>
    /// A second implementation: the least sum of log losses and of ten times half the squared distance to the common logarithm, on a grid.
    /// </summary>
    [Theory]
    [InlineData(12)]
    [InlineData(40)]
    [InlineData(300)]
    public void Each_has_the_temperature_with_the_least_loss_and_pull(int rows)
    {
        int[] labels = Labels(rows);
        double[][] experts = [Expert(labels, 1, seed: 1), [.. Expert(labels, 1, seed: 2).Select((logit, i) => i / 2 % 3 == 1 ? -logit : logit)]];
        double smoothing = 1.0 / (rows + 2);
        double[] spreads = [.. experts.Select(own => ExpertCalibration.Spread(own, 2))];
        double[] fitted = [.. experts.Select(own => TemperatureScaling.Fit(own, labels, smoothing))];
        double[] precisions = [.. experts.Zip(fitted, (own, temperature) => TemperatureScaling.Precision(own, labels, temperature))];
        double common = Enumerable.Range(0, 2).Sum(i => precisions[i] * Math.Log(fitted[i] / spreads[i])) / precisions.Sum();
        double[] found = ExpertCalibration.Temperatures(experts, labels);
        for (int i = 0; i < 2; i++)
        {
            double best = Enumerable.Range(-6000, 12_001).Select(step => step / 1000.0)
                .MinBy(log => Loss(i, spreads[i] * Math.Exp(log), log - common));
            Assert.Equal(best, Math.Log(found[i] / spreads[i]), 0.002);
        }

        double Loss(int expert, double temperature, double distance)
        {
            double[] logs = TemperatureScaling.LogProbabilities(experts[expert], 2, temperature);
            double losses = labels.Index().Sum(
                row => -(1 - smoothing / 2) * logs[2 * row.Index + row.Item] - smoothing / 2 * logs[2 * row.Index + 1 - row.Item]);
            return losses + 10 * distance * distance / 2;
        }
    }

    /// <summary>Nothing is known of its temperature but that it is high, so that the common one must not be taken for it.</summary>
    [Fact]
    public void An_expert_on_noise_says_next_to_nothing_with_many_texts()
    {
        int[] labels = Labels(4000);
        double[] noise = Expert([.. labels.Select((_, row) => row * 7 % 13 % 2)], factor: 1, seed: 5), one = Expert(labels, factor: 1, seed: 1);
        double[] temperatures = ExpertCalibration.Temperatures([one, noise], labels);
        Assert.InRange(temperatures[1] / temperatures[0], 5, double.MaxValue);
    }

    [Fact]
    public void Logits_that_are_all_a_multiple_have_that_multiple_of_the_temperature()
    {
        int[] labels = Labels(40);
        double[] one = Expert(labels, 1, 1), two = Expert(labels, 1, 2);
        double[] before = ExpertCalibration.Temperatures([one, two], labels);
        double[] after = ExpertCalibration.Temperatures([one, [.. two.Select(logit => 8 * logit)]], labels);
        Assert.Equal(before[0], after[0], 1e-9);
        Assert.Equal(8 * before[1], after[1], 1e-8);
    }

    /// <summary>By the second difference of the loss over the logarithm of the temperature.</summary>
    [Fact]
    public void The_precision_of_a_temperature_is_the_curvature_of_the_loss()
    {
        int[] labels = Labels(50);
        double[] logits = Expert(labels, 2, 1);
        double temperature = TemperatureScaling.Fit(logits, labels);
        const double Step = 1e-3;
        double Loss(double log) => TemperatureScaling.NegativeLogLikelihoods(logits, labels, temperature * Math.Exp(log)).Sum();
        double curvature = (Loss(Step) - 2 * Loss(0) + Loss(-Step)) / (Step * Step);
        Assert.Equal(1, TemperatureScaling.Precision(logits, labels, temperature) / curvature, 1e-4);
    }

    [Fact]
    public void Logarithms_of_probabilities_are_those_of_the_softmax_and_do_not_overflow()
    {
        double[] logs = TemperatureScaling.LogProbabilities([1, 2, 4, 9000, 0, -9000], 3, temperature: 2);
        double total = Math.Exp(0.5) + Math.Exp(1) + Math.Exp(2);
        double[] expected = [0.5 - Math.Log(total), 1 - Math.Log(total), 2 - Math.Log(total), 0, -4500, -9000];
        for (int i = 0; i < 6; i++) Assert.Equal(expected[i], logs[i], 1e-12);
    }

    private static int[] Labels(int rows) => [.. Enumerable.Range(0, rows).Select(row => row % 2)];

    /// <summary>Logits of two classes that are calibrated but for a factor: those of a normal variable whose mean depends on the class.</summary>
    private static double[] Expert(int[] labels, double factor, ulong seed)
    {
        DeterministicRandom random = new(seed);
        return [.. labels.SelectMany(label => new[] { 0, factor * 2 * (HeadProblems.Normal(random) + (label == 1 ? 1 : -1)) })];
    }
}
