using System.Text;

namespace LlmEmbed.Reports;

/// <summary>Where a text lies relative to its point.</summary>
internal enum Anchor
{
    Start,
    Middle,
    End,
}

/// <summary>Shapes of one picture as SVG. Their looks are classes of <see cref="Theme"/>; texts are escaped here.</summary>
internal sealed class Drawing(double width, double height)
{
    private const double HeadRoom = 34;

    /// <summary>A narrow screen shrinks a picture to this part of its size, below which letters are too small; then it scrolls.</summary>
    private const double LeastScale = 0.75;

    private readonly StringBuilder _shapes = new();

    public double Width => width;

    public void Rectangle(string style, double x, double y, double wide, double tall, double opacity = 1)
    {
        string shade = opacity < 1 ? $" fill-opacity=\"{Markup.Format(opacity, "0.##")}\"" : "";
        _shapes.AppendMarkup($"<rect class=\"{style}\" x=\"{x:0.##}\" y=\"{y:0.##}\" width=\"{wide:0.##}\" height=\"{tall:0.##}\"{shade}/>\n");
    }

    public void Circle(string style, double x, double y, double radius) =>
        _shapes.AppendMarkup($"<circle class=\"{style}\" cx=\"{x:0.##}\" cy=\"{y:0.##}\" r=\"{radius:0.##}\"/>\n");

    public void Line(string style, double x1, double y1, double x2, double y2) => Curve(style, [(x1, y1), (x2, y2)]);

    public void Curve(string style, IEnumerable<(double X, double Y)> points)
    {
        IEnumerable<string> coordinates = points.Select(point => $"{Markup.Format(point.X, "0.##")},{Markup.Format(point.Y, "0.##")}");
        _shapes.AppendMarkup($"<polyline class=\"{style}\" points=\"{string.Join(' ', coordinates)}\"/>\n");
    }

    /// <param name="text">As it is in the data.</param>
    /// <param name="x">Of the anchor.</param>
    /// <param name="y">Of the base line.</param>
    /// <param name="anchor">Which part of the text lies there.</param>
    /// <param name="style">Colour class; without one it is ink.</param>
    /// <param name="size">In pixels; 0 is the theme's.</param>
    /// <param name="isUpright">Reads from bottom to top.</param>
    public void Text(string text, double x, double y, Anchor anchor = Anchor.Start, string style = "", double size = 0, bool isUpright = false)
    {
        if (text.Length == 0) return;
        _shapes.AppendMarkup($"<text transform=\"translate({x:0.##} {y:0.##}){(isUpright ? " rotate(-90)" : "")}\"");
        if (anchor != Anchor.Start) _shapes.Append(anchor == Anchor.Middle ? " text-anchor=\"middle\"" : " text-anchor=\"end\"");
        if (style.Length > 0) _shapes.AppendMarkup($" class=\"{style} fill\"");
        if (size > 0) _shapes.AppendMarkup($" font-size=\"{size:0.#}\"");
        _shapes.AppendMarkup($">{Markup.Escape(text)}</text>\n");
    }

    /// <summary>Shapes that show a tooltip where they are pointed at.</summary>
    public void Explained(string tooltip, Action draw)
    {
        _shapes.AppendMarkup($"<g><title>{Markup.Escape(tooltip)}</title>\n");
        draw();
        _shapes.Append("</g>\n");
    }

    /// <summary>For a page that has the <see cref="Theme"/>.</summary>
    public string Embedded(string title) =>
        new StringBuilder()
            .AppendMarkup($"<svg width=\"{width:0}\" height=\"{height:0}\" viewBox=\"0 0 {width:0} {height:0}\" ")
            .AppendMarkup($"style=\"min-width:{LeastScale * width:0}px\" role=\"img\" aria-label=\"{Markup.Escape(title)}\">\n{_shapes}</svg>")
            .ToString();

    /// <summary>As a file of its own: with the theme, a background and the title.</summary>
    public string StandAlone(string title) => new StringBuilder().AppendMarkup($"""
        <svg xmlns="http://www.w3.org/2000/svg" width="{width:0}" height="{height + HeadRoom:0}"
            viewBox="0 {-HeadRoom:0} {width:0} {height + HeadRoom:0}" role="img">
        <title>{Markup.Escape(title)}</title>
        <style>
        {Theme.Colors}
        {Theme.Drawings}
        </style>
        <rect class="paper" y="{-HeadRoom:0}" width="100%" height="100%"/>
        <text class="title" x="14" y="-12">{Markup.Escape(title)}</text>
        {_shapes}</svg>

        """).ToString();
}
