using CsCheck;
using LlmEmbed.Evaluation;
using Xunit;

namespace LlmEmbed.Tests.Evaluation;

public sealed class CoverageCurveTests
{
    private static readonly Gen<Outcome[]> Outcomes =
        Gen.Select(
            Gen.Int[0, 2],
            Gen.Int[0, 2],
            Gen.Int[1, 20],
            (truth, predicted, confidence) => new Outcome(truth, predicted, confidence / 20.0)).Array[1, 60];

    [Fact]
    public void Each_point_is_what_counting_above_its_threshold_gives() => Outcomes.Sample(outcomes =>
    {
        CoveragePoint[] curve = CoverageCurve.Of(outcomes);
        Assert.Equal(outcomes.Select(text => text.Confidence).Distinct().OrderDescending(), curve.Select(point => point.Threshold));
        foreach (CoveragePoint point in curve)
        {
            Outcome[] answered = [.. outcomes.Where(text => text.Confidence >= point.Threshold)];
            Assert.Equal(answered.Length / (double)outcomes.Length, point.Share, 1e-12);
            Assert.Equal(answered.Count(text => text.Truth == text.Predicted) / (double)answered.Length, point.Accuracy, 1e-12);
        }
    });

    [Fact]
    public void A_target_is_met_by_the_lowest_threshold_that_meets_it() => Outcomes.Sample(outcomes =>
    {
        CoveragePoint[] curve = CoverageCurve.Of(outcomes);
        foreach (CoverageTarget target in CoverageCurve.Targets(curve))
        {
            double[] meeting = [.. curve.Where(point => point.Accuracy >= target.Accuracy).Select(point => point.Threshold)];
            Assert.Equal(meeting.Length == 0 ? null : meeting.Min(), target.Point?.Threshold);
        }
    });
}
