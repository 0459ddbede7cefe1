using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Tokenization;

public sealed class GgufTokenizerTests
{
    private const string File = "model.gguf";

    [Theory]
    [InlineData("gpt-2", new[] { "1111", "e", "Ì", "ģ" })]
    [InlineData("llama-bpe", new[] { "111", "1", "e", "Ì", "ģ" })]
    [InlineData("qwen2", new[] { "1", "1", "1", "1", "Ã", "©" })]
    [InlineData("roberta-bpe", new[] { "1111", "e", "Ì", "ģ" })]
    [InlineData("modern-bert", new[] { "1111", "Ã", "©" })]
    [InlineData("smollm", new[] { "1", "1", "1", "1", "e", "Ì", "ģ" })]
    public void Every_pre_tokenizer_name_stands_for_its_own_split(string name, string[] expected)
    {
        Tokenizer tokenizer = new(GgufTokenizer.Read(ByteLevel(("pre", name), ("add_bos_token", false), ("add_eos_token", false)), File));
        Assert.Equal(expected, tokenizer.Encode("1111e\u0301").Ids.Select(tokenizer.TokenText));
        Assert.Equal($"byte-level BPE, 14 tokens, pre-tokenizer {name}", tokenizer.Description);
    }

    [Fact]
    public void Special_tokens_are_added_where_the_file_asks_for_them()
    {
        Tokenizer plain = new(GgufTokenizer.Read(ByteLevel(), File));
        Assert.Equal(["1"], plain.Encode("1").Ids.Select(plain.TokenText));
        Assert.Null(plain.PadId);
        Dictionary<string, object> metadata = ByteLevel(
            ("add_bos_token", true),
            ("bos_token_id", 0u),
            ("add_eos_token", true),
            ("eos_token_id", 1L),
            ("padding_token_id", (byte)1),
            ("add_space_prefix", true));
        Tokenizer framed = new(GgufTokenizer.Read(metadata, File));
        Assert.Equal(["<s>", "Ġ", "1", "</s>"], framed.Encode("1").Ids.Select(framed.TokenText));
        Assert.Equal(1, framed.PadId);
    }

    [Fact]
    public void Control_and_user_defined_tokens_are_cut_out_of_the_text()
    {
        Tokenizer tokenizer = new(GgufTokenizer.Read(ByteLevel(), File));
        Assert.Equal(["1", "</s>", "<tool>", "1"], tokenizer.Encode("1</s><tool>1").Ids.Select(tokenizer.TokenText));
    }

    [Fact]
    public void A_SentencePiece_vocabulary_has_a_beginning_of_sequence_unless_the_file_says_otherwise()
    {
        Dictionary<string, object> metadata = new(StringComparer.Ordinal)
        {
            ["tokenizer.ggml.model"] = "llama",
            ["tokenizer.ggml.tokens"] = (string[])["<unk>", "<s>", "▁", "a", .. Enumerable.Range(0, 256).Select(value => $"<0x{value:X2}>")],
            ["tokenizer.ggml.token_type"] = (int[])[2, 3, 1, 1, .. Enumerable.Repeat(6, 256)],
            ["tokenizer.ggml.scores"] = new float[260],
            ["tokenizer.ggml.bos_token_id"] = 1,
        };
        Tokenizer tokenizer = new(GgufTokenizer.Read(metadata, File));
        Assert.Equal(["<s>", "▁", "a", "<0xC3>", "<0xA9>"], tokenizer.Encode("aé").Ids.Select(tokenizer.TokenText));
    }

    [Fact]
    public void A_WordPiece_vocabulary_without_capital_letters_lowers_text_and_strips_accents()
    {
        Tokenizer tokenizer = new(GgufTokenizer.Read(WordPiece("▁a", "b", "▁e"), File));
        Assert.Equal(["[CLS]", "a", "##b", "e", "[SEP]"], tokenizer.Encode("AB É").Ids.Select(tokenizer.TokenText));
        Assert.Equal("uncased WordPiece, 7 tokens, pre-tokenizer BertPreTokenizer", tokenizer.Description);
    }

