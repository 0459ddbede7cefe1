using System.Globalization;
using System.Net;
using System.Text;

namespace LlmEmbed.Evaluation;

/// <summary>
/// An evaluation as one HTML file without scripts or other files: headline figures, facts, scores by class, confusion matrix, reliability diagram.
/// Everything that comes from data (title, facts, labels) is escaped.
/// </summary>
internal static class HtmlReport
{
    /// <summary>Confusions listed in words below the matrix.</summary>
    private const int ListedConfusions = 10;

    private const int LongestMatrixLabel = 24;

    private const string Style = """
        :root { color-scheme: light dark; --ink: #1d2530; --faint: #667085; --line: #e1e5eb; --paper: #fff; --mark: #2f6fdb; --wrong: #d1495b; --soft: #eef3fc; }
        @media (prefers-color-scheme: dark) {
          :root { --ink: #e6e9ee; --faint: #98a2b3; --line: #303946; --paper: #14181f; --mark: #6ea3ff; --wrong: #ff7b8a; --soft: #1e2733; }
        }
        * { box-sizing: border-box; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
        body { margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 62rem; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, sans-serif; }
        h1 { font-size: 1.6rem; line-height: 1.25; margin: 0 0 1.5rem; overflow-wrap: anywhere; }
        h2 { font-size: 1.1rem; margin: 2.5rem 0 .75rem; }
        p { color: var(--faint); max-width: 44rem; margin: .25rem 0 .75rem; }
        .figures { display: grid; grid-template-columns: repeat(auto-fit, minmax(8.5rem, 1fr)); gap: .75rem; margin: 0; }
        .figures div { background: var(--soft); border-radius: .5rem; padding: .75rem 1rem; }
        .figures dt { color: var(--faint); font-size: .8rem; }
        .figures dd { margin: 0; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
        .figures small { display: block; font-size: .75rem; color: var(--faint); }
        .wide { overflow-x: auto; }
        table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: .9rem; }
        th, td { text-align: left; padding: .35rem .6rem; border-bottom: 1px solid var(--line); }
        td { overflow-wrap: anywhere; }
        th { font-weight: 600; overflow-wrap: break-word; }
        thead th { color: var(--faint); font-weight: 400; white-space: nowrap; }
        .number { text-align: right; white-space: nowrap; }
        .bar { min-width: 5rem; background: linear-gradient(var(--mark), var(--mark)) no-repeat .6rem calc(100% - .2rem) / calc(var(--share) * (100% - 1.2rem)) 3px; }
        svg { display: block; font: 11px system-ui, sans-serif; fill: var(--ink); }
        svg .right { fill: var(--mark); } svg .wrong { fill: var(--wrong); } svg .faint { fill: var(--faint); }
        svg .line { stroke: var(--line); fill: none; } svg .diagonal { stroke: var(--faint); stroke-dasharray: 4 4; fill: none; }
        @media print { body { padding: 0; max-width: none; } .wide { overflow: visible; } .wide svg { max-width: 100%; height: auto; } tr, .figures div { break-inside: avoid; } }
        """;

    /// <param name="title">What was evaluated on what.</param>
    /// <param name="report">The evaluation.</param>
    /// <param name="facts">Names and values to list below the figures: model, data, date, ...</param>
    public static string Render(string title, EvaluationReport report, IReadOnlyList<(string Name, string Value)>? facts = null)
    {
        StringBuilder page = new();
        Append(page, $"""
            <!doctype html>
            <html lang="en">
            <head>
            <meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <title>{Escape(title)}</title>
            <style>
            {Style}
            </style>
            </head>
            <body>
            <h1>{Escape(title)}</h1>

            """);
        AppendFigures(page, report);
        AppendFacts(page, facts ?? []);
        AppendClasses(page, report);
        AppendConfusionMatrix(page, report);
        AppendConfusions(page, report);
        AppendReliability(page, report);
        page.Append("</body>\n</html>\n");
        return page.ToString();
    }

