using LlmEmbed.Evaluation;

namespace LlmEmbed.Reports;

/// <summary>
/// Which classes are taken for which, as a heat map. Of very many classes those with the most errors are shown and the rest is one.
/// </summary>
internal static class ConfusionChart
{
    private const int MostClasses = 60, LongestLabel = 24, ListedConfusions = 10;

    /// <summary>Pixels of a cell: enough for a number where classes are few, and for a label always.</summary>
    private const int SmallestCell = 14, LargestCell = 56, AllCells = 360;

    public static Chart Draw(EvaluationReport report)
    {
        (string[] labels, int[][] counts) = Condense(report);
        int cell = Math.Clamp(AllCells / labels.Length, SmallestCell, LargestCell);
        double letters = Math.Min(12, cell - 3);
        string[] shown = [.. labels.Select(label => Markup.Shorten(label, LongestLabel))];
        double margin = Math.Ceiling(28 + 0.6 * letters * shown.Max(label => label.Length)), size = margin + labels.Length * cell + 1;
        Drawing drawing = new(size, size);
        drawing.Text("true ↓   predicted →", 4, 14, style: "faint", size: 11);
        for (int row = 0; row < labels.Length; row++)
        {
            double start = margin + row * cell, baseLine = start + cell / 2.0 + letters / 3;
            drawing.Text(shown[row], margin - 6, baseLine, Anchor.End, size: letters);
            drawing.Text(shown[row], baseLine, margin - 6, size: letters, isUpright: true);
            drawing.Line("grid stroke", margin, start, size, start);
            drawing.Line("grid stroke", start, margin, start, size);
            for (int column = 0; column < labels.Length; column++)
                if (counts[row][column] > 0) DrawCell(drawing, labels, counts, row, column, (margin, cell));
        }
        string rest = labels.Length < report.Classes.Count
            ? $" The {labels.Length - 1} classes with the most errors are shown, the others as one."
            : "";
        return new Chart(
            "confusion",
            "Confusion matrix",
            "Rows are the true classes, columns the predicted ones. The shade is the share of the row, blue where right and red where wrong." + rest,
            drawing)
        {
            Table = MostFrequent(report),
        };
    }

    private static Table? MostFrequent(EvaluationReport report)
    {
        string[][] rows =
        [
            .. report.ConfusionMatrix
                .SelectMany((row, truth) => row.Select((texts, predicted) => (Texts: texts, Truth: truth, Predicted: predicted)))
                .Where(confusion => confusion.Texts > 0 && confusion.Truth != confusion.Predicted)
                .OrderByDescending(confusion => confusion.Texts)
                .Take(ListedConfusions)
                .Select(confusion => new[]
                {
                    report.Classes[confusion.Truth].Label,
                    report.Classes[confusion.Predicted].Label,
                    Markup.Count(confusion.Texts),
                    Markup.Percent(confusion.Texts / (double)report.Classes[confusion.Truth].Support),
                }),
        ];
        return rows.Length > 0
            ? new Table(["Most frequent errors: true class", "Predicted", "Texts", "Share of the class"], FirstNumber: 2, rows)
            : null;
    }

    private static void DrawCell(Drawing drawing, string[] labels, int[][] counts, int row, int column, (double Margin, int Cell) grid)
    {
        int texts = counts[row][column];
        double share = texts / (double)counts[row].Sum(), x = grid.Margin + column * grid.Cell, y = grid.Margin + row * grid.Cell;
        double letters = Math.Min(12, (grid.Cell - 2) / (0.6 * Math.Max(2, Markup.Format(texts, "0").Length)));
        drawing.Explained($"{labels[row]} predicted as {labels[column]}: {texts} ({Markup.Percent(share)})", () =>
        {
            drawing.Rectangle(row == column ? "right fill" : "wrong fill", x, y, grid.Cell, grid.Cell, 0.12 + 0.5 * share);
            drawing.Text(Markup.Format(texts, "0"), x + grid.Cell / 2.0, y + grid.Cell / 2.0 + letters / 3, Anchor.Middle, size: letters);
        });
    }

    /// <summary>The classes with the most errors in the classifier's order, then one for all others.</summary>
    private static (string[] Labels, int[][] Counts) Condense(EvaluationReport report)
    {
        int classCount = report.Classes.Count;
        int Errors(int label) =>
            report.ConfusionMatrix[label].Sum() + report.ConfusionMatrix.Sum(row => row[label]) - 2 * report.ConfusionMatrix[label][label];
        int[] kept = classCount <= MostClasses
            ? [.. Enumerable.Range(0, classCount)]
            : [.. Enumerable.Range(0, classCount).OrderByDescending(Errors).Take(MostClasses - 1).Order()];
        int Place(int label) => Array.IndexOf(kept, label) is >= 0 and int place ? place : kept.Length;
        string[] labels =
        [
            .. kept.Select(label => report.Classes[label].Label),
            .. kept.Length < classCount ? [$"{classCount - kept.Length} others"] : Array.Empty<string>(),
        ];
        int[][] counts = [.. labels.Select(_ => new int[labels.Length])];
        for (int row = 0; row < classCount; row++)
            for (int column = 0; column < classCount; column++) counts[Place(row)][Place(column)] += report.ConfusionMatrix[row][column];
        return (labels, counts);
    }
}
