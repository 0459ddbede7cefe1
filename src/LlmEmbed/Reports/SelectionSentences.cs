using System.Text.Json.Nodes;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;

namespace LlmEmbed.Reports;

/// <summary>What the choice of views found out, as lines for people and as JSON for programs.</summary>
internal static class SelectionSentences
{
    private const int ListedSingles = 5;

    public static IEnumerable<string> Lines(SelectionSummary selection)
    {
        string cost = string.Join(", ", selection.Encoding.Select(part => $"{part.Backbone} in {part.Statistics.Elapsed.TotalSeconds:0.0} s"));
        yield return $"Views: {selection.Candidates.Views.Count} candidates read on {selection.SampleTexts:N0} texts ({cost})";
        if (selection.Choice is not { } choice)
        {
            yield return "  too few texts to compare them; the default views are taken";
            yield break;
        }
        yield return $"  compared by cross-validation on these texts in {selection.Elapsed.TotalSeconds:0.0} s; alone, the best are";
        foreach (ViewSetScore single in choice.Singles.OrderBy(single => single.Loss).Take(ListedSingles))
            yield return $"    {ClassifierFacts.Describe(single)}";
        yield return "  together, the best is";
        yield return $"    {ClassifierFacts.Describe(choice.Best)}";
        if (choice.Learned.Count > 1)
        {
            yield return "  too few texts to tell sets apart: several are mixed";
        }
        else if (selection.SecondLook is { } look)
        {
            yield return $"  so all texts were read at the {look.Read.Views.Count} views below the cut depth, and sets of them compared on " +
                $"{look.Rows:N0} texts:";
            foreach (ViewSetScore set in look.Sets) yield return $"    {ClassifierFacts.Describe(set)}{(set == look.Chosen ? " (chosen)" : "")}";
        }
        else if (choice.Chosen == choice.Best)
        {
            yield return "  and it is chosen.";
        }
        else
        {
            yield return "  and not clearly worse, but cheaper, so chosen, is";
            yield return $"    {ClassifierFacts.Describe(choice.Chosen)}";
        }
    }

    public static JsonObject ToJson(SelectionSummary selection) => new()
    {
        ["sample_texts"] = selection.SampleTexts,
        ["seconds"] = Math.Round(selection.Elapsed.TotalSeconds, 3),
        ["reading"] = new JsonArray([.. selection.Encoding.Select(part => new JsonObject
        {
            ["name"] = part.Backbone,
            ["tokens"] = part.Statistics.Tokens,
            ["seconds"] = Math.Round(part.Statistics.Elapsed.TotalSeconds, 3),
        })]),
        ["views"] = ToJson(selection.Choice?.Singles ?? []),
        ["sets"] = ToJson(selection.Choice?.Sets ?? []),
        ["second_look"] = selection.SecondLook is { } look ? new JsonObject { ["texts"] = look.Rows, ["sets"] = ToJson(look.Sets) } : null,
        ["chosen"] = selection.SecondLook is { } second ? ToJson(second.Chosen)
            : selection.Choice is { } choice ? ToJson(choice.Chosen)
            : null,
    };

    private static JsonArray ToJson(IEnumerable<ViewSetScore> scores) => [.. scores.Select(ToJson)];

    private static JsonObject ToJson(ViewSetScore score) => new()
    {
        ["views"] = new JsonArray([.. score.Views.Select(view => (JsonNode)$"{view.Backbone} {Poolings.NameOf(view.View)}")]),
        ["log_loss"] = score.Loss,
        ["accuracy"] = score.Score.Accuracy,
        ["accuracy_deviation"] = score.Score.AccuracyDeviation,
        ["macro_f1"] = score.Score.MacroF1,
    };
}
