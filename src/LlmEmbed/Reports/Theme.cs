namespace LlmEmbed.Reports;

/// <summary>
/// Colours and line styles of pages and drawings. A drawing combines a colour class (right, wrong, faint, s0 to s5) with a shape class (fill,
/// stroke).
/// </summary>
internal static class Theme
{
    /// <summary>Colours of series; drawings go through them in turn.</summary>
    public const int SeriesColors = 6;

    /// <summary>
    /// Dark applies to screens only: what is printed is black on white. The series are told apart by people with colour-blindness too (Okabe and
    /// Ito).
    /// </summary>
    public const string Colors = """
        :root {
          color-scheme: light dark;
          --ink: #1d2530; --faint: #667085; --line: #e1e5eb; --paper: #fff; --soft: #eef3fc; --right: #2f6fdb; --wrong: #d1495b;
          --shade: 64 140 235;
          --series0: #0072b2; --series1: #d55e00; --series2: #009e73; --series3: #b8578d; --series4: #b87d00; --series5: #3d97c9;
        }
        @media screen and (prefers-color-scheme: dark) {
          :root {
            --ink: #e6e9ee; --faint: #98a2b3; --line: #303946; --paper: #14181f; --soft: #1e2733; --right: #6ea3ff; --wrong: #ff7b8a;
            --shade: 25 95 175;
            --series0: #56b4e9; --series1: #ff8c42; --series2: #2fc79a; --series3: #e08fbb; --series4: #f0b43c; --series5: #9fd4f2;
          }
        }
        """;

    public const string Drawings = """
        svg { font: 12px system-ui, sans-serif; fill: var(--ink); print-color-adjust: exact; -webkit-print-color-adjust: exact; }
        svg .paper { fill: var(--paper); } svg .title { font-size: 14px; font-weight: 600; }
        svg .right { --color: var(--right); } svg .wrong { --color: var(--wrong); }
        svg .faint { --color: var(--faint); } svg .grid { --color: var(--line); }
        svg .s0 { --color: var(--series0); } svg .s1 { --color: var(--series1); } svg .s2 { --color: var(--series2); }
        svg .s3 { --color: var(--series3); } svg .s4 { --color: var(--series4); } svg .s5 { --color: var(--series5); }
        svg .fill { fill: var(--color); } svg .stroke { stroke: var(--color); fill: none; } svg .ring { stroke: var(--color); fill: var(--paper); }
        svg .thick { stroke-width: 2; } svg .dashed { stroke-dasharray: 4 4; }
        """;

    /// <summary>
    /// How words are shaded, from the least to the most: one hue that goes from the paper's brightness away from it, and a mark that needs no colour.
    /// </summary>
    public static IReadOnlyList<(double Opacity, string Mark)> Shades { get; } =
        [(0.3, ""), (0.6, "text-decoration: underline;"), (0.9, "text-decoration: underline; font-weight: 600;")];

    public static string Shading { get; } = string.Join('\n', Shades.Select((shade, index) =>
        $".shade{index + 1} {{ background: rgb(var(--shade) / {Markup.Format(shade.Opacity, "0.#")}); border-radius: .2rem; {shade.Mark} }}"));

    public static string Series(int index) => $"s{index % SeriesColors}";
}
