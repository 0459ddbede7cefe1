using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Tokenization;

/// <summary>The families' own vocabulary files, in folders without tokenizer.json, against the ids of tokenizer.json.</summary>
public sealed class VocabularyFilesTests
{
    [Theory]
    [InlineData("bert", "vocab.txt")]
    [InlineData("bert-mlm", "vocab.txt")]
    [InlineData("bert-old-names", "vocab.txt")]
    [InlineData("distilbert", "vocab.txt")]
    [InlineData("roberta", "vocab.json", "merges.txt")]
    [InlineData("llama-mha", "tokenizer.model")]
    public void The_familys_own_files_give_the_same_ids(string fixture, params string[] files)
    {
        using TemporaryFolder folder = TokenizerFolder.WithoutTokenizerJson(fixture, files);
        Assert.Empty(Differences(fixture, folder, out Tokenizer tokenizer));
        SameSpecialTokens(fixture, tokenizer);
        Assert.Contains(Path.Combine(folder.Path, files[0]), tokenizer.SourceFiles);
    }

    [Theory]
    [InlineData("llama-gqa")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    public void A_special_token_that_only_tokenizer_json_names_is_ordinary_text(string fixture)
    {
        using TemporaryFolder folder = TokenizerFolder.WithoutTokenizerJson(fixture, "vocab.json", "merges.txt");
        List<string> differences = Differences(fixture, folder, out Tokenizer tokenizer);
        Assert.Equal(GoldenTexts.Texts.Where(text => text.Contains("<|im_start|>", StringComparison.Ordinal)), differences);
        SameSpecialTokens(fixture, tokenizer);
    }

    [Fact]
    public void Added_tokens_json_names_special_tokens_with_their_ids()
    {
        using TemporaryFolder folder = TokenizerFolder.WithoutTokenizerJson("qwen2", "vocab.json", "merges.txt");
        folder.Write("added_tokens.json", """{"<|endoftext|>":397,"<|im_start|>":398,"<|im_end|>":399}""");
        Assert.Empty(Differences("qwen2", folder, out Tokenizer tokenizer));
        Assert.Equal((400, 397), (tokenizer.VocabularySize, tokenizer.PadId));
    }

    [Fact]
    public void SentencePiece_adds_a_space_before_a_leading_space_where_Metaspace_first_does_not()
    {
        using TemporaryFolder folder = TokenizerFolder.WithoutTokenizerJson("mistral", "tokenizer.model");
        List<string> differences = Differences("mistral", folder, out Tokenizer tokenizer);
        Assert.Equal(GoldenTexts.Texts.Where(text => text.StartsWith(' ') || text.StartsWith('\u2581')), differences);
        int[][] expected = GoldenTexts.Ids("mistral");
        int[] space = tokenizer.Encode("\u2581", addSpecialTokens: false).Ids[..1];
        foreach (string text in differences)
        {
            int[] ids = expected[Array.IndexOf(GoldenTexts.Texts, text)];
            Assert.Equal([.. space, .. ids], tokenizer.Encode(text, addSpecialTokens: false).Ids);
        }
        SameSpecialTokens("mistral", tokenizer);
    }

    [Fact]
    public void SentencePiece_knows_only_its_own_spaces_where_tokenizer_json_splits_at_all_white_space()
    {
        using TemporaryFolder folder = TokenizerFolder.WithoutTokenizerJson("xlm-roberta", "sentencepiece.bpe.model");
        List<string> differences = Differences("xlm-roberta", folder, out Tokenizer tokenizer);
        Assert.Equal(
            [
                "a\u2003em\u2009thin\u200Ahair", "\u0085next line\u0085", "line\u2028sep\u2029para", "vertical\u000Btab form\ffeed",
                "\u2581", "\u2581\u2581 two",
            ],
            differences);
        SameSpecialTokens("xlm-roberta", tokenizer);
    }

    [Theory]
    [InlineData("llama-mha", "F32", "Q4_0", "Q8_0")]
    [InlineData("llama-gqa", "F32", "BF16", "Q4_0")]
    public void A_GGUF_file_gives_the_ids_of_the_checkpoint_it_was_made_from(string fixture, params string[] types)
    {
        foreach (string type in types)
        {
            Tokenizer tokenizer = Tokenizer.Load(Repository.Fixture("gguf", $"{fixture}-{type}.gguf"));
            Assert.Empty(GoldenTexts.Differences(tokenizer, GoldenTexts.Texts, GoldenTexts.Ids(fixture)));
            SameSpecialTokens(fixture, tokenizer);
        }
    }

    [Theory]
    [InlineData("smollm2-135m-instruct/SmolLM2-135M-Instruct.Q4_1.gguf", "smollm2-digits", "byte-level BPE, 49,152 tokens, pre-tokenizer smollm", 2)]
    [InlineData("all-minilm-l6-v2", "minilm", "WordPiece, 30,522 tokens, pre-tokenizer BertPreTokenizer", 0)]
    public void A_starter_backbone_has_the_published_ids(string model, string published, string description, int padId)
    {
        Tokenizer tokenizer = Tokenizer.Load(Path.Combine(Repository.Models, model));
        Assert.Equal((description, padId), (tokenizer.Description, tokenizer.PadId));
        string golden = Path.Combine(Repository.SharedOrSkip("tokenizers", published), "golden.json");
        string[] texts = GoldenTexts.Section<string[]>(golden, "texts");
        Assert.Empty(GoldenTexts.Differences(tokenizer, texts, GoldenTexts.Section<int[][]>(golden, "ids")));
        Assert.Empty(GoldenTexts.Differences(tokenizer, texts, GoldenTexts.Section<int[][]>(golden, "ids_with_special"), addSpecialTokens: true));
    }

    [Fact]
    public void A_backbone_is_found_by_its_name_in_a_folder_of_models()
    {
        string folder = Path.GetDirectoryName(Repository.Fixture("bert"))!;
        Assert.Equal(Tokenizer.Load(Repository.Fixture("bert")).Description, Tokenizer.Load("bert", [folder]).Description);
        Assert.Contains("pre-tokenizer smollm", Tokenizer.Load("smollm2-135m-instruct", [Repository.Models]).Description, StringComparison.Ordinal);
    }

    private static List<string> Differences(string fixture, TemporaryFolder folder, out Tokenizer tokenizer)
    {
        tokenizer = Tokenizer.Load(folder.Path);
        return GoldenTexts.Differences(tokenizer, GoldenTexts.Texts, GoldenTexts.Ids(fixture));
    }

    private static void SameSpecialTokens(string fixture, Tokenizer tokenizer) =>
        Assert.Equal(Tokenizer.Load(Repository.Fixture(fixture)).Encode("a word").Ids, tokenizer.Encode("a word").Ids);
}