    [Fact]
    public void A_WordPiece_vocabulary_with_a_capital_letter_keeps_capitals_and_accents()
    {
        Tokenizer tokenizer = new(GgufTokenizer.Read(WordPiece("▁A", "B", "▁É"), File));
        Assert.Equal(["[CLS]", "A", "##B", "É", "[UNK]", "[SEP]"], tokenizer.Encode("AB É a").Ids.Select(tokenizer.TokenText));
        Assert.StartsWith("cased WordPiece", tokenizer.Description, StringComparison.Ordinal);
    }

    [Fact]
    public void The_token_for_unknown_text_is_text_though_the_file_calls_it_a_control_token()
    {
        Tokenizer tokenizer = new(GgufTokenizer.Read(WordPiece("▁a"), File));
        Assert.False(tokenizer.IsEmpty("[UNK]"));
        Assert.True(tokenizer.IsEmpty("[SEP]"));
    }

    [Fact]
    public void Special_tokens_of_old_BERT_files_have_keys_of_their_own()
    {
        Dictionary<string, object> metadata = WordPiece("▁a");
        metadata.Remove("tokenizer.ggml.bos_token_id");
        metadata.Remove("tokenizer.ggml.eos_token_id");
        metadata["tokenizer.ggml.cls_token_id"] = 1;
        metadata["tokenizer.ggml.seperator_token_id"] = 2;
        Tokenizer tokenizer = new(GgufTokenizer.Read(metadata, File));
        Assert.Equal([1, 4, 2], tokenizer.Encode("a").Ids);
    }

    [Fact]
    public void A_Unigram_vocabulary_has_an_end_of_sequence_and_never_gives_unused_tokens()
    {
        Tokenizer tokenizer = new(GgufTokenizer.Read(Unigram(), File));
        Assert.DoesNotContain(4, tokenizer.Encode("[PAD4]").Ids);
        Assert.Equal(["▁a", "▁a", "</s>"], tokenizer.Encode("a  a").Ids.Select(tokenizer.TokenText));
    }

    [Fact]
    public void A_Unigram_vocabulary_that_keeps_several_spaces() =>
        Refused(Unigram(("remove_extra_whitespaces", false)), "'remove_extra_whitespaces' is false, which is not implemented");

    [Fact]
    public void A_map_of_characters_that_is_damaged() =>
        Refused(Unigram(("precompiled_charsmap", new byte[] { 1 })), "the precompiled normalization map is damaged: it has 1 bytes");

    [Fact]
    public void A_score_that_is_no_number() =>
        Refused(Unigram(("scores", new[] { 0, 0, float.NaN, 0, 0 })), "the token '▁a' has the score NaN, expected a finite number");

    [Fact]
    public void A_vocabulary_without_a_token_for_unknown_text()
    {
        Dictionary<string, object> metadata = WordPiece("▁a");
        metadata.Remove("tokenizer.ggml.unknown_token_id");
        Refused(metadata, "'unknown_token_id' is missing, expected the token for text that no other covers");
    }

    [Fact]
    public void A_file_without_a_tokenizer() =>
        Refused(new Dictionary<string, object>(StringComparer.Ordinal), "'tokens' is missing, expected an array of strings");

    [Fact]
    public void A_tokenizer_of_another_kind() =>
        Refused(ByteLevel(("model", "rwkv")), "'model' is 'rwkv', which is not implemented. Implemented are bert, gpt2, llama and t5");

    [Fact]
    public void A_pre_tokenizer_of_another_name() =>
        Refused(ByteLevel(("pre", "default")), "'pre' is 'default', a pre-tokenizer that is not implemented");

    [Fact]
    public void A_value_of_the_wrong_type() => Refused(ByteLevel(("merges", "1 1")), "'merges' is a String, expected an array of strings");

