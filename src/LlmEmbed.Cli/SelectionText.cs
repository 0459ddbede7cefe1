using System.Text.Json.Nodes;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;
using LlmEmbed.Reports;

namespace LlmEmbed.Cli;

/// <summary>What training found out about views, for people and for programs.</summary>
internal static class SelectionText
{
    private const int ListedSingles = 5;

    public static void Print(SelectionSummary selection)
    {
        string cost = string.Join(", ", selection.Encoding.Select(part => $"{part.Backbone} in {part.Statistics.Elapsed.TotalSeconds:0.0} s"));
        Console.WriteLine($"Views: {selection.Candidates.Views.Count} candidates read on {selection.SampleTexts:N0} texts ({cost})");
        if (selection.Choice is not { } choice)
        {
            Console.WriteLine("  too few texts to compare them; the default views are taken");
            return;
        }
        Console.WriteLine($"  compared by cross-validation on these texts in {selection.Elapsed.TotalSeconds:0.0} s; alone, the best are");
        foreach (ViewSetScore single in choice.Singles.OrderBy(single => single.Loss).Take(ListedSingles)) Console.WriteLine($"    {ClassifierFacts.Describe(single, selection.Candidates)}");
        Console.WriteLine("  together, the best is");
        Console.WriteLine($"    {ClassifierFacts.Describe(choice.Best, selection.Candidates)}");
        if (choice.Mixture is not null)
        {
            Console.WriteLine("  too few texts to tell sets apart: several are averaged");
            return;
        }
        if (selection.SecondLook is { } look)
        {
            Console.WriteLine($"  so all texts were read at the {look.Read.Views.Count} views below the cut, and sets of them compared on {look.Rows:N0} texts:");
            foreach (ViewSetScore set in look.Sets) Console.WriteLine($"    {ClassifierFacts.Describe(set, look.Read)}{(set == look.Chosen ? " (chosen)" : "")}");
            return;
        }
        Console.WriteLine(choice.Chosen == choice.Best
            ? "  and it is chosen."
            : $"  and not clearly worse, but cheaper, so chosen, is\n    {ClassifierFacts.Describe(choice.Chosen, selection.Candidates)}");
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
        ["views"] = ToJson(selection.Choice?.Singles ?? [], selection.Candidates),
        ["sets"] = ToJson(selection.Choice?.Sets ?? [], selection.Candidates),
        ["second_look"] = selection.SecondLook is { } look ? new JsonObject { ["texts"] = look.Rows, ["sets"] = ToJson(look.Sets, look.Read) } : null,
        ["chosen"] = selection.SecondLook is { } second ? ToJson(second.Chosen, second.Read) : selection.Choice is { } choice ? ToJson(choice.Chosen, selection.Candidates) : null,
    };

    private static JsonArray ToJson(IEnumerable<ViewSetScore> scores, FeatureLayout layout) => [.. scores.Select(score => ToJson(score, layout))];

    private static JsonObject ToJson(ViewSetScore score, FeatureLayout layout) => new()
    {
        ["views"] = new JsonArray([.. score.Views.Select(view => (JsonNode)NameOf(layout.Views[view]))]),
        ["log_loss"] = score.Loss,
        ["accuracy"] = score.Score.Accuracy,
        ["accuracy_deviation"] = score.Score.AccuracyDeviation,
        ["macro_f1"] = score.Score.MacroF1,
    };

    private static string NameOf(FeatureView view) => $"{view.Backbone} {PoolingNames.NameOf(view.View)}";
}
