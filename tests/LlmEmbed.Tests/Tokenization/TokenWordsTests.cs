using CsCheck;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Tokenization;

public sealed class TokenWordsTests
{
    private static readonly Gen<string> Texts = Gen.OneOf(
        Gen.String,
        Gen.String[Gen.Char["ab é\u0301'sS1½\n\t<>[]▁𠮷我อ"]],
        Gen.Int[0, GoldenTexts.Texts.Length - 1].Select(index => GoldenTexts.Texts[index])).Array[1, 4].Select(string.Concat);

    public static TheoryData<string> Tokenizers { get; } =
    [
        "bert", "llama-gqa", "llama-mha", "llama3-rope", "mistral", "qwen2", "roberta", "xlm-roberta", "t5-encoder", "gemma2", "deberta-v2",
        "all-minilm-l6-v2", "smollm2-135m-instruct",
    ];

    [Theory]
    [MemberData(nameof(Tokenizers))]
    public void Every_token_is_in_one_word_and_words_are_readable(string name)
    {
        Tokenizer tokenizer = Load(name);
        TokenWords words = new(tokenizer);
        Texts.Sample(
            text =>
            {
                int[] ids = tokenizer.Encode(text).Ids;
                int next = 0;
                foreach (TokenWord word in words.Of(ids))
                {
                    Assert.Equal(next, word.FirstToken);
                    Assert.True(word.TokenCount > 0);
                    Assert.NotEqual("", word.Word);
                    Assert.Equal(word.Word.Trim(), word.Word);
                    Assert.Equal(word.IsSpecial, tokenizer.IsSpecial(ids[next]) && word.TokenCount == 1);
                    next += word.TokenCount;
                }
                Assert.Equal(ids.Length, next);
            },
            iter: 300);
    }

    /// <summary>Nothing of a text is lost or doubled where its characters have tokens: the words together are the text without its spaces.</summary>
    [Theory]
    [InlineData("llama3-rope")]
    [InlineData("qwen2")]
    [InlineData("roberta")]
    [InlineData("llama-gqa")]
    [InlineData("llama-mha")]
    [InlineData("smollm2-135m-instruct")]
    public void Words_together_are_the_text_without_its_spaces(string name)
    {
        Tokenizer tokenizer = Load(name);
        TokenWords words = new(tokenizer);
        foreach (string text in new[] { "Who  wrote it, and when?", "naïve café — 4.50 €", "我不知道。", "👩‍👩‍👧 and 🇨🇭!", "อยากรู้", "tab\tand\nline" })
        {
            int[] ids = tokenizer.Encode(text, addSpecialTokens: false).Ids;
            string together = string.Concat(words.Of(ids).Select(word => word.Word is "␣" or "↵" ? "" : word.Word));
            Assert.Equal(string.Concat(text.Where(c => !char.IsWhiteSpace(c))), together);
        }
    }

    [Theory]
    [InlineData("all-minilm-l6-v2", "Who's unbelievably late?", "[CLS] who ' s unbelievably late ? [SEP]")]
    [InlineData("all-minilm-l6-v2", "我不道 😀", "[CLS] 我 不 道 [UNK] [SEP]")]
    [InlineData("smollm2-135m-instruct", "Who's unbelievably late?", "Who 's unbelievably late ?")]
    [InlineData("smollm2-135m-instruct", "Wait\n\n  for 😀😀  now", "Wait ↵ for 😀😀 ␣ now")]
    [InlineData("smollm2-135m-instruct", "café, crème", "café , crème")]
    [InlineData("smollm2-135m-instruct", "cafe\u0301 👩‍👩‍👧 我不知道", "cafe\u0301 👩‍👩‍👧 我 不 知 道")]
    [InlineData("llama-mha", "我不知道", "<s> 我 不 知 道")]
    [InlineData("llama-mha", "อยากรู้", "<s> อ ย า ก รู้")]
    [InlineData("roberta", "<s> the orchestra</s>", "<s> <s> the orchestra </s> </s>")]
    [InlineData("t5-encoder", "The orchestra's encore!", "The orchestra ' s encore ! </s>")]
    public void A_word_is_what_a_reader_takes_for_one(string name, string text, string expected)
    {
        Tokenizer tokenizer = Load(name);
        Assert.Equal(expected, string.Join(' ', new TokenWords(tokenizer).Of(tokenizer.Encode(text).Ids).Select(word => word.Word)));
    }

    [Fact]
    public void A_character_in_several_tokens_is_one_word()
    {
        Tokenizer tokenizer = Load("llama-mha"); // has bytes as tokens
        int[] ids = tokenizer.Encode("a 𠮷 b", addSpecialTokens: false).Ids;
        TokenWord word = Assert.Single(new TokenWords(tokenizer).Of(ids), word => word.Word == "𠮷");
        Assert.Equal(5, word.TokenCount); // the space before it and four bytes
    }

    [Fact]
    public void Of_a_character_that_is_cut_off_the_rest_is_one_word()
    {
        Tokenizer tokenizer = Load("smollm2-135m-instruct");
        int[] ids = tokenizer.Encode("naïve 🦔", addSpecialTokens: false).Ids;
        Assert.Equal(["naïve", "\uFFFD"], new TokenWords(tokenizer).Of(ids.AsSpan(0, ids.Length - 1)).Select(word => word.Word));
    }

    [Fact]
    public void Words_of_a_part_count_from_its_first_token_and_keep_their_whole_name()
    {
        Tokenizer tokenizer = Load("all-minilm-l6-v2");
        int[] ids = tokenizer.Encode("an unbelievably late parcel", addSpecialTokens: false).Ids; // an un ##bel ##ie ##va ##bly late parcel
        Assert.Equal(
            [new TokenWord("unbelievably", 0, 3), new TokenWord("late", 3, 1)],
            new TokenWords(tokenizer).Of(ids, 3..7));
    }

    [Fact]
    public void Without_marks_in_the_vocabulary_each_token_is_a_word()
    {
        using TemporaryFolder folder = new();
        File.WriteAllText(folder.File("tokenizer.json"), """
            {"added_tokens":[],"normalizer":null,"pre_tokenizer":{"type":"Whitespace"},"post_processor":null,
             "model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}
            """);
        Tokenizer tokenizer = Tokenizer.Load(folder.Path);
        Assert.Equal(["ab", "a", "b"], new TokenWords(tokenizer).Of(tokenizer.Encode("ab a b").Ids).Select(word => word.Word));
    }

    private static Tokenizer Load(string name) =>
        Tokenizer.Load(Directory.Exists(Repository.Fixture(name)) ? Repository.Fixture(name) : Path.Combine(Repository.Models, name));
}
