using System.Text.Json.Nodes;
using LlmEmbed.Heads;
using LlmEmbed.Reports;
using LlmEmbed.Selection;

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
        Console.WriteLine(choice.Chosen == choice.Best
            ? "  and it is chosen."
            : $"  and not clearly worse, but cheaper or broader, so chosen, is\n    {ClassifierFacts.Describe(choice.Chosen, selection.Candidates)}");
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
        ["views"] = ToJson(selection.Choice?.Singles ?? [], selection),
        ["sets"] = ToJson(selection.Choice?.Sets ?? [], selection),
        ["chosen"] = selection.Choice is { } choice ? ToJson(choice.Chosen, selection) : null,
    };

    private static JsonArray ToJson(IEnumerable<ViewSetScore> scores, SelectionSummary selection) => [.. scores.Select(score => ToJson(score, selection))];

    private static JsonObject ToJson(ViewSetScore score, SelectionSummary selection) => new()
    {
        ["views"] = new JsonArray([.. score.Views.Select(view => (JsonNode)NameOf(selection.Candidates.Views[view]))]),
        ["log_loss"] = score.Loss,
        ["accuracy"] = score.Score.Accuracy,
        ["accuracy_deviation"] = score.Score.AccuracyDeviation,
        ["macro_f1"] = score.Score.MacroF1,
    };

    private static string NameOf(FeatureView view) => $"{view.Backbone} {PoolingNames.NameOf(view.View)}";
}
