using System.Buffers.Binary;
using System.Text;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Tokenization;

/// <summary>SentencePiece files built byte by byte: rules that no fixture uses, and damage.</summary>
public sealed class SentencePieceFileTests : IDisposable
{
    private const int Bpe = 2, Unigram = 1;
    private static readonly byte[] Special = [.. Piece("<unk>", 0, type: 2), .. Piece("<s>", 0, type: 3), .. Piece("</s>", 0, type: 3)];
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Unknown_characters_beside_one_another_are_one_token_without_byte_fallback()
    {
        Tokenizer tokenizer = Load([.. Special, .. Piece("\u2581", -1), .. Piece("a", -2), .. Trainer(Bpe)]);
        Assert.Equal([1, 3, 0, 4, 0], tokenizer.Encode("??a?").Ids);
    }

    [Fact]
    public void User_defined_pieces_are_taken_whole_and_merge_with_nothing()
    {
        byte[] words = [.. Piece("\u2581", -1), .. Piece("a", -2), .. Piece("b", -3)];
        Tokenizer tokenizer = Load([.. Special, .. words, .. Piece("ab", 0, type: 4), .. Piece("aba", -4), .. Trainer(Bpe)]);
        Assert.Equal([3, 6, 4, 6], tokenizer.Encode("abaab", addSpecialTokens: false).Ids);
    }

    [Fact]
    public void Of_equal_scores_the_leftmost_pair_merges_first()
    {
        Tokenizer tokenizer = Load([.. Special, .. Piece("\u2581", -1), .. Piece("a", -2), .. Piece("aa", -3), .. Trainer(Bpe)]);
        Assert.Equal([3, 5, 4], tokenizer.Encode("aaa", addSpecialTokens: false).Ids);
    }

    [Fact]
    public void Spaces_are_gathered_trimmed_and_prefixed_as_the_normalizer_says()
    {
        byte[] pieces = [.. Special, .. Piece("\u2581", -1), .. Piece("a", -2), .. Trainer(Bpe)];
        Assert.Equal([3, 4, 3, 4], Load([.. pieces, .. Normalizer(prefix: true, removeExtra: true)]).Encode("  a   a ", addSpecialTokens: false).Ids);
        Assert.Equal(
            [3, 4, 3, 3, 4, 3],
            Load([.. pieces, .. Normalizer(prefix: false, removeExtra: false)]).Encode(" a  a ", addSpecialTokens: false).Ids);
        Assert.Empty(Load([.. pieces, .. Normalizer(prefix: true, removeExtra: true)]).Encode("   ", addSpecialTokens: false).Ids);
    }

    [Fact]
    public void Without_legacy_the_space_goes_only_before_the_whole_text()
    {
        byte[] model = [.. Special, .. Piece("\u2581", -1), .. Piece("a", -2), .. Trainer(Bpe)];
        Assert.Equal([3, 4, 2, 3, 4], Load(model).Encode("a</s>a", addSpecialTokens: false).Ids);
        _folder.Write("tokenizer_config.json", """{"tokenizer_class":"LlamaTokenizer","legacy":false,"add_eos_token":true,"pad_token":"</s>"}""");
        Tokenizer tokenizer = Load(model);
        Assert.Equal([1, 3, 4, 2, 4, 2], tokenizer.Encode("a</s>a").Ids);
        Assert.Equal(2, tokenizer.PadId);
    }

