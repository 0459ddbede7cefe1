using CsCheck;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Tokenization;

public sealed class TokenizerPropertyTests
{
    private static readonly Gen<string> Texts = Gen.OneOf(
        Gen.String,
        Gen.String[Gen.Char["ab é\u0301'sS1½\n\t<>[]▁𠮷"]],
        Gen.Int[0, GoldenTexts.Texts.Length - 1].Select(index => GoldenTexts.Texts[index])).Array[1, 4].Select(string.Concat);

    public static TheoryData<string> Fixtures { get; } =
        ["bert", "llama-gqa", "llama-mha", "llama3-rope", "mistral", "qwen2", "roberta", "xlm-roberta"];

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void A_truncated_text_is_a_prefix_between_the_special_tokens(string fixture)
    {
        Tokenizer tokenizer = Tokenizer.Load(Repository.Fixture(fixture));
        int special = tokenizer.Encode("").Ids.Length;
        Gen.Select(Texts, Gen.Int[0, 20]).Sample(
            (text, room) =>
            {
                int[] full = tokenizer.Encode(text, addSpecialTokens: false).Ids;
                int[] framed = tokenizer.Encode(text).Ids;
                int before = Enumerable.Range(0, special + 1).First(
                    start => framed.AsSpan(start, full.Length).SequenceEqual(full) && start + full.Length <= framed.Length);
                TokenizedText cut = tokenizer.Encode(text, room + special);
                Assert.Equal(full.Length > room, cut.Truncated);
                Assert.Equal([.. framed[..before], .. full.Take(room), .. framed[(before + full.Length)..]], cut.Ids);
            },
            iter: 300);
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void Ids_are_the_same_under_concurrency(string fixture)
    {
        Tokenizer tokenizer = Tokenizer.Load(Repository.Fixture(fixture));
        int[][] expected = GoldenTexts.Ids(fixture);
        Parallel.For(0, 8 * GoldenTexts.Texts.Length, index =>
        {
            int text = index * 7 % GoldenTexts.Texts.Length;
            Assert.Equal(expected[text], tokenizer.Encode(GoldenTexts.Texts[text], addSpecialTokens: false).Ids);
        });
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void A_word_of_200_000_characters_comes_to_an_end(string fixture)
    {
        Tokenizer tokenizer = Tokenizer.Load(Repository.Fixture(fixture));
        Assert.NotEmpty(tokenizer.Encode(string.Concat(Enumerable.Repeat("theorchestra", 17_000))).Ids);
        Assert.NotEmpty(tokenizer.Encode(new string('a', 200_000)).Ids);
        Assert.NotEmpty(tokenizer.Encode("a" + new string('\u0301', 100_000) + new string('\u0316', 100_000)).Ids);
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void A_lone_surrogate_counts_as_the_replacement_character(string fixture)
    {
        Tokenizer tokenizer = Tokenizer.Load(Repository.Fixture(fixture));
        Assert.Equal(tokenizer.Encode("a\uFFFDb\uFFFD𠮷").Ids, tokenizer.Encode("a\uD800b\uDC00𠮷").Ids);
    }

    [Fact]
    public void Words_keep_their_ids_when_the_cache_starts_over()
    {
        Tokenizer tokenizer = Tokenizer.Load(Repository.Fixture("llama-gqa"));
        int[] before = tokenizer.Encode("the old lighthouse").Ids;
        for (int number = 0; number < 70_000; number++)
            tokenizer.Encode(Convert.ToHexString(BitConverter.GetBytes(number)).Replace("0", "x", StringComparison.Ordinal));
        Assert.Equal(before, tokenizer.Encode("the old lighthouse").Ids);
    }

    [Fact]
    public void A_limit_below_the_special_tokens_is_refused()
    {
        Tokenizer tokenizer = Tokenizer.Load(Repository.Fixture("bert"));
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => tokenizer.Encode("a", maxTokens: 1));
        Assert.Contains("A limit of 1 tokens leaves no room: this tokenizer adds 2 special tokens", error.Message, StringComparison.Ordinal);
        Assert.Equal(new TokenizedText([2, 3], Truncated: true).Ids, tokenizer.Encode("a", maxTokens: 2).Ids);
    }

    [Fact]
    public void An_id_outside_the_vocabulary_has_no_text()
    {
        Tokenizer tokenizer = Tokenizer.Load(Repository.Fixture("bert"));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.TokenText(tokenizer.VocabularySize));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.TokenText(-1));
    }
}
