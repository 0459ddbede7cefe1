using System.Text.Json.Nodes;
using LlmEmbed.Reading;

namespace LlmEmbed.Reports;

/// <summary>How a backbone was read and what that cost, for people and for programs.</summary>
internal static class BackboneSentences
{
    public static IEnumerable<string> Lines(BackboneReading reading)
    {
        string reason = reading.PrecisionReason.Length > 0 ? $" ({reading.PrecisionReason})" : "";
        string views = string.Join(", ", reading.Views.Select(Poolings.NameOf));
        yield return $"{reading.Name} (depth:pooling {views}, of {reading.BlockCount} blocks), {PrecisionNames.NameOf(reading.Precision)}{reason}";
        if (reading.Lead.Length > 0) yield return $"  {reading.Lead}";
        yield return $"  {Cost(reading.Statistics, reading.MaxTokens)}";
    }

    public static string Cost(EncodingStatistics statistics, int maxTokens)
    {
        string rate = statistics.Tokens > 0 ? $", {statistics.Tokens:N0} tokens at {statistics.Tokens / statistics.Elapsed.TotalSeconds:N0}/s" : "";
        string truncated = statistics.TruncatedTexts > 0 ? $", {statistics.TruncatedTexts:N0} truncated to {maxTokens} tokens" : "";
        return $"{statistics.ComputedTexts:N0} computed, {statistics.CachedTexts:N0} from the cache in {statistics.Elapsed.TotalSeconds:0.0} " +
            $"s{rate}{truncated}";
    }

    public static JsonObject ToJson(BackboneReading reading) => new()
    {
        ["texts"] = reading.Statistics.Texts,
        ["computed"] = reading.Statistics.ComputedTexts,
        ["cached"] = reading.Statistics.CachedTexts,
        ["truncated"] = reading.Statistics.TruncatedTexts,
        ["tokens"] = reading.Statistics.Tokens,
        ["padded_tokens"] = reading.Statistics.PaddedTokens,
        ["seconds"] = Math.Round(reading.Statistics.Elapsed.TotalSeconds, 3),
        ["name"] = reading.Name,
        ["views"] = new JsonArray([.. reading.Views.Select(view => (JsonNode)Poolings.NameOf(view))]),
        ["lead"] = reading.Lead.Length > 0 ? reading.Lead : null,
    };
}
