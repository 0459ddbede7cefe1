namespace LlmEmbed.Reports;

/// <summary>What a direction of a plot means.</summary>
/// <param name="Title">For people.</param>
/// <param name="Ticks">The marks, ascending; the first and the last are the ends.</param>
/// <param name="Format">A mark as text.</param>
internal sealed record Axis(string Title, IReadOnlyList<double> Ticks, Func<double, string> Format)
{
    private const int MostTicks = 7;

    public bool IsLogarithmic { get; init; }

    /// <summary>Shares in percent, over round numbers around the range but not beyond 0 and 1.</summary>
    public static Axis OfShares(string title, double low, double high)
    {
        (low, high) = (Math.Clamp(low, 0, 0.99), Math.Clamp(high, 0.01, 1));
        foreach (double percent in new[] { 1, 2, 5, 10, 20 })
        {
            int first = (int)Math.Floor(100 * low / percent + 1e-9), last = Math.Max(first + 1, (int)Math.Ceiling(100 * high / percent - 1e-9));
            if (last - first < MostTicks)
                return new Axis(
                    title,
                    [.. Enumerable.Range(first, last - first + 1).Select(tick => tick * percent / 100)],
                    share => Markup.Format(100 * share, "0") + " %");
        }
        throw new ArgumentOutOfRangeException(nameof(low), low, "Not a share.");
    }

    /// <summary>Seconds, each step ten times the one before.</summary>
    public static Axis OfSeconds(string title, double low, double high)
    {
        int first = (int)Math.Floor(Math.Log10(low)), last = Math.Max(first + 1, (int)Math.Ceiling(Math.Log10(high)));
        return new Axis(
            title,
            [.. Enumerable.Range(first, last - first + 1).Select(exponent => Math.Pow(10, exponent))],
            seconds => Markup.Format(seconds, "#,0.#####") + " s")
        { IsLogarithmic = true };
    }

    /// <summary>From 0 to 1 between the ends; what lies beyond them is drawn at them.</summary>
    public double Place(double value)
    {
        double place = (Measure(value) - Measure(Ticks[0])) / (Measure(Ticks[^1]) - Measure(Ticks[0]));
        return Math.Clamp(place, 0, 1);
    }

    private double Measure(double value) => IsLogarithmic ? Math.Log(value) : value;
}