    [Fact]
    public void A_flag_of_the_wrong_type() => Refused(ByteLevel(("add_bos_token", 1)), "'add_bos_token' is a Int32, expected true or false");

    [Fact]
    public void A_merge_that_is_no_pair() => Refused(ByteLevel(("merges", new[] { "11" })), "'merges' has '11', expected two tokens");

    [Fact]
    public void Token_types_of_another_length() => Refused(ByteLevel(("token_type", new[] { 1 })), "'token_type' has 1 entries for 14 tokens");

    [Fact]
    public void Scores_of_another_length() =>
        Refused(ByteLevel(("model", "llama"), ("scores", new[] { 1f })), "'scores' has 1 entries for 14 tokens");

    [Fact]
    public void A_special_token_id_outside_the_vocabulary() =>
        Refused(ByteLevel(("add_bos_token", true), ("bos_token_id", 14u)), "'bos_token_id' is 14, expected the id of one of the 14 tokens");

    [Fact]
    public void A_special_token_id_that_is_no_number() =>
        Refused(ByteLevel(("padding_token_id", "1")), "'padding_token_id' is a String, expected a whole number");

    [Fact]
    public void A_special_token_that_is_asked_for_but_not_named() =>
        Refused(ByteLevel(("add_eos_token", true)), "'eos_token_id' is missing, but the file asks for this token");

    private static Dictionary<string, object> WordPiece(params string[] tokens) => new(StringComparer.Ordinal)
    {
        ["tokenizer.ggml.model"] = "bert",
        ["tokenizer.ggml.tokens"] = (string[])["[PAD]", "[CLS]", "[SEP]", "[UNK]", .. tokens],
        ["tokenizer.ggml.token_type"] = (int[])[3, 3, 3, 3, .. Enumerable.Repeat(1, tokens.Length)],
        ["tokenizer.ggml.bos_token_id"] = 1,
        ["tokenizer.ggml.eos_token_id"] = 2,
        ["tokenizer.ggml.unknown_token_id"] = 3,
    };

    private static Dictionary<string, object> Unigram(params (string Key, object Value)[] changes)
    {
        Dictionary<string, object> metadata = new(StringComparer.Ordinal)
        {
            ["tokenizer.ggml.model"] = "t5",
            ["tokenizer.ggml.tokens"] = new[] { "</s>", "<unk>", "▁a", "▁", "[PAD4]" },
            ["tokenizer.ggml.token_type"] = new[] { 3, 2, 1, 1, 5 },
            ["tokenizer.ggml.scores"] = new[] { 0, 0, -1f, -2, -1000 },
            ["tokenizer.ggml.eos_token_id"] = 0,
            ["tokenizer.ggml.unknown_token_id"] = 1,
        };
        foreach ((string key, object value) in changes) metadata["tokenizer.ggml." + key] = value;
        return metadata;
    }

    private static Dictionary<string, object> ByteLevel(params (string Key, object Value)[] changes)
    {
        Dictionary<string, object> metadata = new(StringComparer.Ordinal)
        {
            ["tokenizer.ggml.model"] = "gpt2",
            ["tokenizer.ggml.pre"] = "gpt-2",
            ["tokenizer.ggml.tokens"] = new[] { "<s>", "</s>", "<tool>", "1", "11", "111", "1111", "e", "Ì", "ģ", "Ã", "©", "Ġ", "a" },
            ["tokenizer.ggml.token_type"] = new[] { 3, 3, 4, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1 },
            ["tokenizer.ggml.merges"] = new[] { "1 1", "11 11", "11 1" },
        };
        foreach ((string key, object value) in changes) metadata["tokenizer.ggml." + key] = value;
        return metadata;
    }

    private static void Refused(Dictionary<string, object> metadata, string expected)
    {
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => GgufTokenizer.Read(metadata, File));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Equal(File, error.FilePath);
    }
}
