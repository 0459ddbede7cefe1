using LlmEmbed.Checkpoints;
using LlmEmbed.Comparison;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Comparison;

public sealed class PromptFormatTests
{
    private static readonly LabeledText[] Examples = [new("so dull", "bad")];

    [Fact]
    public void A_model_of_chats_is_asked_in_turns()
    {
        Tokenizer tokenizer = Tokenizer.Load(BackboneLocator.Find("smollm2-135m-instruct", [Repository.Models]).Path);
        PromptFormat format = new(tokenizer);
        Assert.True(format.IsChat);
        Assert.Equal(
            "<|im_start|>user\nClassify the text. Possible labels: bad, good.\n\nText: so dull<|im_end|>\n<|im_start|>assistant\nLabel: " +
            "bad<|im_end|>\n<|im_start|>user\nText: a joy<|im_end|>\n<|im_start|>assistant\nLabel: good",
            Written(
                tokenizer,
                [
                    .. format.Beginning(["bad", "good"], Examples, 99),
                    .. format.TextIds("a joy", 99),
                    .. format.BeforeLabel,
                    .. format.LabelIds("good"),
                ]));
        Assert.Equal(
            "<|im_end|>\n<|im_start|>assistant\nLet's think step by step.\nLabel:",
            Written(tokenizer, [.. format.BeforeReasoning, .. format.AfterReasoning]));
        Assert.Contains(tokenizer.Encode("<|im_end|>").Ids.Single(), format.EndIds);
    }

    [Fact]
    public void Any_other_model_is_asked_in_plain_text()
    {
        Tokenizer tokenizer = Tokenizer.Load(Repository.Fixture("llama3-rope"));
        PromptFormat format = new(tokenizer);
        Assert.False(format.IsChat);
        Assert.Equal(
            "<|begin_of_text|>Classify the text. Possible labels: bad, good.\n\nText: so dull\nLabel: bad\n\nText: a joy\nLabel: good",
            Written(
                tokenizer,
                [
                    .. format.Beginning(["bad", "good"], Examples, 99),
                    .. format.TextIds("a joy", 99),
                    .. format.BeforeLabel,
                    .. format.LabelIds("good"),
                ]));
    }

    /// <summary>SentencePiece begins every text with a space of its own; what continues a text must not get a second one.</summary>
    [Theory]
    [InlineData("llama-mha")]
    [InlineData("mistral")]
    [InlineData("llama3-rope")]
    public void The_parts_are_tokenized_as_the_whole_would_be(string folder)
    {
        Tokenizer tokenizer = Tokenizer.Load(Repository.Fixture(folder));
        PromptFormat format = new(tokenizer);
        int[] whole = tokenizer.Encode("Classify the text. Possible labels: bad, good.\n\nText: a small house\nLabel: good").Ids;
        Assert.Equal(
            (IEnumerable<int>)whole,
            [
                .. format.Beginning(["bad", "good"], [], 99),
                .. format.TextIds("a small house", 99),
                .. format.BeforeLabel,
                .. format.LabelIds("good"),
            ]);
    }

    [Fact]
    public void A_text_that_is_too_long_loses_its_end()
    {
        PromptFormat format = new(Tokenizer.Load(Repository.Fixture("llama-gqa")));
        Assert.Equal(format.TextIds("one two three four five", 99)[..3], format.TextIds("one two three four five", 3));
    }

    /// <summary>Tokens of byte-level vocabularies back to text, as far as these prompts need it.</summary>
    private static string Written(Tokenizer tokenizer, IEnumerable<int> ids) =>
        string.Concat(ids.Select(tokenizer.TokenText)).Replace('Ġ', ' ').Replace('Ċ', '\n');
}
