using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Learning;
using LlmEmbed.Reports;
using Xunit;

namespace LlmEmbed.Tests.Reports;

public sealed class AttentionSentencesTests
{
    private static readonly AttentionSummary Summary =
        new("tiny", 18, [new("who", 4.1234, 9), new("many", 12.6, 2), new("\u001b[31m\u200b", 1.24, 3)]);

    [Fact]
    public void A_line_says_what_an_attention_looks_at_and_a_terminal_obeys_no_word()
    {
        Assert.Equal(
            [
                "Attention at depth 18 of tiny looks most at: who (4.1 times as much as at an average token), many (13), \\u001b[31m\\u200b (1.2)",
                "Attention at depth 2 of small looks at no word more than at others",
            ],
            AttentionSentences.Lines([Summary, new("small", 2, [])]));
        AttendedWord[] many = [.. Enumerable.Range(0, 15).Select(i => new AttendedWord($"w{i}", 2, 2))];
        Assert.EndsWith(", w7 (2.0)", Assert.Single(AttentionSentences.Lines([new("tiny", 1, many)])), StringComparison.Ordinal);
    }

    [Fact]
    public void What_attention_looks_at_is_saved_with_the_decisions()
    {
        HeadDecisions decisions = new(new NearestMeanDecision()) { Attention = [Summary] };
        HeadDecisions saved = JsonSerializer.Deserialize<HeadDecisions>(JsonSerializer.Serialize(decisions, HeadSentences.Json), HeadSentences.Json)!;
        AttentionSummary summary = Assert.Single(saved.Attention);
        Assert.Equal((Summary.Backbone, Summary.Depth), (summary.Backbone, summary.Depth));
        Assert.Equal(Summary.Words, summary.Words);
        JsonNode json = HeadSentences.ToJson(saved)["attention"]![0]!;
        Assert.Equal(("tiny", 18), ((string?)json["backbone"], (int?)json["depth"]));
        Assert.Equal("""{"word":"who","weight":4.1234,"texts":9}""", json["words"]![0]!.ToJsonString());
        Assert.Null(HeadSentences.ToJson(new(new NearestMeanDecision()))["attention"]);
        // A classifier of before says nothing of it.
        Assert.Empty(JsonSerializer.Deserialize<HeadDecisions>("""{"head":{"kind":"nearest_mean"}}""", HeadSentences.Json)!.Attention);
    }
}
