using LlmEmbed.Reading;
using LlmEmbed.Recipes;

namespace LlmEmbed.Reports;

/// <summary>What a classifier is made of and why, in words. The same training gives the same words.</summary>
internal static class ClassifierFacts
{
    public static IReadOnlyList<(string Name, string Value)> Choices(TrainedClassifier classifier) =>
    [
        .. classifier.Reader.Backbones.Select(backbone => (backbone.Name, Describe(backbone))),
        .. classifier.Selection is { } selection ? [("Views", Describe(selection))] : Array.Empty<(string, string)>(),
        ("Head", HeadSentences.Of(classifier.Head.Decisions)),
    ];

    private static string Describe(BackboneReader backbone)
    {
        BackbonePlan plan = backbone.Plan;
        string lead = plan.Lead.Length > 0 ? $", {plan.Lead}" : "";
        return $"{string.Join(", ", plan.Views.Select(Poolings.NameOf))} (depth:pooling) of {backbone.Backbone.Model.BlockCount} blocks, " +
            $"in {PrecisionNames.NameOf(plan.Precision)}, at most {plan.MaxTokens} tokens{lead}";
    }

    /// <summary>"backbone depth:pooling, ...: accuracy ..., macro-F1 ..., log loss ...".</summary>
    public static string Describe(ViewSetScore score)
    {
        string views = string.Join("; ", score.Views.GroupBy(view => view.Backbone, StringComparer.Ordinal)
            .Select(backbone => $"{backbone.Key} {string.Join(", ", backbone.Select(view => Poolings.NameOf(view.View)))}"));
        return $"{views}: accuracy {Markup.Percent(score.Score.Accuracy)} ± {Markup.Percent(score.Score.AccuracyDeviation)}, macro-F1 " +
            $"{Markup.Percent(score.Score.MacroF1)}, log loss {Markup.Format(score.Loss, "0.000")}";
    }

    private static string Describe(SelectionSummary selection)
    {
        if (selection.Choice is not { } choice) return "too few texts to compare views; the default ones";
        string compared = $"{selection.Candidates.Views.Count} views compared by cross-validation on {Markup.Count(selection.SampleTexts)} " +
            "training texts. ";
        string chosen = Describe(choice.Chosen);
        if (choice.Learned.Count > 1) return $"{compared}Too few to tell sets apart, so that several are mixed.";
        if (selection.SecondLook is { } look)
            return $"{compared}Chosen among {look.Sets.Count} sets of the {look.Read.Views.Count} views below the cut, on " +
                $"{Markup.Count(look.Rows)} texts: {Describe(look.Chosen)}.";
        return compared + (choice.Chosen == choice.Best
            ? $"The best together, and chosen: {chosen}."
            : $"Chosen: {chosen}; not clearly worse than the best, but cheaper. The best: {Describe(choice.Best)}.");
    }
}
