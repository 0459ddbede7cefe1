using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Files;
using LlmEmbed.Learning;

namespace LlmEmbed.Reports;

/// <summary>What learned attention looks at, in words for people and as JSON for programs.</summary>
internal static class AttentionSentences
{
    /// <summary>The key of the words in JSON.</summary>
    public const string Words = "words";

    private const int NamedWords = 8, LongestWord = 40;

    /// <summary>A line for each learned attention.</summary>
    public static IEnumerable<string> Lines(IReadOnlyList<AttentionSummary> attention)
    {
        foreach (AttentionSummary summary in attention)
        {
            string[] words = [.. summary.Words.Take(NamedWords).Select((word, place) =>
                $"{Shown(word.Word)} ({Factor(word.Weight)}{(place == 0 ? " times as much as at an average token" : "")})")];
            string looks = words.Length > 0 ? $"looks most at: {string.Join(", ", words)}" : "looks at no word more than at others";
            yield return $"{Name(summary.Backbone, summary.Depth)} {looks}";
        }
    }

    public static string Name(string backbone, int depth) => $"Attention at depth {depth} of {backbone}";

    /// <summary>Backbone, depth and words of each learned attention, each word with its weight and the number of texts that have it.</summary>
    public static JsonArray ToJson(IReadOnlyList<AttentionSummary> attention) =>
        [.. attention.Select(summary => JsonSerializer.SerializeToNode(summary, HeadSentences.Json.Of<AttentionSummary>()))];

    /// <summary>The words of <see cref="ToJson"/> in one line.</summary>
    public static string Describe(JsonArray words) =>
        Describe(words.Deserialize(HeadSentences.Json.Of<AttendedWord[]>())!) + (words.Count > 0 ? " (times as much as at an average token)" : "");

    /// <summary>"who 4.1, many 3.2": words and how many times as much attention they get as an average token.</summary>
    public static string Describe(IReadOnlyList<AttendedWord> words) =>
        words.Count > 0 ? string.Join(", ", words.Select(word => $"{Shown(word.Word)} {Factor(word.Weight)}")) : "no word more than others";

    /// <summary>A word in a line of other words.</summary>
    public static string Shown(string word) => InvisibleCharacters.Show(Markup.Shorten(word, LongestWord));

    public static string Factor(double weight) => weight.ToString(weight < 10 ? "0.0" : "0", CultureInfo.InvariantCulture);
}
