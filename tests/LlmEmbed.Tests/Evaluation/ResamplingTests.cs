using CsCheck;
using LlmEmbed.Evaluation;
using Xunit;

namespace LlmEmbed.Tests.Evaluation;

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
        Assert.InRange(0.75, macroF1.Low, macroF1.High); // 50 of the 200 texts of each class are wrong
    }

    [Fact]
    public void The_intervals_hold_the_figures_of_the_report_however_few_and_rare_the_texts() =>
        Gen.Select(Gen.Int[0, 5], Gen.Int[0, 5]).Array[1, 30].Sample(texts =>
        {
            int[] truth = [.. texts.Select(text => text.Item1)], predicted = [.. texts.Select(text => text.Item2)];
            double[] probabilities = [.. predicted.SelectMany(label => Enumerable.Range(0, 6).Select(c => c == label ? 1.0 : 0))];
            EvaluationReport report = EvaluationReport.Compute(["a", "b", "c", "d", "e", "f"], probabilities, truth);
            (Interval accuracy, Interval macroF1) = Resampling.Intervals(truth, predicted, 6, seed: 3);
            Assert.InRange(report.Accuracy, accuracy.Low, accuracy.High);
            Assert.InRange(report.MacroF1, macroF1.Low - 1e-12, macroF1.High + 1e-12);
        }, iter: 30);

    [Fact]
    public void Rare_classes_that_are_missing_in_a_draw_do_not_lift_the_mean()
    {
        // The texts of two classes are right. Ten more classes have one text each, which is wrong. So macro-F1 is at most 2/12 in every draw; it
        // would be more if classes that are missing in a draw were left out.
        int[] truth = [.. Enumerable.Range(0, 200).Select(i => i % 2), .. Enumerable.Range(2, 10)];
        int[] predicted = [.. truth.Select(label => label < 2 ? label : label == 2 ? 3 : 2)];
        Assert.InRange(Resampling.Intervals(truth, predicted, 12, seed: 1).MacroF1.High, 0, 2 / 12.0 + 1e-12);
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
