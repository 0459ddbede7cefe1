using LlmEmbed.Reading;
using LlmEmbed.Tests.Tokenization;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Reading;

/// <summary>Words must lie on the tokens whose states attention pools, whatever stands around a text.</summary>
public sealed class AttendedWordsOfTextsTests
{
    private static readonly string[] Texts = [.. GoldenTexts.Texts.Where(text => text.Trim().Length > 2), "x", "我不知道 👩‍👩‍👧", "It's ½ ⁉️\n\n so"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("all-minilm-l6-v2", null)]
    [InlineData("all-minilm-l6-v2", "query: ")]
    [InlineData("smollm2-135m-instruct", null)]
    [InlineData("smollm2-135m-instruct", "\n{text}")]
    [InlineData("smollm2-135m-instruct", "Review: {text}\nSentiment:")]
    [InlineData("smollm2-135m-instruct", "query: ")]
    [InlineData("llama-gqa", null)]
    [InlineData("llama-mha", "Review: {text}\nSentiment:")]
    [InlineData("bert", null)]
    [InlineData("xlm-roberta", "query: {text}")]
    [InlineData("t5-encoder", null)]
    public void Each_attended_token_is_in_one_word(string backbone, string? prompt)
    {
        foreach (int maxTokens in new[] { 24, 64 })
        {
            TextPreparation preparation = Prepare(backbone, prompt, maxTokens);
            int[] counts = preparation.AttendedCounts(Texts, Cancellation);
            IReadOnlyList<TokenWord>[] words = preparation.WordsOf(Texts, Cancellation);
            for (int text = 0; text < Texts.Length; text++)
            {
                int next = 0;
                foreach (TokenWord word in words[text])
                {
                    Assert.Equal(next, word.FirstToken);
                    next += word.TokenCount;
                }
                Assert.Equal(counts[text], next);
            }
        }
    }

    [Theory]
    [InlineData("all-minilm-l6-v2", null, "Who wrote it?", "[CLS] who wrote it ? [SEP]")]
    [InlineData("all-minilm-l6-v2", "query: {text}!", "Who wrote it?", "who wrote it ?")]
    [InlineData("smollm2-135m-instruct", null, "Who wrote it?", "wrote it ?")] // a decoder's first token is not attended
    [InlineData("smollm2-135m-instruct", "\n{text}", "Who wrote it?", "Who wrote it ?")]
    [InlineData("smollm2-135m-instruct", "Review: {text}\nSentiment:", "Who wrote it?", "Who wrote it ?")]
    [InlineData("smollm2-135m-instruct", null, "?", "?")] // read behind a line break
    [InlineData("smollm2-135m-instruct", null, "Zxqvunbelievably late", "Zxqvunbelievably late")] // of a word in parts only the first one is left out
    public void What_stands_around_a_text_has_no_words(string backbone, string? prompt, string text, string expected)
    {
        IReadOnlyList<TokenWord> words = Assert.Single(Prepare(backbone, prompt, maxTokens: 64).WordsOf([text], Cancellation));
        Assert.Equal(expected, string.Join(' ', words.Select(word => word.Word)));
    }

    [Fact]
    public void A_text_without_a_token_has_no_words()
    {
        TextPreparation preparation = Prepare("smollm2-135m-instruct", "Review: {text}\nSentiment:", maxTokens: 64);
        Assert.Empty(Assert.Single(preparation.WordsOf([""], Cancellation)));
        Assert.Equal([0], preparation.AttendedCounts([""], Cancellation));
    }

    private static TextPreparation Prepare(string backbone, string? prompt, int maxTokens)
    {
        using OpenBackbones backbones = new(Requests.Runtime with { ModelFolders = [Repository.Fixtures, Repository.Models] });
        OpenBackbone open = backbones.Open(backbone, default);
        EncoderOptions options = new() { Prompt = prompt, MaxTokens = maxTokens, Precision = Precision.Fp32 };
        return new TextPreparation(open, BackbonePlan.ForTraining(open, options), threads: 1);
    }
}