    private static void AppendFigures(StringBuilder page, EvaluationReport report)
    {
        page.Append("<dl class=\"figures\">\n");
        Figure("Accuracy", Percent(report.Accuracy), $"{Percent(report.AccuracyLow)} to {Percent(report.AccuracyHigh)} (95 %)");
        Figure("Macro-F1", Percent(report.MacroF1), "each class counts the same");
        Figure("Weighted F1", Percent(report.WeightedF1), "classes by their frequency");
        Figure("Matthews’ MCC", Number(report.MatthewsCorrelation), "0 is guessing, 1 perfect");
        if (report.RocAuc is double area) Figure("ROC AUC", Number(area), "one against rest, mean");
        Figure("Log loss", Number(report.LogLoss), "0 is perfect");
        Figure("Brier score", Number(report.BrierScore), "0 is perfect, 2 the worst");
        Figure("Calibration error", Percent(report.ExpectedCalibrationError), "confidence against accuracy");
        Figure("Texts", report.Count.ToString("N0", CultureInfo.InvariantCulture), $"{report.Classes.Count} classes");
        page.Append("</dl>\n");

        void Figure(string name, string value, string note) => Append(page, $"<div><dt>{name}</dt><dd>{value}<small>{note}</small></dd></div>\n");
    }

    private static void AppendFacts(StringBuilder page, IReadOnlyList<(string Name, string Value)> facts)
    {
        if (facts.Count == 0) return;
        page.Append("<h2>Facts</h2>\n<table>\n");
        foreach ((string name, string value) in facts) Append(page, $"<tr><th scope=\"row\">{Escape(name)}</th><td>{Escape(value)}</td></tr>\n");
        page.Append("</table>\n");
    }

    private static void AppendClasses(StringBuilder page, EvaluationReport report)
    {
        page.Append("<h2>Classes</h2>\n<div class=\"wide\"><table>\n<thead><tr><th>Class</th><th>Precision</th><th>Recall</th><th>F1</th><th class=\"number\">Texts</th></tr></thead>\n");
        foreach (EvaluationReport.ClassScore score in report.Classes)
        {
            Append(page, $"<tr><th scope=\"row\">{Escape(score.Label)}</th>{Bar(score.Precision)}{Bar(score.Recall)}{Bar(score.F1)}<td class=\"number\">{score.Support}</td></tr>\n");
        }
        page.Append("</table></div>\n");

        static string Bar(double share) => string.Create(CultureInfo.InvariantCulture, $"<td class=\"bar\" style=\"--share:{share:0.####}\">{Percent(share)}</td>");
    }

