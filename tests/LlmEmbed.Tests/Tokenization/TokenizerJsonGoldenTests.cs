using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Tokenization;

public sealed class TokenizerJsonGoldenTests
{
    public static TheoryData<string> Fixtures { get; } =
    [
        "albert", "bert", "bert-mlm", "bert-old-names", "deberta-v2", "distilbert", "electra", "eurobert", "gemma2", "gemma3-bidirectional",
        "gemma3-global", "gemma3-nested", "gpt-neox", "gpt2", "granite", "gte", "llama-gqa", "llama-mha", "llama3-rope", "mistral",
        "modernbert", "mpnet", "nomic-bert", "olmo2", "olmo3", "phi3", "phi3-longrope", "qwen2", "qwen3", "roberta", "smollm3", "stablelm",
        "t5-encoder", "xlm-roberta",
    ];

    public static TheoryData<string> Published { get; } = ["llama2", "llama3", "minilm", "qwen3", "smollm2-digits", "smollm2-gguf-derived"];

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void Every_text_has_the_ids_of_the_tokenizers_library(string fixture)
    {
        Tokenizer tokenizer = Tokenizer.Load(Repository.Fixture(fixture));
        Assert.Empty(GoldenTexts.Differences(tokenizer, GoldenTexts.Texts, GoldenTexts.Ids(fixture)));
    }

    [Theory]
    [MemberData(nameof(Fixtures))]
    public void Special_tokens_and_truncation_are_those_of_the_golden_run(string fixture)
    {
        string golden = Repository.Fixture(fixture, "golden.json");
        string[] texts = GoldenTexts.Section<string[]>(golden, "texts");
        int maxLength = GoldenTexts.Section<int>(golden, "max_length");
        int[][] ids = GoldenTexts.Section<int[][]>(golden, "input_ids");
        string[][] tokens = GoldenTexts.Section<string[][]>(golden, "tokens");
        Tokenizer tokenizer = Tokenizer.Load(Repository.Fixture(fixture));
        string unknown = fixture == "deberta-v2" ? "[UNK]" : "<unk>";
        for (int index = 0; index < texts.Length; index++)
        {
            TokenizedText encoded = tokenizer.Encode(texts[index], maxLength);
            Assert.Equal(ids[index], encoded.Ids);
            // For an unknown part of a text, the tokenizers library gives the part itself if the model is Unigram, and not the unknown token.
            IEnumerable<(string Expected, string Found)> pairs = tokens[index].Zip(encoded.Ids.Select(tokenizer.TokenText));
            Assert.All(pairs.Where(pair => pair.Found != unknown), pair => Assert.Equal(pair.Expected, pair.Found));
            Assert.Equal(tokenizer.Encode(texts[index]).Ids.Length > maxLength, encoded.Truncated);
        }
    }

    [Theory]
    [MemberData(nameof(Published))]
    public void Every_text_has_the_ids_of_a_published_tokenizer(string name)
    {
        string folder = Repository.SharedOrSkip("tokenizers", name);
        string golden = Path.Combine(folder, "golden.json");
        string[] texts = GoldenTexts.Section<string[]>(golden, "texts");
        Tokenizer tokenizer = Tokenizer.Load(folder);
        Assert.Empty(GoldenTexts.Differences(tokenizer, texts, GoldenTexts.Section<int[][]>(golden, "ids")));
        Assert.Empty(GoldenTexts.Differences(tokenizer, texts, GoldenTexts.Section<int[][]>(golden, "ids_with_special"), addSpecialTokens: true));
    }
}
