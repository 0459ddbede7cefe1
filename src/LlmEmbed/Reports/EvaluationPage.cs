using LlmEmbed.Evaluation;
using LlmEmbed.Recipes;

namespace LlmEmbed.Reports;

/// <summary>A training text whose label is doubted, for people.</summary>
/// <param name="Line">Where it is in its file.</param>
/// <param name="Text">The text.</param>
/// <param name="Label">The label it has.</param>
/// <param name="Preferred">The label that the classifier gives it without having seen it.</param>
/// <param name="Probability">Of that label.</param>
internal sealed record DoubtedLabel(long Line, string Text, string Label, string Preferred, double Probability);

/// <summary>What is known about a classifier's quality and cost, as one page and as pictures.</summary>
/// <param name="Title">What was evaluated on what.</param>
/// <param name="Report">The evaluation.</param>
internal sealed record EvaluationPage(string Title, EvaluationReport Report)
{
    private const int ListedTexts = 20, LongestText = 280;

    /// <summary>Names and values: what the classifier is and why.</summary>
    public IReadOnlyList<(string Name, string Value)> Choices { get; init; } = [];

    /// <summary>Names and values: what it took.</summary>
    public IReadOnlyList<(string Name, string Value)> Cost { get; init; } = [];

    /// <summary>How views were chosen; null where they were not.</summary>
    public SelectionSummary? Selection { get; init; }

    /// <summary>The texts of the evaluation in its order; null keeps them out of the page.</summary>
    public IReadOnlyList<string>? Texts { get; init; }

    /// <summary>The surest first; null where labels were not examined.</summary>
    public IReadOnlyList<DoubtedLabel>? DoubtedLabels { get; init; }

    public IReadOnlyList<Chart> Charts =>
    [
        .. DepthCurveOrNone(),
        ClassChart.Draw(Report),
        ConfusionChart.Draw(Report),
        ReliabilityChart.Draw(Report),
        CoverageChart.Draw(Report),
    ];

    public string ToHtml()
    {
        HtmlPage page = new(Title);
        page.Figures(Figures());
        page.Facts("What was chosen", Choices);
        foreach (Chart chart in Charts) page.Add(chart);
        AddMistakes(page);
        AddDoubtedLabels(page);
        page.Facts("Cost", Cost);
        return page.ToString();
    }

    private IEnumerable<Chart> DepthCurveOrNone()
    {
        if (Selection is not { Choice: { } choice, Candidates.Views: var views }) return [];
        ViewProbe[] probes = [.. choice.Singles.Select(single => new ViewProbe(views[single.Views.Single()], single.Score))];
        return [DepthCurve.Draw(probes, [.. choice.Chosen.Views.Select(view => views[view])])];
    }

    private IEnumerable<(string Name, string Value, string Note)> Figures()
    {
        yield return ("Accuracy", Markup.Percent(Report.Accuracy), $"95 %: {Markup.Percent(new Interval(Report.AccuracyLow, Report.AccuracyHigh))}");
        yield return ("Macro-F1", Markup.Percent(Report.MacroF1), $"95 %: {Markup.Percent(Report.MacroF1Interval)}");
        yield return ("Weighted F1", Markup.Percent(Report.WeightedF1), "classes by their frequency");
        yield return ("Matthews’ MCC", Markup.Format(Report.MatthewsCorrelation, "0.000"), "0 is guessing, 1 perfect");
        if (Report.RocAuc is double area) yield return ("ROC AUC", Markup.Format(area, "0.000"), "one against rest, mean");
        yield return ("Log loss", Markup.Format(Report.LogLoss, "0.000"), "0 is perfect");
        yield return ("Brier score", Markup.Format(Report.BrierScore, "0.000"), "0 is perfect, 2 the worst");
        yield return ("Calibration error", Markup.Percent(Report.ExpectedCalibrationError), "confidence against accuracy");
        yield return ("Texts", Markup.Count(Report.Count), $"{Report.Classes.Count} classes");
    }

    private void AddMistakes(HtmlPage page)
    {
        if (Texts is null) return;
        var mistakes = Report.Outcomes.Index().Where(text => !text.Item.IsRight).OrderByDescending(text => text.Item.Confidence).Take(ListedTexts).ToList();
        if (mistakes.Count == 0) return;
        page.Heading("The most confident mistakes");
        page.Texts(mistakes.Select(text => (
            Markup.Shorten(Texts[text.Index], LongestText),
            $"labelled {Report.Classes[text.Item.Truth].Label}, predicted {Report.Classes[text.Item.Predicted].Label} with {Markup.Percent(text.Item.Confidence)}")));
    }

    private void AddDoubtedLabels(HtmlPage page)
    {
        if (DoubtedLabels is not { Count: > 0 } doubted) return;
        page.Heading("Likely label errors in the training data");
        string listed = doubted.Count > ListedTexts ? $"{Markup.Count(doubted.Count)} texts; the {ListedTexts} surest:" : "The surest first:";
        page.Note($"Training texts that a classifier which had not seen them puts, confidently, into another class than they are labelled with. {listed}");
        page.Texts(doubted.Take(ListedTexts).Select(text => (
            Markup.Shorten(text.Text, LongestText),
            $"line {text.Line}: labelled {text.Label}, rather {text.Preferred} with {Markup.Percent(text.Probability)}")));
    }
}
