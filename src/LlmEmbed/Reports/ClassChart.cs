using LlmEmbed.Evaluation;

namespace LlmEmbed.Reports;

/// <summary>Precision, recall and F1 of each class, the weakest first.</summary>
internal static class ClassChart
{
    private const double Row = 22;

    private const int LongestLabel = 24;

    public static Chart Draw(EvaluationReport report)
    {
        ClassScore[] classes = [.. report.Classes.OrderBy(score => score.F1)];
        string[] labels = [.. classes.Select(score => Markup.Shorten(score.Label, LongestLabel))];
        double left = 16 + 7 * labels.Max(label => label.Length), tall = Row * classes.Length;
        Drawing drawing = new(Plot.Width, Plot.Top + tall + Plot.AxisHeight + Plot.LegendHeight(3));
        Plot plot = new(drawing, Axis.OfShares("", 0, 1), new Axis("", [0, 1], _ => ""), left, Plot.Top, Plot.Width - left - Plot.Right, tall);
        plot.DrawColumns();
        plot.LabelColumns();
        foreach ((int index, ClassScore score) in classes.Index())
        {
            double middle = Plot.Top + Row * (index + 0.5);
            drawing.Text(labels[index], left - 8, middle + 4, Anchor.End);
            drawing.Explained($"{score.Label}: precision {Markup.Percent(score.Precision)}, recall {Markup.Percent(score.Recall)}, F1 " +
                $"{Markup.Percent(score.F1)}, {score.Support} texts", () =>
            {
                drawing.Rectangle("right fill", plot.X(0), middle - 6, plot.X(score.F1) - plot.X(0), 12, 0.35);
                drawing.Circle("s0 fill", plot.X(score.Precision), middle, 4);
                drawing.Circle("s1 ring thick", plot.X(score.Recall), middle, 4);
            });
        }
        plot.DrawLegend(
        [
            ((x, y) => drawing.Rectangle("right fill", x - 8, y - 6, 16, 12, 0.35), "F1"),
            ((x, y) => drawing.Circle("s0 fill", x, y, 4), "precision: right among the texts put there"),
            ((x, y) => drawing.Circle("s1 ring thick", x, y, 4), "recall: found among the texts of the class"),
        ]);
        return new Chart("classes", "Classes", "The weakest class first in the picture, the classifier's order in the table.", drawing)
        { Table = Figures(report) };
    }

    private static Table Figures(EvaluationReport report) => new(
        ["Class", "Precision", "Recall", "F1", "Texts"],
        FirstNumber: 1,
        [
            .. report.Classes.Select(
                score => new[]
                {
                    score.Label,
                    Markup.Percent(score.Precision),
                    Markup.Percent(score.Recall),
                    Markup.Percent(score.F1),
                    Markup.Count(score.Support),
                }),
        ]);
}
