namespace LlmEmbed.Reports;

/// <summary>A rectangle of a drawing with two axes.</summary>
internal sealed class Plot(Drawing drawing, Axis x, Axis y, double left, double top, double wide, double tall)
{
    /// <summary>A plot that fills a drawing as wide as a phone's screen.</summary>
    public const double Width = 440, Left = 52, Top = 10, Right = 26;

    /// <summary>Room that the marks and the title of the axis below a plot take.</summary>
    public const double AxisHeight = 44;

    private const double LegendRow = 20, LegendLeft = 20;

    public static Plot Create(Drawing drawing, Axis x, Axis y, double tall) => new(drawing, x, y, Left, Top, Width - Left - Right, tall);

    public static double LegendHeight(int rows) => rows * LegendRow + 8;

    public double X(double value) => left + wide * x.Place(value);

    public double Y(double value) => top + tall * (1 - y.Place(value));

    public double Bottom => top + tall;

    /// <summary>Lines across the plot with their values at the left, and the title of that axis upright beside them.</summary>
    public void DrawRows()
    {
        foreach (double tick in y.Ticks)
        {
            drawing.Line("grid stroke", left, Y(tick), left + wide, Y(tick));
            drawing.Text(y.Format(tick), left - 6, Y(tick) + 4, Anchor.End, "faint");
        }
        drawing.Text(y.Title, 10, top + tall / 2, Anchor.Middle, "faint", isUpright: true);
    }

    /// <summary>Lines along the plot.</summary>
    public void DrawColumns()
    {
        foreach (double tick in x.Ticks) drawing.Line("grid stroke", X(tick), top, X(tick), top + tall);
    }

    /// <summary>The values and the title of the axis below.</summary>
    public void LabelColumns()
    {
        foreach (double tick in x.Ticks) drawing.Text(x.Format(tick), X(tick), Bottom + 16, Anchor.Middle, "faint");
        drawing.Text(x.Title, left + wide / 2, Bottom + 34, Anchor.Middle, "faint");
    }

    /// <summary>Names with their marks, one below the other, under the axis.</summary>
    public void DrawLegend(IEnumerable<(Action<double, double> Mark, string Name)> entries)
    {
        foreach ((int row, (Action<double, double> mark, string name)) in entries.Index())
        {
            double middle = Bottom + AxisHeight + row * LegendRow + 10;
            mark(LegendLeft, middle);
            drawing.Text(name, LegendLeft + 16, middle + 4);
        }
    }
}
