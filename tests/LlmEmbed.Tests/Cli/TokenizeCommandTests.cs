using System.Text.Json;
using LlmEmbed.Tests.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Cli;

public sealed class TokenizeCommandTests
{
    /// <summary>One checkpoint of each kind of tokenizer: WordPiece, SentencePiece BPE, byte-level BPE, Unigram.</summary>
    public static TheoryData<string> Kinds => ["bert", "llama-mha", "llama-gqa", "xlm-roberta"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Ids_are_those_of_the_tokenizers_library_in_the_order_of_the_texts(string folder)
    {
        int[][] ids = Ids(Tokenize(Repository.Fixture(folder), GoldenTexts.Texts, "--no-special-tokens"));
        Assert.Equal(GoldenTexts.Ids(folder), ids);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Special_tokens_stay_when_a_text_is_cut(string folder)
    {
        string golden = Repository.Fixture(folder, "golden.json");
        string[] texts = GoldenTexts.Section<string[]>(golden, "texts");
        ToolResult result = Tokenize(Repository.Fixture(folder), texts, "--max-tokens", $"{GoldenTexts.Section<int>(golden, "max_length")}");
        Assert.Equal(GoldenTexts.Section<int[][]>(golden, "input_ids"), Ids(result));
        Assert.Equal(Ids(result).Select(ids => ids.Length), result.JsonLines.Select(line => line["tokens"]!.AsArray().Count));
    }

    [Fact]
    public void Tokens_are_shown_beside_their_ids()
    {
        string golden = Repository.Fixture("llama-gqa", "golden.json");
        ToolResult result = Tokenize(
            Repository.Fixture("llama-gqa"),
            GoldenTexts.Section<string[]>(golden, "texts"),
            "--max-tokens",
            $"{GoldenTexts.Section<int>(golden, "max_length")}");
        Assert.Equal(GoldenTexts.Section<string[][]>(golden, "tokens"), result.JsonLines.Select(line => line["tokens"].Deserialize<string[]>()!));
    }

    [Fact]
    public void The_tokenizer_of_a_gguf_file_gives_the_ids_of_its_source()
    {
        string golden = Repository.Fixture("llama-gqa", "golden.json");
        ToolResult result = Tokenize(
            Repository.Fixture("gguf", "llama-gqa-Q4_0.gguf"), GoldenTexts.Section<string[]>(golden, "texts"),
            "--max-tokens", $"{GoldenTexts.Section<int>(golden, "max_length")}");
        Assert.Equal(GoldenTexts.Section<int[][]>(golden, "input_ids"), Ids(result));
    }

    [Fact]
    public void A_folder_with_tokenizer_json_alone_is_enough()
    {
        using TemporaryFolder folder = new();
        File.Copy(Repository.Fixture("bert", "tokenizer.json"), Path.Combine(folder.Path, "tokenizer.json"));
        Assert.Equal(GoldenTexts.Ids("bert"), Ids(Tokenize(folder.Path, GoldenTexts.Texts, "--no-special-tokens")));
    }

    [Fact]
    public void A_folder_with_a_vocabulary_and_its_configuration_is_enough()
    {
        using TemporaryFolder folder = TokenizerFolder.WithoutTokenizerJson("bert", "vocab.txt");
        Assert.Equal(GoldenTexts.Ids("bert"), Ids(Tokenize(folder.Path, GoldenTexts.Texts, "--no-special-tokens")));
    }

    [Fact]
    public void Other_formats_are_read_too()
    {
        ToolResult lines = Tool.RunProcess("one\ntwo\n", "tokenize", "--backbone", Repository.Fixture("bert"), "--format", "lines").Succeeded();
        Assert.Equal(Ids(Tokenize(Repository.Fixture("bert"), ["one", "two"])), Ids(lines));
    }

    private static ToolResult Tokenize(string backbone, string[] texts, params string[] options)
    {
        string input = string.Concat(texts.Select(text => JsonSerializer.Serialize(new { text }) + "\n"));
        return Tool.RunWithInput(input, ["tokenize", "--backbone", backbone, .. options]).Succeeded();
    }

    private static int[][] Ids(ToolResult result) => result.JsonLines.Select(line => line["ids"].Deserialize<int[]>()!).ToArray();
}
