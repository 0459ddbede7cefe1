using System.Text.Json.Nodes;

namespace LlmEmbed.Cli;

/// <summary>Sums of what encodings met and cost, for people and for --json.</summary>
internal sealed class EncodingTotals
{
    public long Texts { get; private set; }

    public long Computed { get; private set; }

    public long Cached { get; private set; }

    public long Truncated { get; private set; }

    /// <summary>Texts that gave special tokens only.</summary>
    public long OfSpecialTokens { get; private set; }

    public long Tokens { get; private set; }

    public long PaddedTokens { get; private set; }

    public TimeSpan Elapsed { get; private set; }

    public EncodingTotals Add(EncodingStatistics statistics)
    {
        Texts += statistics.Texts;
        Computed += statistics.ComputedTexts;
        Cached += statistics.CachedTexts;
        Truncated += statistics.TruncatedTexts;
        OfSpecialTokens += statistics.TextsOfSpecialTokens.Count;
        Tokens += statistics.Tokens;
        PaddedTokens += statistics.PaddedTokens;
        Elapsed += statistics.Elapsed;
        return this;
    }

    public string Describe(int maxTokens)
    {
        string rate = Tokens > 0 ? $", {Tokens:N0} tokens at {Tokens / Elapsed.TotalSeconds:N0}/s" : "";
        string truncated = Truncated > 0 ? $", {Truncated:N0} truncated to {maxTokens} tokens" : "";
        return $"{Computed:N0} computed, {Cached:N0} from the cache in {Elapsed.TotalSeconds:0.0} s{rate}{truncated}";
    }

    public JsonObject ToJson() => new()
    {
        ["texts"] = Texts,
        ["computed"] = Computed,
        ["cached"] = Cached,
        ["truncated"] = Truncated,
        ["special_tokens_only"] = OfSpecialTokens,
        ["tokens"] = Tokens,
        ["padded_tokens"] = PaddedTokens,
        ["seconds"] = Math.Round(Elapsed.TotalSeconds, 3),
    };
}
