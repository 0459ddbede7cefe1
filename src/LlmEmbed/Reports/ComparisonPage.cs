using LlmEmbed.Comparison;

namespace LlmEmbed.Reports;

/// <summary>Methods side by side as one page: accuracy with its uncertainty, and what it costs.</summary>
internal static class ComparisonPage
{
    private const double Row = 26, CostTall = 300;

    /// <param name="title">What was compared on what.</param>
    /// <param name="rows">The methods; the last is auto.</param>
    /// <param name="table">The figures as the command prints them.</param>
    /// <param name="remarks">How the figures were found.</param>
    public static string ToHtml(string title, IReadOnlyList<ComparisonRow> rows, Table table, IEnumerable<string> remarks)
    {
        HtmlPage page = new(title);
        page.Add(Accuracies(rows));
        page.Add(AccuracyOverCost(rows));
        page.Heading("Figures");
        page.Add(table);
        foreach (string remark in remarks) page.Note(remark);
        page.Facts("Methods", [.. rows.Select(row => (row.Method, row.Note))]);
        return page.ToString();
    }

    /// <summary>A dot for each method on one axis, with its interval.</summary>
    public static Chart Accuracies(IReadOnlyList<ComparisonRow> rows)
    {
        double left = 34 + 7 * rows.Max(row => row.Method.Length), tall = Row * rows.Count;
        Drawing drawing = new(Plot.Width, Plot.Top + tall + Plot.AxisHeight);
        Axis accuracy = Axis.OfShares("accuracy", rows.Min(row => row.Accuracy.Low), rows.Max(row => row.Accuracy.High));
        Plot plot = new(drawing, accuracy, Axis.OfShares("", 0, 1), left, Plot.Top, Plot.Width - left - Plot.Right, tall);
        plot.DrawColumns();
        plot.LabelColumns();
        foreach ((int index, ComparisonRow row) in rows.Index())
        {
            double middle = Plot.Top + Row * (index + 0.5);
            string color = ColorOf(row);
            drawing.Text($"{index + 1}  {row.Method}", left - 10, middle + 4, Anchor.End);
            drawing.Explained($"{row.Method}: {Markup.Percent(row.Report.Accuracy)} ({Markup.Percent(row.Accuracy)})", () =>
            {
                drawing.Line($"{color} stroke thick", plot.X(row.Accuracy.Low), middle, plot.X(row.Accuracy.High), middle);
                drawing.Circle($"{color} fill", plot.X(row.Report.Accuracy), middle, 5);
            });
        }
        return new Chart("accuracy", "Accuracy", "On the test texts, with 95 % intervals of the bootstrap over texts.", drawing);
    }

    /// <summary>Methods that took time, numbered as in <see cref="Accuracies"/>.</summary>
    public static Chart AccuracyOverCost(IReadOnlyList<ComparisonRow> rows)
    {
        Drawing drawing = new(Plot.Width, Plot.Top + CostTall + Plot.AxisHeight);
        var timed = rows.Index().Where(row => SecondsOf(row.Item) > 0).ToList();
        Plot plot = Plot.Create(
            drawing,
            Axis.OfSeconds("seconds for training and prediction together", timed.Min(row => SecondsOf(row.Item)), timed.Max(row => SecondsOf(row.Item))),
            Axis.OfShares("accuracy", timed.Min(row => row.Item.Report.Accuracy), timed.Max(row => row.Item.Report.Accuracy)),
            CostTall);
        plot.DrawRows();
        plot.DrawColumns();
        plot.LabelColumns();
        foreach ((int index, ComparisonRow row) in timed)
        {
            (double x, double y) = (plot.X(SecondsOf(row)), plot.Y(row.Report.Accuracy));
            drawing.Explained($"{row.Method}: {Markup.Percent(row.Report.Accuracy)} in {Markup.Format(SecondsOf(row), "0.0")} s", () =>
            {
                drawing.Circle($"{ColorOf(row)} ring thick", x, y, 9);
                drawing.Text(Markup.Format(index + 1, "0"), x, y + 4, Anchor.Middle);
            });
        }
        return new Chart("cost", "Accuracy against cost", "Wall-clock time on this machine, reading the texts included; each step to the right is ten times as long. Numbers are those of the picture above.", drawing);
    }

    private static double SecondsOf(ComparisonRow row) => row.Cost.Training.Seconds + row.Cost.Prediction.Seconds;

    /// <summary>Auto is the one without a test against auto.</summary>
    private static string ColorOf(ComparisonRow row) => row.PAgainstAuto is null ? "s1" : "s0";
}
