using LlmEmbed.Reading;
using LlmEmbed.Recipes;

namespace LlmEmbed.Reports;

/// <summary>Accuracy over depth, one line for each backbone and pooling, with the deviation of the folds as error bars.</summary>
internal static class DepthCurve
{
    private const double Tall = 260;

    /// <param name="probes">At least one.</param>
    /// <param name="chosen">Views that are marked.</param>
    public static Chart Draw(IReadOnlyList<ViewProbe> probes, IReadOnlyCollection<ViewKey> chosen)
    {
        // Depths as shares, so that backbones of different depth share one axis.
        Dictionary<string, int> deepest = probes.GroupBy(probe => probe.Backbone, StringComparer.Ordinal).ToDictionary(
            group => group.Key, group => Math.Max(1, group.Max(probe => probe.View.Depth)), StringComparer.Ordinal);
        var curves = probes.GroupBy(probe => (probe.Backbone, probe.View.Pooling)).ToList();
        int legendRows = curves.Count + (chosen.Count > 0 ? 1 : 0);
        Drawing drawing = new(Plot.Width, Plot.Top + Tall + Plot.AxisHeight + Plot.LegendHeight(legendRows));
        Plot plot = Plot.Create(
            drawing,
            Axis.OfShares("depth, as a share of the backbone's blocks", 0, 1),
            Axis.OfShares(
                "accuracy",
                probes.Min(probe => probe.Accuracy - probe.AccuracyDeviation),
                probes.Max(probe => probe.Accuracy + probe.AccuracyDeviation)),
            Tall);
        plot.DrawRows();
        plot.LabelColumns();
        List<(Action<double, double>, string)> legend = [];
        foreach ((int index, var curve) in curves.Index())
        {
            string color = Theme.Series(index), line = index < Theme.SeriesColors ? "" : " dashed"; // colours come again, lines do not
            double X(ViewProbe probe) => plot.X((double)probe.View.Depth / deepest[probe.Backbone]);
            drawing.Curve($"{color} stroke thick{line}", curve.Select(probe => (X(probe), plot.Y(probe.Accuracy))));
            foreach (ViewProbe probe in curve)
                DrawPoint(drawing, plot, probe, X(probe), color, chosen.Contains(new ViewKey(probe.Backbone, probe.View)));
            legend.Add((
                (x, y) =>
                {
                    if (line.Length > 0) drawing.Line($"{color} stroke thick{line}", x - 12, y, x + 12, y);
                    drawing.Circle($"{color} fill", x, y, 5);
                },
                $"{curve.Key.Backbone}, {Poolings.NameOf(curve.Key.Pooling)}"));
        }
        if (chosen.Count > 0) legend.Add(((x, y) => drawing.Circle("faint ring thick", x, y, 6), "chosen"));
        plot.DrawLegend(legend);
        return new Chart(
            "depth-curve",
            "Accuracy over depth",
            "A logistic regression on one view at a time, cross-validated on a sample of the training texts; bars are the deviation of the folds.",
            drawing);
    }

    private static void DrawPoint(Drawing drawing, Plot plot, ViewProbe probe, double x, string color, bool isChosen)
    {
        (double accuracy, double deviation) = (probe.Accuracy, probe.AccuracyDeviation);
        drawing.Explained($"{probe.Backbone} {Poolings.NameOf(probe.View)}: {Markup.Percent(accuracy)} ± {Markup.Percent(deviation)}", () =>
        {
            drawing.Line($"{color} stroke", x, plot.Y(accuracy - deviation), x, plot.Y(accuracy + deviation));
            drawing.Circle(isChosen ? $"{color} ring thick" : $"{color} fill", x, plot.Y(accuracy), isChosen ? 6 : 3.5);
        });
    }
}
