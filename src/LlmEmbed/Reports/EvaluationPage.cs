using LlmEmbed.Evaluation;
using LlmEmbed.Files;
using LlmEmbed.Learning;
using LlmEmbed.Recipes;

namespace LlmEmbed.Reports;

/// <summary>A training text whose label is doubted, for people.</summary>
/// <param name="Line">Where it is in its file.</param>
/// <param name="Text">The text.</param>
/// <param name="Label">The label it has.</param>
/// <param name="Preferred">The label that a classifier trained without it gives it.</param>
/// <param name="Probability">Of that label.</param>
public sealed record DoubtedLabel(long Line, string Text, string Label, string Preferred, double Probability);

/// <summary>What is known about a classifier's quality and cost, as one page and as pictures.</summary>
/// <param name="Title">What was evaluated on what.</param>
/// <param name="Report">The evaluation.</param>
public sealed record EvaluationPage(string Title, EvaluationReport Report)
{
    private const int ListedTexts = 20, LongestText = 280;

    /// <summary>Names and values: what the classifier is and why.</summary>
    public IReadOnlyList<(string Name, string Value)> Choices { get; init; } = [];

    /// <summary>Names and values: what it took.</summary>
    public IReadOnlyList<(string Name, string Value)> Cost { get; init; } = [];

    /// <summary>
    /// The training that made the classifier, for the curve over depths and for what its learned attention looks at, with a few training texts; null
    /// leaves these out.
    /// </summary>
    public TrainingSummary? Training
    {
        init => (Selection, Attention, Shaded) = (value?.Selection, value?.Classifier.Head.Decisions.Attention ?? [], value?.Shaded);
    }

    internal SelectionSummary? Selection { get; init; }

    internal IReadOnlyList<AttentionSummary> Attention { get; init; } = [];

    internal ShadedTexts? Shaded { get; init; }

    /// <summary>What to know about the data before the figures are believed, each as a sentence or a phrase.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>The texts of the evaluation in its order; null keeps them out of the page.</summary>
    public IReadOnlyList<string>? Texts { get; init; }

    /// <summary>The surest first; null where labels were not examined.</summary>
    public IReadOnlyList<DoubtedLabel>? DoubtedLabels { get; init; }

    internal IReadOnlyList<Chart> Charts =>
    [
        .. DepthCurveOrNone(),
        ClassChart.Draw(Report),
        ConfusionChart.Draw(Report),
        ReliabilityChart.Draw(Report),
        CoverageChart.Draw(Report),
    ];

    /// <summary>Writes the page to a file, which appears whole or not at all.</summary>
    /// <param name="path">The file.</param>
    /// <exception cref="LlmEmbedException">It cannot be written.</exception>
    public void Save(string path) => AtomicFile.WriteText(path, ToHtml());

    /// <summary>Writes each chart of the page as an SVG file.</summary>
    /// <param name="folder">A folder, made if it is missing.</param>
    /// <exception cref="LlmEmbedException">It cannot be made or written.</exception>
    public void SavePictures(string folder)
    {
        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new LlmEmbedException(
                $"{folder}: the folder cannot be made: {FileProblem.Describe(exception)} Name another one for the pictures.", exception)
            { FilePath = folder };
        }
        foreach (Chart chart in Charts) AtomicFile.WriteText(Path.Combine(folder, $"{chart.File}.svg"), chart.Drawing.StandAlone(chart.Title));
    }

    /// <summary>The page as one HTML file without scripts and other files.</summary>
    public string ToHtml()
    {
        HtmlPage page = new(Title);
        foreach (string note in Notes) page.Note(note);
        if (Report.Overlap is { } overlap) page.Note($"{overlap}.");
        page.Figures(Figures());
        page.Facts("What was chosen", Choices);
        foreach (Chart chart in Charts) page.Add(chart);
        AttentionSection.AddTo(page, Attention, Shaded);
        AddMistakes(page);
        AddDoubtedLabels(page);
        page.Facts("Cost", Cost);
        return page.ToString();
    }

    private IEnumerable<Chart> DepthCurveOrNone()
    {
        if (Selection is not { Choice: { } choice } selection) return [];
        return [DepthCurve.Draw(selection.Probes, choice.Chosen.Views)];
    }

    private IEnumerable<(string Name, string Value, string Note)> Figures()
    {
        yield return ("Accuracy", Markup.Percent(Report.Accuracy), $"95 %: {Markup.Percent(Report.AccuracyInterval)}");
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
        var mistakes = Report.Outcomes.Index().Where(text => !text.Item.IsRight).OrderByDescending(text => text.Item.Confidence).Take(ListedTexts)
            .ToList();
        if (mistakes.Count == 0) return;
        page.Heading("The most confident mistakes");
        page.Texts(mistakes.Select(text => (
            Markup.Shorten(Texts[text.Index], LongestText),
            $"labelled {Report.Classes[text.Item.Truth].Label}, predicted {Report.Classes[text.Item.Predicted].Label} with " +
            $"{Markup.Percent(text.Item.Confidence)}")));
    }

    private void AddDoubtedLabels(HtmlPage page)
    {
        if (DoubtedLabels is not { Count: > 0 } doubted) return;
        page.Heading("Likely label errors in the training data");
        string listed = doubted.Count > ListedTexts ? $"{Markup.Count(doubted.Count)} texts; the {ListedTexts} surest:" : "The surest first:";
        page.Note(
            $"Training texts that a classifier trained without their rows puts, confidently, into another class than they are labelled with. " +
            listed);
        page.Texts(doubted.Take(ListedTexts).Select(text => (
            Markup.Shorten(text.Text, LongestText),
            $"line {text.Line}: labelled {text.Label}, rather {text.Preferred} with {Markup.Percent(text.Probability)}")));
    }
}
