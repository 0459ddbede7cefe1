using LlmEmbed.Learning;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class AttendedWordsTests
{
    [Fact]
    public void A_words_weight_is_its_mean_share_against_an_average_token()
    {
        // "many" has two tokens of four with 0.6 of the attention: 1.2 times as much as average. Then one token of two with 0.9: 1.8 times.
        AttentionSummary summary = AttentionSummary.Of(
            "tiny",
            3,
            [[new("How", 0, 1), new("many", 1, 2), new("?", 3, 1)], [new("Many", 0, 1), new("?", 1, 1)]],
            [[0.3f, 0.4f, 0.2f, 0.1f], [0.9f, 0.1f]]);
        AttendedWord word = Assert.Single(summary.Words); // "How" has one text only, "?" gets less than an average token
        Assert.Equal(("many", 2), (word.Word, word.Texts));
        Assert.Equal((1.2 + 1.8 + 5) / (2 + 5), word.Weight, 1e-3);
        Assert.Equal(("tiny", 3), (summary.Backbone, summary.Depth));
    }

    [Fact]
    public void A_text_counts_once_for_a_word_that_it_has_twice()
    {
        TokenWord[] words = [new("no", 0, 1), new("no", 1, 1), new("x", 2, 2)];
        AttentionSummary summary = AttentionSummary.Of("tiny", 1, [words, words], [[0.5f, 0.3f, 0.1f, 0.1f], [0.5f, 0.3f, 0.1f, 0.1f]]);
        Assert.Equal([new AttendedWord("no", Math.Round((1.6 + 1.6 + 5) / 7, 3), 2)], summary.Words);
    }

    [Fact]
    public void A_rare_word_comes_behind_a_frequent_one_with_a_little_less_attention()
    {
        // 20 texts "often a b c", of which 2 have "rare" instead, with more attention.
        IReadOnlyList<TokenWord>[] words =
            [.. Enumerable.Range(0, 20).Select(text => new TokenWord[] { new(text < 2 ? "rare" : "often", 0, 1), new("a", 1, 1), new("b", 2, 2) })];
        float[][] weights = [.. Enumerable.Range(0, 20).Select(text => text < 2 ? new[] { 0.9f, 0.1f, 0, 0 } : [0.7f, 0.3f, 0, 0])];
        Assert.Equal(["often", "rare", "a"], AttentionSummary.Of("tiny", 1, words, weights).Words.Select(word => word.Word));
    }

    [Fact]
    public void At_most_fifteen_words_are_kept_in_a_fixed_order_and_none_is_special()
    {
        TokenWord[] words = [new("[CLS]", 0, 1, IsSpecial: true), .. Enumerable.Range(0, 20).Select(i => new TokenWord($"w{19 - i:00}", i + 1, 1))];
        float[] weights = [0, .. Enumerable.Repeat(0.05f, 20)];
        Assert.Equal(
            Enumerable.Range(0, 15).Select(i => $"w{i:00}"),
            AttentionSummary.Of("tiny", 1, [words, words], [weights, weights]).Words.Select(word => word.Word));
        weights = [1, .. new float[20]];
        Assert.Empty(AttentionSummary.Of("tiny", 1, [words, words], [weights, weights]).Words);
    }

    [Fact]
    public void Weights_of_other_tokens_are_refused() =>
        Assert.Throws<ArgumentException>(() => AttentionSummary.Of("tiny", 1, [[new TokenWord("a", 0, 1)]], [[0.5f, 0.5f]]));

    [Fact]
    public void Texts_to_be_shaded_come_from_as_many_classes_as_possible()
    {
        string[] Labels(int classes, int perClass) => [.. Shade(classes, perClass).Texts.Select(text => text.Label)];
        Assert.Equal(["c0", "c1", "c0", "c1", "c0", "c1"], Labels(2, 10));
        Assert.Equal(["c0", "c1", "c2", "c3", "c0", "c1"], Labels(4, 10));
        Assert.Equal(["c0", "c1", "c3", "c5", "c6", "c8"], Labels(10, 10));
        Assert.Equal(["c0", "c1", "c0", "c1"], Labels(2, 2));
    }

    [Fact]
    public void Of_a_class_the_first_text_of_a_suitable_length_is_shaded()
    {
        ShadedTexts shaded = Shade(classes: 1, perClass: 3, wordsOf: text => text == 0 ? 1 : text == 1 ? 6 : 70);
        Assert.Equal([6, 1, 70], shaded.Texts.Select(text => text.Words.Count));
        Assert.Equal([("w0", 6), ("w1", 0)], shaded.Texts[0].Words.Take(2)); // all attention is at the first of six tokens
    }

    private static ShadedTexts Shade(int classes, int perClass, Func<int, int>? wordsOf = null)
    {
        int[] counts = [.. Enumerable.Range(0, classes * perClass).Select(wordsOf ?? (_ => 6))];
        IReadOnlyList<TokenWord>[] words =
            [.. counts.Select(count => Enumerable.Range(0, count).Select(i => new TokenWord($"w{i}", i, 1)).ToArray())];
        float[][] weights = [.. counts.Select(count => (float[])[1, .. new float[count - 1]])];
        return ShadedTexts.Of(
            "tiny", 1, words, weights, [.. counts.Select((_, text) => text % classes)], [.. Enumerable.Range(0, classes).Select(c => $"c{c}")]);
    }
}