    [Theory]
    [InlineData("{\"model_type\":\"deberta-v2\"}", "{\"do_lower_case\":false,\"vocab_type\":\"spm\",")]
    [InlineData("{}", "{\"split_by_punct\":false,")]
    public void The_file_of_DeBERTa_v3_alone_gives_the_ids_of_a_tokenizer_json(string config, string tokenizerConfig)
    {
        // The published file begins with these four pieces, the one of the fixture with three others.
        byte[] model = File.ReadAllBytes(Repository.Fixture("deberta-v2", "spm.model"));
        int words = 0;
        for (int piece = 0; piece < 3; piece++) words += 2 + model[words + 1];
        byte[] special = [.. Piece("[PAD]", 0, type: 3), .. Piece("[CLS]", 0, type: 3), .. Piece("[SEP]", 0, type: 3), .. Piece("[UNK]", 0, type: 2)];
        _folder.Write("spm.model", [.. special, .. model.AsSpan(words)]);
        _folder.Write("config.json", config);
        _folder.Write("tokenizer_config.json", tokenizerConfig + "\"mask_token\":{\"content\":\"[MASK]\",\"lstrip\":true,\"special\":true}}");
        Tokenizer tokenizer = Tokenizer.Load(_folder.Path);
        Assert.Empty(GoldenTexts.Differences(tokenizer, GoldenTexts.Texts, GoldenTexts.Ids("deberta-v2")));
        string golden = Repository.Fixture("deberta-v2", "golden.json");
        int[][] framed = [.. GoldenTexts.Section<string[]>(golden, "texts").Select(text => tokenizer.Encode(text, 32).Ids)];
        Assert.Equal(GoldenTexts.Section<int[][]>(golden, "input_ids"), framed);
        Assert.Equal(0, tokenizer.PadId);
    }

    [Fact]
    public void The_class_of_DeBERTa_with_splits_at_punctuation()
    {
        _folder.Write("tokenizer_config.json", """{"tokenizer_class":"DebertaV2Tokenizer","split_by_punct":true}""");
        Refused([.. Special, .. Piece("a", -1), .. Trainer(Unigram)], "'split_by_punct' in tokenizer_config.json beside it is true");
    }

    [Fact]
    public void A_file_that_ends_too_early()
    {
        byte[] model = File.ReadAllBytes(Repository.Fixture("llama-mha", "tokenizer.model"));
        Refused(model[..^3], "not a SentencePiece model, or damaged");
    }

    [Fact]
    public void Every_truncated_or_altered_file_is_refused_or_read_without_another_exception()
    {
        byte[] model = File.ReadAllBytes(Repository.Fixture("xlm-roberta", "sentencepiece.bpe.model"));
        Random random = new(7);
        for (int trial = 0; trial < 300; trial++)
        {
            byte[] damaged = trial % 2 == 0 ? model[..random.Next(model.Length)] : [.. model];
            if (trial % 2 == 1) damaged[random.Next(damaged.Length)] = (byte)random.Next(256);
            string file = _folder.Write("sentencepiece.bpe.model", damaged);
            try
            {
                Tokenizer.Load(file).Encode("Ein ﬁ \u2003 und é");
            }
            catch (LlmEmbedException error)
            {
                Assert.Equal(file, error.FilePath);
            }
        }
    }

    [Fact]
    public void A_field_longer_than_the_file() => Refused([0x0A, 0xFF, 0xFF, 0xFF, 0xFF, 0x0F], "a field of 4294967295 bytes has only 0 left");

    [Fact]
    public void A_number_without_an_end() => Refused([.. Enumerable.Repeat((byte)0xFF, 12)], "a number has more than 64 bits");

    [Fact]
    public void A_field_number_of_zero() => Refused([0x00], "a field number is out of range");

    [Fact]
    public void A_wire_type_that_does_not_exist() => Refused([0x7E], "a field has the wire type 6");

    [Fact]
    public void A_piece_of_the_wrong_wire_type() => Refused([0x08, 0x01], "a field has the wire type 0, expected bytes");

    [Fact]
    public void A_piece_that_is_not_UTF_8() => Refused(Field(1, [0x0A, 0x01, 0xFF]), "a text is not UTF-8");

    [Fact]
    public void A_file_without_pieces() => Refused(Trainer(Bpe), "the vocabulary is empty");

    [Fact]
    public void A_file_without_text_pieces() => Refused([.. Special, .. Trainer(Bpe)], "no piece stands for text");

