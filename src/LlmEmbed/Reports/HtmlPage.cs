using System.Text;

namespace LlmEmbed.Reports;

/// <summary>One HTML file without scripts or other files, for screens of any width and for paper. Everything that is given is escaped.</summary>
internal sealed class HtmlPage(string title)
{
    private const string Style = """
        * { box-sizing: border-box; }
        body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 62rem; background: var(--paper); color: var(--ink);
          font: 16px/1.5 system-ui, sans-serif;
          print-color-adjust: exact; -webkit-print-color-adjust: exact; }
        h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1.5rem; overflow-wrap: anywhere; }
        h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; }
        p { color: var(--faint); max-width: 44rem; margin: .25rem 0 .75rem; }
        .figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; margin: 0; }
        .figures div { background: var(--soft); border-radius: .5rem; padding: .75rem 1rem; }
        .figures dt { color: var(--faint); font-size: .8rem; }
        .figures dd { margin: 0; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
        .figures small { display: block; font-size: .75rem; color: var(--faint); }
        .wide { overflow-x: auto; max-width: 100%; }
        .chart { display: flex; flex-wrap: wrap; gap: 1rem 2rem; align-items: flex-start; }
        .chart > .wide + .wide { flex: 1 1 auto; width: min-content; }
        table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
        th, td { text-align: start; padding: .35rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
        th { font-weight: 600; }
        thead th { color: var(--faint); font-weight: 400; vertical-align: bottom; }
        .number { text-align: right; }
        td.number { white-space: nowrap; }
        .facts th { width: 30%; max-width: 14rem; }
        .facts * { overflow-wrap: anywhere; }
        .texts { margin: 0; padding: 0; list-style: none; font-size: .95rem; }
        .texts li { padding: .5rem .6rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
        .texts small { display: block; color: var(--faint); }
        svg { display: block; max-width: 100%; height: auto; }
        @media (max-width: 30rem) { th, td { padding: .35rem .3rem; } }
        @media print {
          body { padding: 0; max-width: none; }
          .wide { overflow: visible; } .wide svg { min-width: 0 !important; max-height: 95vh; }
          h2, h2 + p { break-after: avoid; } tr, li, svg, .figures div { break-inside: avoid; }
        }
        """;

    private readonly StringBuilder _body = new();

    /// <param name="figures">Name, value, and what it means.</param>
    public void Figures(IEnumerable<(string Name, string Value, string Note)> figures)
    {
        _body.Append("<dl class=\"figures\">\n");
        foreach ((string name, string value, string note) in figures)
            _body.AppendMarkup($"<div><dt>{Markup.Escape(name)}</dt><dd>{Markup.Escape(value)}<small>{Markup.Escape(note)}</small></dd></div>\n");
        _body.Append("</dl>\n");
    }

    public void Heading(string text) => _body.AppendMarkup($"<h2>{Markup.Escape(text)}</h2>\n");

    public void Note(string text) => _body.AppendMarkup($"<p>{Markup.Escape(text)}</p>\n");

    public void Add(Chart chart)
    {
        Heading(chart.Title);
        Note(chart.Note);
        _body.AppendMarkup($"<div class=\"chart\"><div class=\"wide\">{chart.Drawing.Embedded(chart.Title)}</div>\n");
        if (chart.Table is { } table) Add(table);
        _body.Append("</div>\n");
    }

    /// <summary>Names and values; nothing where there are none.</summary>
    public void Facts(string heading, IReadOnlyList<(string Name, string Value)> facts)
    {
        if (facts.Count == 0) return;
        Heading(heading);
        _body.Append("<table class=\"facts\">\n");
        foreach ((string name, string value) in facts)
            _body.AppendMarkup($"<tr><th scope=\"row\">{Markup.Escape(name)}</th><td>{Markup.Escape(value)}</td></tr>\n");
        _body.Append("</table>\n");
    }

    public void Add(Table table)
    {
        string Number(int column) => column >= table.FirstNumber ? " class=\"number\"" : "";
        _body.Append("<div class=\"wide\"><table>\n<thead><tr>");
        foreach ((int column, string name) in table.Columns.Index()) _body.AppendMarkup($"<th{Number(column)}>{Markup.Escape(name)}</th>");
        _body.Append("</tr></thead>\n");
        foreach (string[] row in table.Rows)
        {
            _body.AppendMarkup($"<tr><th scope=\"row\" dir=\"auto\">{Markup.Escape(row[0])}</th>");
            for (int column = 1; column < row.Length; column++)
                _body.AppendMarkup($"<td{Number(column)} dir=\"auto\">{Markup.Escape(row[column])}</td>");
            _body.Append("</tr>\n");
        }
        _body.Append("</table></div>\n");
    }

    /// <summary>Texts of the user, each with a remark below it.</summary>
    public void Texts(IEnumerable<(string Text, string Remark)> texts)
    {
        _body.Append("<ul class=\"texts\">\n");
        foreach ((string text, string remark) in texts)
            _body.AppendMarkup($"<li><div dir=\"auto\">{Markup.Escape(text)}</div><small>{Markup.Escape(remark)}</small></li>\n");
        _body.Append("</ul>\n");
    }

    /// <summary>Texts of the user whose words are shaded (see <see cref="Theme.Shades"/>), each with a remark below it.</summary>
    public void Texts(IEnumerable<(IEnumerable<ShadedWord> Words, string Remark)> texts)
    {
        _body.Append("<ul class=\"texts\">\n");
        foreach ((IEnumerable<ShadedWord> words, string remark) in texts)
        {
            _body.Append("<li><div dir=\"auto\">");
            foreach ((int place, ShadedWord word) in words.Index())
            {
                string shade = word.Shade > 0 ? $" class=\"shade{word.Shade}\"" : "";
                _body.AppendMarkup($"{(place > 0 ? " " : "")}<span{shade} title=\"{Markup.Escape(word.Tooltip)}\">{Markup.Escape(word.Text)}</span>");
            }
            _body.AppendMarkup($"</div><small>{Markup.Escape(remark)}</small></li>\n");
        }
        _body.Append("</ul>\n");
    }

    public override string ToString() => new StringBuilder().AppendMarkup($"""
        <!doctype html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <title>{Markup.Escape(title)}</title>
        <style>
        {Theme.Colors}
        {Style}
        {Theme.Drawings}
        {Theme.Shading}
        </style>
        </head>
        <body>
        <h1>{Markup.Escape(title)}</h1>
        {_body}</body>
        </html>

        """).ToString();
}

/// <summary>A word of a shaded text.</summary>
/// <param name="Text">The word.</param>
/// <param name="Shade">0 for none, else the number of one of <see cref="Theme.Shades"/>, counted from 1.</param>
/// <param name="Tooltip">What its shade means.</param>
internal sealed record ShadedWord(string Text, int Shade, string Tooltip);
