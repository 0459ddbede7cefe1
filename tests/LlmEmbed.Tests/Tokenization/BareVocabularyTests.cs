using System.Text;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Tokenization;

/// <summary>Vocabulary files as they are found alone or written by hand: no file names a class, line ends are odd, tokens are repeated.</summary>
public sealed class BareVocabularyTests : IDisposable
{
    private const string Vocabulary = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\nb\n##b\n";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("roberta")]
    [InlineData("qwen2")]
    public void A_vocab_json_alone_has_the_class_of_the_model(string fixture)
    {
        Copy(fixture, "vocab.json", "merges.txt", "config.json");
        Tokenizer tokenizer = Tokenizer.Load(_folder.Path);
        // Other special tokens than the class's own are ordinary text where no file names them.
        string[] texts = [.. GoldenTexts.Texts.Where(text => !text.Contains("<|im_", StringComparison.Ordinal))];
        int[][] expected = [.. texts.Select(text => GoldenTexts.Ids(fixture)[Array.IndexOf(GoldenTexts.Texts, text)])];
        Assert.Empty(GoldenTexts.Differences(tokenizer, texts, expected));
        Assert.Equal(Tokenizer.Load(Repository.Fixture(fixture)).Encode("a word").Ids, tokenizer.Encode("a word").Ids);
        Assert.Contains(_folder.File("config.json"), tokenizer.SourceFiles);
    }

    [Fact]
    public void The_class_follows_from_architectures_where_the_model_names_no_type()
    {
        Copy("roberta", "vocab.json", "merges.txt");
        _folder.Write("tokenizer_config.json", """{"model_max_length":512}""");
        _folder.Write("config.json", """{"architectures":["RobertaForMaskedLM"]}""");
        Assert.Equal(Tokenizer.Load(Repository.Fixture("roberta")).Encode("a word").Ids, Tokenizer.Load(_folder.Path).Encode("a word").Ids);
    }

    [Theory]
    [InlineData("""{"mask_token":"<mask>"}""")]
    [InlineData("""{}""")]
    public void The_mask_of_RoBERTa_takes_the_blanks_before_it_unless_a_file_says_otherwise(string map)
    {
        Copy("roberta", "vocab.json", "merges.txt", "config.json");
        _folder.Write("special_tokens_map.json", map);
        int[] expected = Tokenizer.Load(Repository.Fixture("roberta")).Encode("a  <mask> b").Ids;
        Assert.Equal(expected, Tokenizer.Load(_folder.Path).Encode("a  <mask> b").Ids);
        _folder.Write("special_tokens_map.json", """{"mask_token":{"content":"<mask>","lstrip":false}}""");
        Assert.NotEqual(expected, Tokenizer.Load(_folder.Path).Encode("a  <mask> b").Ids);
    }

    [Theory]
    [InlineData("")]
    [InlineData("\n")]
    [InlineData("\n\n\n")]
    [InlineData("\r\n\r\n")]
    public void Empty_lines_at_the_end_of_vocab_txt_are_no_tokens(string end)
    {
        Tokenizer tokenizer = Tokenizer.Load(_folder.Write("vocab.txt", Vocabulary.TrimEnd() + end));
        Assert.Equal([2, 5, 7, 1, 3], tokenizer.Encode("ab c").Ids);
        Assert.Equal(8, tokenizer.VocabularySize);
    }

    [Fact]
    public void An_empty_line_inside_of_vocab_txt_keeps_its_number()
    {
        Tokenizer tokenizer = Tokenizer.Load(_folder.Write("vocab.txt", Vocabulary.Replace("a\n", "\na\n", StringComparison.Ordinal)));
        Assert.Equal([2, 6, 8, 3], tokenizer.Encode("ab").Ids);
    }

    [Fact]
    public void The_later_of_two_equal_lines_counts()
    {
        Tokenizer tokenizer = Tokenizer.Load(_folder.Write("vocab.txt", Vocabulary + "a\n"));
        Assert.Equal([2, 8, 7, 3], tokenizer.Encode("ab").Ids);
        Assert.Equal(9, tokenizer.VocabularySize);
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.TokenText(5));
    }

    [Theory]
    [InlineData("\uFEFF", "\n")]
    [InlineData("", "\r\n")]
    [InlineData("", "\r")]
    public void Marks_of_byte_order_and_line_ends_of_other_systems_are_no_part_of_a_token(string start, string lineEnd)
    {
        string text = start + Vocabulary.Replace("\n", lineEnd, StringComparison.Ordinal);
        Assert.Equal([2, 5, 7, 0, 4, 3], Tokenizer.Load(_folder.Write("vocab.txt", Encoding.UTF8.GetBytes(text))).Encode("ab[PAD][MASK]").Ids);
    }

    [Fact]
    public void A_line_holds_any_white_space_but_line_ends()
    {
        Tokenizer tokenizer = Tokenizer.Load(_folder.Write("vocab.txt", Vocabulary + "\u2028\nc\u0085d\ne\n"));
        Assert.Equal([2, 10, 3], tokenizer.Encode("e").Ids);
    }

    [Theory]
    [InlineData("#version: 0.2\na b\n")]
    [InlineData("a b\n")]
    [InlineData("\uFEFF#version: 0.2\r\na b\r\n\r\n \r\n")]
    [InlineData("#version: 0.2\na b \n\n\n")]
    public void Merges_are_read_with_and_without_version_with_any_line_ends_and_blank_lines(string merges)
    {
        _folder.Write("config.json", """{"model_type":"gpt2"}""");
        _folder.Write("merges.txt", Encoding.UTF8.GetBytes(merges));
        Assert.Equal([2, 0], Tokenizer.Load(_folder.Write("vocab.json", """{"a":0,"b":1,"ab":2}""")).Encode("aba").Ids);
    }

    [Theory]
    [InlineData("vocab.json", """{"a":0,"b":1,"a":2}""")]
    [InlineData("tokenizer.json", """{"model":{"type":"BPE","vocab":{"a":0,"b":1,"a":2},"merges":[]}}""")]
    public void The_later_of_two_equal_keys_of_a_vocabulary_counts(string name, string json)
    {
        _folder.Write("config.json", """{"model_type":"gpt2"}""");
        _folder.Write("merges.txt", "");
        Assert.Equal([2, 1], Tokenizer.Load(_folder.Write(name, json)).Encode("ab").Ids);
    }

    [Fact]
    public void Additional_special_tokens_may_be_objects()
    {
        _folder.Write("special_tokens_map.json", """{"additional_special_tokens":[{"content":"[X]","lstrip":true,"rstrip":false}]}""");
        Assert.Equal([2, 5, 8, 6, 3], Tokenizer.Load(_folder.Write("vocab.txt", Vocabulary + "[X]\n")).Encode("a [X]b").Ids);
    }

    private void Copy(string fixture, params string[] files)
    {
        foreach (string file in files) File.Copy(Repository.Fixture(fixture, file), _folder.File(file));
    }
}