    private static void AppendConfusionMatrix(StringBuilder page, EvaluationReport report)
    {
        int count = report.Classes.Count;
        int cell = Math.Clamp(480 / count, 24, 64);
        string[] labels = [.. report.Classes.Select(c => Escape(Shorten(c.Label, LongestMatrixLabel)))];
        int margin = 24 + 7 * report.Classes.Max(c => Math.Min(c.Label.Length, LongestMatrixLabel));
        int size = margin + count * cell + 1;
        Append(page, $"""
            <h2>Confusion matrix</h2>
            <p>Rows are the true classes, columns the predicted ones. The shade is the share of the row, blue where right and red where wrong.</p>
            <div class="wide"><svg width="{size}" height="{size}" viewBox="0 0 {size} {size}" role="img" aria-label="Confusion matrix">

            """);
        for (int row = 0; row < count; row++)
        {
            int y = margin + row * cell, middle = y + cell / 2 + 4;
            Append(page, $"<text x=\"{margin - 6}\" y=\"{middle}\" text-anchor=\"end\">{labels[row]}</text>\n");
            Append(page, $"<text transform=\"translate({y + cell / 2 + 4} {margin - 6}) rotate(-90)\">{labels[row]}</text>\n");
            Append(page, $"<path class=\"line\" d=\"M{margin} {y}.5H{size}M{y}.5 {margin}V{size}\"/>\n");
            for (int column = 0; column < count; column++)
            {
                int texts = report.ConfusionMatrix[row][column];
                if (texts == 0) continue;
                int x = margin + column * cell;
                double share = texts / (double)report.Classes[row].Support;
                Append(page, $"<g><title>{labels[row]} predicted as {labels[column]}: {texts} ({Percent(share)})</title>");
                Append(page, $"<rect class=\"{(row == column ? "right" : "wrong")}\" x=\"{x}\" y=\"{y}\" width=\"{cell}\" height=\"{cell}\" fill-opacity=\"{0.08 + 0.5 * share:0.##}\"/>");
                Append(page, $"<text x=\"{x + cell / 2}\" y=\"{middle}\" text-anchor=\"middle\"{(texts > 999 && cell < 40 ? " font-size=\"8\"" : "")}>{texts}</text></g>\n");
            }
        }
        page.Append("</svg></div>\n");
    }

    private static void AppendConfusions(StringBuilder page, EvaluationReport report)
    {
        var confusions = report.ConfusionMatrix
            .SelectMany((row, truth) => row.Select((texts, predicted) => (Texts: texts, Truth: truth, Predicted: predicted)))
            .Where(confusion => confusion.Texts > 0 && confusion.Truth != confusion.Predicted)
            .OrderByDescending(confusion => confusion.Texts)
            .Take(ListedConfusions)
            .ToList();
        if (confusions.Count == 0) return;
        page.Append("<h2>Most frequent errors</h2>\n<table>\n<thead><tr><th>True class</th><th>Predicted</th><th class=\"number\">Texts</th><th class=\"number\">Share of the class</th></tr></thead>\n");
        foreach ((int texts, int truth, int predicted) in confusions)
        {
            EvaluationReport.ClassScore of = report.Classes[truth];
            Append(page, $"<tr><td>{Escape(of.Label)}</td><td>{Escape(report.Classes[predicted].Label)}</td><td class=\"number\">{texts}</td><td class=\"number\">{Percent(texts / (double)of.Support)}</td></tr>\n");
        }
        page.Append("</table>\n");
    }

    private static void AppendReliability(StringBuilder page, EvaluationReport report)
    {
        const int Left = 40, Top = 10, Side = 300, Histogram = 60;
        int bins = report.Reliability.Count;
        double width = Side / (double)bins, most = report.Reliability.Max(bin => bin.Count);
        Append(page, $"""
            <h2>Reliability</h2>
            <p>How often predictions are right (bars), by their confidence. On the dashed line, confidence means what it says. Below: how many texts have that confidence.</p>
            <div class="wide"><svg width="360" height="410" viewBox="0 0 360 410" role="img" aria-label="Reliability diagram">

            """);
        foreach (int percent in new[] { 0, 25, 50, 75, 100 })
        {
            int y = Top + Side - Side * percent / 100, x = Left + Side * percent / 100;
            Append(page, $"<path class=\"line\" d=\"M{Left} {y}.5h{Side}\"/>");
            Append(page, $"<text class=\"faint\" x=\"{Left - 6}\" y=\"{y + 4}\" text-anchor=\"end\">{percent} %</text>");
            Append(page, $"<text class=\"faint\" x=\"{x}\" y=\"{Top + Side + Histogram + 26}\" text-anchor=\"middle\">{percent} %</text>\n");
        }
        for (int i = 0; i < bins; i++)
        {
            ReliabilityBin bin = report.Reliability[i];
            if (bin.Count == 0) continue;
            double x = Left + i * width + 1, tall = Side * bin.Accuracy, low = Histogram * bin.Count / most;
            Append(page, $"<g><title>{bin.Count} texts, mean confidence {Percent(bin.Confidence)}, right {Percent(bin.Accuracy)}</title>");
            Append(page, $"<rect class=\"right\" fill-opacity=\".6\" x=\"{x:0.#}\" y=\"{Top + Side - tall:0.#}\" width=\"{width - 2:0.#}\" height=\"{tall:0.#}\"/>");
            Append(page, $"<rect class=\"faint\" fill-opacity=\".5\" x=\"{x:0.#}\" y=\"{Top + Side + 10:0.#}\" width=\"{width - 2:0.#}\" height=\"{low:0.#}\"/></g>\n");
        }
        Append(page, $"<path class=\"diagonal\" d=\"M{Left} {Top + Side}L{Left + Side} {Top}\"/>\n");
        Append(page, $"<text class=\"faint\" x=\"{Left + Side / 2}\" y=\"{Top + Side + Histogram + 40}\" text-anchor=\"middle\">confidence</text>\n</svg></div>\n");
    }

    private static void Append(StringBuilder page, FormattableString text) => page.Append(text.ToString(CultureInfo.InvariantCulture));

    private static string Escape(string text) => WebUtility.HtmlEncode(text);

    private static string Shorten(string text, int length) => text.Length <= length ? text : text[..(length - 1)] + "…";

    private static string Percent(double share) => (100 * share).ToString("0.0", CultureInfo.InvariantCulture) + " %";

    private static string Number(double value) => value.ToString("0.000", CultureInfo.InvariantCulture);
}
