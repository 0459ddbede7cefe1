using LlmEmbed.Evaluation;

namespace LlmEmbed.Reports;

/// <summary>How often predictions are right, by their confidence.</summary>
internal static class ReliabilityChart
{
    private const double Tall = 260, HistogramTall = 50, Gap = 20;

    public static Chart Draw(EvaluationReport report)
    {
        Drawing drawing = new(Plot.Width, Plot.Top + Tall + Gap + HistogramTall + Plot.AxisHeight);
        Axis confidence = Axis.OfShares("confidence", 0, 1);
        Plot plot = Plot.Create(drawing, confidence, Axis.OfShares("right", 0, 1), Tall);
        Plot histogram = new(
            drawing,
            confidence,
            new Axis("texts", [0, report.Reliability.Max(bin => bin.Count)], Markup.Count),
            Plot.Left,
            plot.Bottom + Gap,
            Plot.Width - Plot.Left - Plot.Right,
            HistogramTall);
        plot.DrawRows();
        foreach ((int index, ReliabilityBin bin) in report.Reliability.Index())
        {
            if (bin.Count == 0) continue;
            double x = plot.X((double)index / report.Reliability.Count) + 1, wide = plot.X((index + 1.0) / report.Reliability.Count) - x - 1;
            drawing.Explained($"{bin.Count} texts, mean confidence {Markup.Percent(bin.Confidence)}, right {Markup.Percent(bin.Accuracy)}", () =>
            {
                drawing.Rectangle("right fill", x, plot.Y(bin.Accuracy), wide, plot.Bottom - plot.Y(bin.Accuracy), 0.6);
                drawing.Rectangle("faint fill", x, histogram.Y(bin.Count), wide, histogram.Bottom - histogram.Y(bin.Count), 0.5);
            });
        }
        drawing.Line("faint stroke dashed", plot.X(0), plot.Y(0), plot.X(1), plot.Y(1));
        histogram.DrawRows();
        histogram.LabelColumns();
        return new Chart(
            "reliability",
            "Reliability",
            "How often predictions are right (bars), by their confidence. On the dashed line, confidence means what it says. Below: how many texts " +
            "have that confidence.",
            drawing);
    }
}
