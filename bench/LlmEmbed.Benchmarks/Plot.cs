namespace LlmEmbed.Benchmarks;

/// <summary>A curve as a self-contained SVG.</summary>
internal static class Plot
{
    private const double Width = 560, Height = 340, Left = 72, Right = 24, Top = 40, Bottom = 52;

    /// <param name="path">The file to write.</param>
    /// <param name="title">Above the curve.</param>
    /// <param name="x">What the horizontal axis is.</param>
    /// <param name="y">What the vertical axis is.</param>
    /// <param name="points">From left to right.</param>
    /// <param name="isLogarithmic">Whether both axes are.</param>
    public static void Write(string path, string title, string x, string y, IReadOnlyList<(double X, double Y)> points, bool isLogarithmic = false)
    {
        double Scale(double value) => isLogarithmic ? Math.Log10(value) : value;
        double left = isLogarithmic ? Scale(points[0].X) : 0, right = Scale(points[^1].X);
        double low = isLogarithmic ? Scale(points.Min(point => point.Y)) : 0, high = Scale(points.Max(point => point.Y));
        if (high <= low) high = low + 1;
        if (right <= left) right = left + 1;
        double PlaceX(double value) => Left + (Width - Left - Right) * (Scale(value) - left) / (right - left);
        double PlaceY(double value) => Height - Bottom - (Height - Top - Bottom) * (Scale(value) - low) / (high - low);
        using StreamWriter svg = new(path);
        void Line(FormattableString text) => svg.WriteLine(FormattableString.Invariant(text));
        const string Font = "font-family=\"system-ui, sans-serif\" font-size=\"12\"";
        Line($"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {Width} {Height}" role="img" {Font}>""");
        const string Light = "svg { color: #1d2530; background: #fff }", Dark = "svg { color: #e6e9ee; background: #14181f }";
        svg.WriteLine($"<style>{Light} @media (prefers-color-scheme: dark) {{ {Dark} }} text {{ fill: currentColor }}</style>");
        Line($"""<text x="{Left}" y="24" font-size="15">{title}</text>""");
        Line($"""<path d="M{Left},{Top}V{Height - Bottom}H{Width - Right}" fill="none" stroke="currentColor" stroke-opacity=".4"/>""");
        Line($"""<text x="{(Left + Width - Right) / 2}" y="{Height - 12}" text-anchor="middle">{x}</text>""");
        Line($"""<text transform="translate(16,{(Top + Height - Bottom) / 2}) rotate(-90)" text-anchor="middle">{y}</text>""");
        string curve = string.Join(' ', points.Select(point => FormattableString.Invariant($"{PlaceX(point.X):0.#},{PlaceY(point.Y):0.#}")));
        Line($"""<polyline fill="none" stroke="#0072b2" stroke-width="2" points="{curve}"/>""");
        foreach ((double px, double py) in points)
        {
            Line($"""<circle cx="{PlaceX(px):0.#}" cy="{PlaceY(py):0.#}" r="3.5" fill="#0072b2"/>""");
            Line($"""<text x="{PlaceX(px):0.#}" y="{Height - Bottom + 16}" text-anchor="middle">{px:N0}</text>""");
            Line($"""<text x="{Left - 6}" y="{PlaceY(py) + 4:0.#}" text-anchor="end" font-size="10">{py:G3}</text>""");
        }
        svg.WriteLine("</svg>");
    }
}
