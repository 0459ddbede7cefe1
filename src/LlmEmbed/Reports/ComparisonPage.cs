using LlmEmbed.Comparison;
using LlmEmbed.Files;

namespace LlmEmbed.Reports;

/// <summary>Methods side by side: accuracy with its uncertainty, and what it costs.</summary>
/// <param name="Title">What was compared on what.</param>
/// <param name="Result">The methods.</param>
public sealed record ComparisonPage(string Title, ComparisonResult Result)
{
    private const double Row = 26, CostTall = 300;

    /// <summary>The column of the table from which on costs stand.</summary>
    private const int FirstCost = 5;

    /// <summary>Writes the page to a file, which appears whole or not at all.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="LlmEmbedException">It cannot be written.</exception>
    public void Save(string path) => AtomicFile.WriteText(path, ToHtml());

    /// <summary>The table as Markdown, with the remarks on how its figures were found.</summary>
    public string ToMarkdown() => ComparisonTable.ToMarkdown(Title, Result);

    /// <summary>All figures as a JSON object.</summary>
    public string ToJson() => ComparisonTable.ToJson(Result).ToJsonString();

    /// <summary>The page as one HTML file without scripts and other files.</summary>
    public string ToHtml()
    {
        IReadOnlyList<ComparisonRow> rows = Result.Rows;
        Table table = ComparisonTable.Of(rows);
        HtmlPage page = new($"Methods compared: {Title}");
        page.Note($"Overlap: {Result.Overlap}.");
        page.Add(Accuracies(rows) with { Table = Part(table, 1..FirstCost) });
        page.Add(AccuracyOverCost(rows) with { Table = Part(table, FirstCost..) });
        if (ComparisonTable.Shares(rows) is { } shares)
        {
            page.Heading(ComparisonTable.SharesHeading);
            page.Add(shares);
        }
        foreach (string remark in ComparisonTable.Remarks()) page.Note(remark);
        foreach (string reason in Result.LeftOut) page.Note($"Left out: {reason}.");
        page.Facts("Methods", [.. rows.Select(row => (row.Method, HeadSentences.NoteOf(row)))]);
        return page.ToString();
    }

    private static Table Part(Table table, Range columns) =>
        new(
            [table.Columns[0], .. table.Columns.ToArray()[columns]],
            FirstNumber: 1,
            [.. table.Rows.Select(row => (string[])[row[0], .. row[columns]])]);

    /// <summary>A dot for each method on one axis, with its interval.</summary>
    internal static Chart Accuracies(IReadOnlyList<ComparisonRow> rows)
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
    internal static Chart AccuracyOverCost(IReadOnlyList<ComparisonRow> rows)
    {
        Drawing drawing = new(Plot.Width, Plot.Top + CostTall + Plot.AxisHeight);
        var timed = rows.Index().Where(row => SecondsOf(row.Item) > 0).ToList();
        Plot plot = Plot.Create(
            drawing,
            Axis.OfSeconds(
                "seconds for training and prediction together", timed.Min(row => SecondsOf(row.Item)), timed.Max(row => SecondsOf(row.Item))),
            Axis.OfShares("accuracy", timed.Min(row => row.Item.Report.Accuracy), timed.Max(row => row.Item.Report.Accuracy)),
            CostTall);
        plot.DrawRows();
        plot.DrawColumns();
        plot.LabelColumns();
        (double X, double Y) PlaceOf(ComparisonRow row) => (plot.X(SecondsOf(row)), plot.Y(row.Report.Accuracy));
        List<(double X, double Y)> taken = [.. timed.Select(row => PlaceOf(row.Item))];
        foreach ((int index, ComparisonRow row) in timed)
        {
            (double x, double y) = PlaceOf(row);
            drawing.Explained($"{row.Method}: {Markup.Percent(row.Report.Accuracy)} in {Markup.Format(SecondsOf(row), "0.0")} s", () =>
            {
                drawing.Circle($"{ColorOf(row)} fill", x, y, 5);
                taken.Add(FreePlace(x, y, taken));
                drawing.Text(Markup.Format(index + 1, "0"), taken[^1].X, taken[^1].Y + 4, Anchor.Middle);
            });
        }
        return new Chart(
            "cost",
            "Accuracy against cost",
            "Wall-clock time on this machine, reading the texts included; each step to the right is ten times as long. Numbers are those of the " +
            "picture above.",
            drawing);
    }

    /// <summary>Beside a dot, where the least of the other dots and numbers is.</summary>
    private static (double X, double Y) FreePlace(double x, double y, List<(double X, double Y)> taken)
    {
        const double Away = 13;
        (double X, double Y)[] places = [(x + Away, y), (x - Away, y), (x, y - Away), (x, y + Away)];
        return places.MaxBy(place => Math.Min(Away, taken.Min(other => Math.Max(Math.Abs(place.X - other.X), Math.Abs(place.Y - other.Y)))));
    }

    private static double SecondsOf(ComparisonRow row) => row.Cost.Training.Seconds + row.Cost.Prediction.Seconds;

    /// <summary>Auto is the one without a test against auto.</summary>
    private static string ColorOf(ComparisonRow row) => row.PAgainstAuto is null ? "s1" : "s0";
}
