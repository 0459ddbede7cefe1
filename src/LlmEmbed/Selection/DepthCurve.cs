using System.Globalization;
using System.Net;
using System.Text;

namespace LlmEmbed.Selection;

/// <summary>Accuracy over depth as a self-contained SVG, one line for each backbone and pooling, with the deviation of the folds as error bars.</summary>
internal static class DepthCurve
{
    private const double Width = 720, Height = 420, Left = 56, Right = 24, Top = 44, Bottom = 96;

    /// <summary>Told apart by people with colour-blindness too (Okabe and Ito), on white and on black.</summary>
    private static readonly string[] Colors = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

    /// <param name="probes">At least one.</param>
    /// <param name="title">Above the picture.</param>
    public static string Draw(IReadOnlyList<ViewProbe> probes, string title)
    {
        // Depths as shares, so that backbones of different depth share one axis.
        Dictionary<string, int> deepest = probes.GroupBy(probe => probe.View.Backbone).ToDictionary(group => group.Key, group => Math.Max(1, group.Max(probe => probe.View.Depth)));
        double low = Math.Floor(20 * probes.Min(probe => probe.Score.Accuracy - probe.Score.AccuracyDeviation)) / 20;
        double high = Math.Ceiling(20 * probes.Max(probe => probe.Score.Accuracy + probe.Score.AccuracyDeviation)) / 20;
        (low, high) = (Math.Max(0, low), Math.Min(1, Math.Max(high, low + 0.05)));
        double X(ViewProbe probe) => Left + (Width - Left - Right) * probe.View.Depth / deepest[probe.View.Backbone];
        double Y(double accuracy) => Top + (Height - Top - Bottom) * (high - Math.Clamp(accuracy, low, high)) / (high - low);

        StringBuilder svg = new();
        svg.AppendLine(CultureInfo.InvariantCulture, $"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" role="img" font-family="system-ui, sans-serif" font-size="12">""");
        svg.Append("<style>svg { color: #1d2530; background: #fff } @media (prefers-color-scheme: dark) { svg { color: #e6e9ee; background: #14181f } } text { fill: currentColor }</style>\n");
        svg.AppendLine(CultureInfo.InvariantCulture, $"""<text x="{Left}" y="24" font-size="15">Accuracy over depth: {WebUtility.HtmlEncode(title)}</text>""");
        double step = high - low > 0.4 ? 0.1 : 0.05;
        for (double tick = low; tick <= high + 1e-9; tick += step)
        {
            svg.AppendLine(CultureInfo.InvariantCulture, $"""<line x1="{Left}" x2="{Width - Right}" y1="{Y(tick)}" y2="{Y(tick)}" stroke="currentColor" stroke-opacity=".15"/>""");
            svg.AppendLine(CultureInfo.InvariantCulture, $"""<text x="{Left - 8}" y="{Y(tick) + 4}" text-anchor="end">{Math.Round(100 * tick)} %</text>""");
        }
        for (int share = 0; share <= 100; share += 20)
            svg.AppendLine(CultureInfo.InvariantCulture, $"""<text x="{Left + (Width - Left - Right) * share / 100}" y="{Height - Bottom + 18}" text-anchor="middle">{share} %</text>""");
        svg.AppendLine(CultureInfo.InvariantCulture, $"""<text x="{(Width + Left - Right) / 2}" y="{Height - Bottom + 36}" text-anchor="middle">depth, as a share of the backbone's blocks</text>""");

        foreach ((int index, IGrouping<(string Backbone, Pooling Pooling), ViewProbe> curve) in probes.GroupBy(probe => (probe.View.Backbone, probe.View.Pooling)).Index())
        {
            string color = Colors[index % Colors.Length];
            svg.AppendLine(CultureInfo.InvariantCulture, $"""<polyline fill="none" stroke="{color}" stroke-width="2" points="{string.Join(' ', curve.Select(probe => string.Create(CultureInfo.InvariantCulture, $"{X(probe):0.#},{Y(probe.Score.Accuracy):0.#}")))}"/>""");
            foreach (ViewProbe probe in curve)
            {
                double y1 = Y(probe.Score.Accuracy - probe.Score.AccuracyDeviation), y2 = Y(probe.Score.Accuracy + probe.Score.AccuracyDeviation);
                svg.AppendLine(CultureInfo.InvariantCulture, $"""<line x1="{X(probe)}" x2="{X(probe)}" y1="{y1}" y2="{y2}" stroke="{color}" stroke-opacity=".5"/>""");
                svg.AppendLine(CultureInfo.InvariantCulture, $"""<circle cx="{X(probe)}" cy="{Y(probe.Score.Accuracy)}" r="3.5" fill="{color}"/>""");
            }
            double x = Left + index % 2 * 340, y = Height - 36 + index / 2 * 18;
            svg.AppendLine(CultureInfo.InvariantCulture, $"""<circle cx="{x + 6}" cy="{y - 4}" r="5" fill="{color}"/><text x="{x + 18}" y="{y}">{WebUtility.HtmlEncode($"{curve.Key.Backbone}, {PoolingNames.NameOf(curve.Key.Pooling)}")}</text>""");
        }
        return svg.Append("</svg>\n").ToString();
    }
}
