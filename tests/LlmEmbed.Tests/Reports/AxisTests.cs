using CsCheck;
using LlmEmbed.Reports;
using Xunit;

namespace LlmEmbed.Tests.Reports;

public sealed class AxisTests
{
    [Fact]
    public void An_axis_of_shares_has_few_ascending_marks_around_its_range() =>
        Gen.Select(Gen.Double[0, 1], Gen.Double[0, 1]).Sample((a, b) =>
        {
            (double low, double high) = (Math.Min(a, b), Math.Max(a, b));
            Axis axis = Axis.OfShares("", low, high);
            Assert.InRange(axis.Ticks.Count, 2, 7);
            Assert.Equal(axis.Ticks.Order().Distinct(), axis.Ticks);
            Assert.InRange(low, axis.Ticks[0] - 1e-9, axis.Ticks[^1] + 1e-9);
            Assert.InRange(high, axis.Ticks[0] - 1e-9, axis.Ticks[^1] + 1e-9);
            Assert.InRange(axis.Ticks[^1], 0, 1.0000001);
        });

    [Fact]
    public void Places_are_proportional_and_stay_within_the_axis()
    {
        Axis shares = Axis.OfShares("", 0.5, 1);
        Assert.Equal([0, 0.5, 1, 0, 1], new[] { 0.5, 0.75, 1, 0.2, 1.5 }.Select(value => Math.Round(shares.Place(value), 12)));
        Axis seconds = Axis.OfSeconds("", 0.02, 900);
        Assert.Equal(["0.01 s", "0.1 s", "1 s", "10 s", "100 s", "1,000 s"], seconds.Ticks.Select(seconds.Format));
        Assert.Equal(0.4, seconds.Place(1), 1e-12);
    }
}
