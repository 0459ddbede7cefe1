using LlmEmbed.Evaluation;

namespace LlmEmbed.Reports;

/// <summary>How accurate a classifier is that keeps silent below a confidence, over the share of texts that it then answers.</summary>
internal static class CoverageChart
{
    private const double Tall = 260;

    /// <summary>Among the first few texts one error is a deep notch, which would squeeze the rest of the curve.</summary>
    private const double LeastShare = 0.1;

    public static Chart Draw(EvaluationReport report)
    {
        Drawing drawing = new(Plot.Width, Plot.Top + Tall + Plot.AxisHeight);
        double low = report.Coverage.Where(point => point.Share >= LeastShare).Min(point => point.Accuracy);
        Plot plot = Plot.Create(drawing, Axis.OfShares("share of the texts answered", 0, 1), Axis.OfShares("accuracy on them", low, 1), Tall);
        plot.DrawRows();
        plot.LabelColumns();
        drawing.Curve("right stroke thick", report.Coverage.Select(point => (plot.X(point.Share), plot.Y(point.Accuracy))));
        foreach (CoverageTarget target in report.CoverageTargets)
        {
            if (target.Point is not { } point) continue;
            drawing.Explained($"{Markup.Percent(target.Accuracy)} right: answer from a confidence of {Markup.Percent(point.Threshold)} on, " +
                $"{Markup.Percent(point.Share)} of the texts", () =>
                drawing.Circle("right ring thick", plot.X(point.Share), plot.Y(point.Accuracy), 5));
        }
        return new Chart(
            "coverage",
            "Coverage against accuracy",
            "If the classifier only answers where it is confident enough, it answers fewer texts and is right more often. Rings mark the " +
            "thresholds of the table, which were found on these very texts: on others they hold roughly.",
            drawing)
        {
            Table = Thresholds(report),
        };
    }

    private static Table Thresholds(EvaluationReport report) => new(
        ["To be right in", "Answer from a confidence of", "Texts answered", "Right of these"],
        FirstNumber: 1,
        [
            .. report.CoverageTargets.Select(target => target.Point is { } point
                ? new[]
                {
                    Markup.Percent(target.Accuracy),
                    Markup.Percent(point.Threshold),
                    Markup.Percent(point.Share),
                    Markup.Percent(point.Accuracy),
                }
                : [Markup.Percent(target.Accuracy), "not reached", "", ""]),
        ]);
}