    [Fact]
    public void A_missing_unknown_piece() =>
        Refused(
            [.. Piece("<s>", 0, type: 3), .. Piece("</s>", 0, type: 3), .. Piece("a", -1), .. Trainer(Bpe)],
            "0 pieces for unknown text, expected 1");

    [Fact]
    public void A_missing_special_token() => Refused([.. Piece("<unk>", 0, type: 2), .. Piece("a", -1), .. Trainer(Bpe)], "a 'bos_token' is needed");

    [Fact]
    public void A_score_that_is_no_number() => Refused([.. Special, .. Piece("a", float.NaN), .. Trainer(Bpe)], "the piece 'a' has the score NaN");

    [Fact]
    public void An_empty_piece() => Refused([.. Special, .. Piece("", -1), .. Trainer(Bpe)], "a piece is empty");

    [Fact]
    public void An_unused_piece() =>
        Refused([.. Special, .. Piece("a", -1, type: 5), .. Trainer(Bpe)], "the piece 'a' has the type Unused, which is not implemented");

    [Fact]
    public void A_piece_type_that_does_not_exist() =>
        Refused([.. Special, .. Piece("a", -1, type: 9), .. Trainer(Bpe)], "the piece 'a' has the type 9");

    [Fact]
    public void Byte_fallback_without_bytes() =>
        Refused([.. Special, .. Piece("a", -1), .. Field(2, [0x18, Bpe, 0x98, 0x02, 0x01])], "byte fallback needs the pieces <0x00> to <0xFF>");

    [Fact]
    public void A_word_model() => Refused([.. Special, .. Piece("a", -1), .. Trainer(3)], "the model type Word is not implemented");

    [Fact]
    public void User_defined_pieces_in_a_Unigram_model() =>
        Refused([.. Special, .. Piece("a", -1), .. Piece("b", 0, type: 4), .. Trainer(Unigram)], "the user-defined piece 'b' in a Unigram model");

    [Fact]
    public void White_space_as_a_suffix() =>
        Refused([.. Special, .. Piece("a", -1), .. Field(2, [0x18, Bpe, 0xC0, 0x01, 0x01])], "'treat_whitespace_as_suffix' is not implemented");

    [Fact]
    public void A_tokenizer_class_with_other_rules()
    {
        _folder.Write("tokenizer_config.json", """{"tokenizer_class":"CamembertTokenizer"}""");
        Refused(
            [.. Special, .. Piece("a", -1), .. Trainer(Bpe)],
            "the tokenizer class 'CamembertTokenizer', which the files beside it name, is not implemented for tokenizer.model");
    }

    [Fact]
    public void XLM_RoBERTas_class_on_pieces_in_another_order()
    {
        _folder.Write("tokenizer_config.json", """{"tokenizer_class":"XLMRobertaTokenizer"}""");
        Refused([.. Piece("a", -1), .. Special, .. Trainer(Unigram)], "the first pieces are not <unk>, <s> and </s>");
    }

    private Tokenizer Load(byte[] model) => Tokenizer.Load(_folder.Write("tokenizer.model", model));

    private void Refused(byte[] model, string expected)
    {
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => Load(model));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Equal(Path.Combine(_folder.Path, "tokenizer.model"), error.FilePath);
    }

    private static byte[] Piece(string text, float score, byte type = 1)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text), bits = new byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(bits, score);
        return Field(1, [0x0A, (byte)utf8.Length, .. utf8, 0x15, .. bits, 0x18, type]);
    }

    private static byte[] Trainer(byte algorithm) => Field(2, [0x18, algorithm]);

    private static byte[] Normalizer(bool prefix, bool removeExtra) => Field(3, [0x18, (byte)(prefix ? 1 : 0), 0x20, (byte)(removeExtra ? 1 : 0)]);

    private static byte[] Field(int number, byte[] message) => [(byte)((number << 3) | 2), (byte)message.Length, .. message];
}
