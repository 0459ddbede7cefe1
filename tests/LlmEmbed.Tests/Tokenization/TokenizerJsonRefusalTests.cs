using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Tokenization;

public sealed class TokenizerJsonRefusalTests : IDisposable
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_model_of_another_type() =>
        Refused(
            "bert",
            json => json["model"]!["type"] = "WordLevel",
            "'model.type' is \"WordLevel\", which is not implemented. Implemented are BPE, WordPiece and Unigram");

    [Fact]
    public void A_normalizer_of_another_type() =>
        Refused("bert", json => json["normalizer"] = JsonNode.Parse("""{"type":"Nmt"}"""), "'normalizer.type' is \"Nmt\", which is not implemented");

    [Fact]
    public void A_pre_tokenizer_of_another_type_inside_a_sequence() =>
        Refused(
            "llama-gqa",
            json => json["pre_tokenizer"]!["pretokenizers"]![0]!["type"] = "UnicodeScripts",
            "'pre_tokenizer.pretokenizers[0].type' is \"UnicodeScripts\"");

    [Fact]
    public void A_post_processor_of_another_type() =>
        Refused("bert", json => json["post_processor"]!["type"] = "Other", "'post_processor.type' is \"Other\"");

    [Fact]
    public void A_split_pattern_that_has_no_scan_is_quoted() =>
        Refused(
            "qwen2",
            json => json["pre_tokenizer"]!["pretokenizers"]![0]!["pattern"]!["Regex"] = @"\p{Han}+",
            @"'pre_tokenizer.pretokenizers[0].pattern.Regex' is ""\p{Han}+""");

    [Fact]
    public void A_split_pattern_with_a_behaviour_that_drops_text() =>
        Refused(
            "qwen2",
            json => json["pre_tokenizer"]!["pretokenizers"]![0]!["behavior"] = "Removed",
            "behavior' is \"Removed\", which is not implemented");

    [Fact]
    public void A_behaviour_that_does_not_exist() =>
        Refused(
            "qwen2",
            json => json["pre_tokenizer"]!["pretokenizers"]![0]!["behavior"] = "2",
            "behavior' is \"2\", which is not implemented. Implemented are Removed, Isolated");

    [Fact]
    public void A_split_without_a_behaviour() =>
        Refused("qwen2", json => json["pre_tokenizer"]!["pretokenizers"]![0]!.AsObject().Remove("behavior"), "behavior' is missing");

    [Fact]
    public void A_split_at_a_text_of_several_characters() =>
        Refused(
            "bert",
            json => json["pre_tokenizer"] = JsonNode.Parse("""{"type":"Split","pattern":{"String":"ab"},"behavior":"Isolated","invert":false}"""),
            "'pre_tokenizer.pattern' is \"ab\"");

    [Fact]
    public void A_replacement_by_an_unknown_pattern() =>
        Refused(
            "bert",
            json => json["normalizer"] = JsonNode.Parse("""{"type":"Replace","pattern":{"Regex":"(.)\\1"},"content":""}"""),
            "'normalizer.pattern.Regex' is \"(.)\\1\"");

    [Fact]
    public void A_replacement_of_nothing() =>
        Refused(
            "bert",
            json => json["normalizer"] = JsonNode.Parse("""{"type":"Replace","pattern":{"String":""},"content":"x"}"""),
            "'normalizer.pattern' is empty");

    [Fact]
    public void A_prepend_scheme_that_does_not_exist() =>
        Refused("mistral", json => json["pre_tokenizer"]!["prepend_scheme"] = "last", "'pre_tokenizer.prepend_scheme' is \"last\"");

    [Fact]
    public void A_metaspace_replacement_of_several_characters() =>
        Refused("mistral", json => json["pre_tokenizer"]!["replacement"] = "__", "'pre_tokenizer.replacement' is '__', expected one character");

    [Fact]
    public void A_key_that_nobody_knows() =>
        Refused("bert", json => json["normalizer"]!["fold_width"] = true, "'normalizer.fold_width' (true) is not implemented and may change the ids");

    [Fact]
    public void Dropout() =>
        Refused("roberta", json => json["model"]!["dropout"] = 0.1, "'model.dropout' (0.1) is not implemented");

    [Fact]
    public void A_value_of_the_wrong_kind() =>
        Refused("bert", json => json["normalizer"]!["lowercase"] = "yes", "'normalizer.lowercase' is \"yes\", expected true or false");

    [Fact]
    public void A_missing_model() =>
        Refused("bert", json => json.AsObject().Remove("model"), "'model' is missing, expected an object");

    [Theory]
    [InlineData("normalizer")]
    [InlineData("pre_tokenizer")]
    [InlineData("model")]
    public void A_key_that_nobody_knows_though_it_is_false(string section) => Refused(
        "bert", json => json[section]!["new_switch"] = false, $"'{section}.new_switch' (false) is not implemented and may change the ids");

    [Fact]
    public void A_negative_id() =>
        Refused("bert", json => json["model"]!["vocab"]!["[MASK]"] = -4, "the token '[MASK]' has the id -4, expected 0 to");

    [Fact]
    public void An_enormous_id() =>
        Refused("bert", json => json["model"]!["vocab"]!["the"] = 2_000_000_000, "the token 'the' has the id 2000000000, expected 0 to");

    [Fact]
    public void An_id_that_is_no_whole_number() =>
        Refused("bert", json => json["model"]!["vocab"]!["the"] = 1.5, "the token 'the' of 'model.vocab' has the id 1.5, expected a whole number");

    [Fact]
    public void One_id_for_two_tokens() =>
        Refused("bert", json => json["model"]!["vocab"]!["the"] = 0, "the tokens '[PAD]' and 'the' both have the id 0");

    [Fact]
    public void An_empty_vocabulary() =>
        Refused("bert", json => json["model"]!["vocab"] = new JsonObject(), "the vocabulary is empty");

    [Fact]
    public void An_unknown_token_that_is_not_in_the_vocabulary() =>
        Refused("bert", json => json["model"]!["unk_token"] = "[NONE]", "'model.unk_token' is '[NONE]', which the vocabulary does not have");

    [Fact]
    public void A_Unigram_model_without_an_unknown_token() =>
        Refused("xlm-roberta", json => json["model"]!["unk_id"] = 9999, "'model.unk_id' is 9999, expected the id of one of the 402 tokens");

    [Fact]
    public void A_Unigram_entry_without_a_score() =>
        Refused(
            "xlm-roberta",
            json => json["model"]!["vocab"]![7] = new JsonArray("x"),
            "'model.vocab[7]' is [\"x\"], expected a token and its score");

    [Fact]
    public void A_merge_that_names_an_unknown_token() =>
        Refused("qwen2", json => json["model"]!["merges"]![1] = new JsonArray("h", "zzz"), "merge 2 ('h' with 'zzz') needs the token 'zzz'");

    [Fact]
    public void A_merge_whose_result_is_no_token() =>
        Refused("roberta", json => json["model"]!["merges"]![0] = "q q", "merge 1 ('q' with 'q') needs the token 'qq'");

    [Fact]
    public void A_merge_of_three_parts() =>
        Refused("roberta", json => json["model"]!["merges"]![0] = "a b c", "'model.merges[0]' is \"a b c\", expected two tokens");

    [Fact]
    public void An_added_token_whose_id_belongs_to_another_token() =>
        Refused("bert", json => json["added_tokens"]![0]!["id"] = 7, "the added token '[PAD]' has the id 7, which the vocabulary gives to");

    [Fact]
    public void An_added_token_with_a_negative_id() =>
        Refused("bert", json => json["added_tokens"]![0]!["id"] = -1, "the token '[PAD]' has the id -1, expected 0 to");

    [Fact]
    public void An_added_token_with_an_enormous_id() =>
        Refused("bert", json => json["added_tokens"]![0]!["id"] = int.MaxValue, "the token '[PAD]' has the id 2147483647, expected 0 to");

    [Fact]
    public void A_template_with_a_special_token_it_does_not_define() =>
        Refused(
            "bert",
            json => json["post_processor"]!["special_tokens"]!.AsObject().Remove("[CLS]"),
            "the template uses '[CLS]', which 'post_processor.special_tokens' does not have");

    [Fact]
    public void A_template_without_the_text() =>
        Refused(
            "bert",
            json => json["post_processor"]!["single"]!.AsArray().RemoveAt(1),
            "'post_processor.single' does not hold the text (sequence A) exactly once");

    [Fact]
    public void A_special_token_id_that_no_token_has() =>
        Refused("roberta", json => json["post_processor"]!["cls"]![1] = 5000, "'post_processor' adds the id 5000, which no token has");

    [Fact]
    public void A_special_token_without_an_id() =>
        Refused(
            "roberta",
            json => json["post_processor"]!["sep"] = new JsonArray("</s>"),
            "'post_processor.sep' is [\"</s>\"], expected a token and its id");

    [Fact]
    public void A_character_map_that_is_not_base64() =>
        Refused("xlm-roberta", json => json["normalizer"]!["precompiled_charsmap"] = "%%%", "'normalizer.precompiled_charsmap' is not base64");

    [Theory]
    [InlineData("AAA=", "it has 2 bytes")]
    [InlineData("/////wAA", "its trie should take 4294967295 of the remaining 2 bytes")]
    public void A_damaged_character_map(string map, string message) =>
        Refused("xlm-roberta", json => json["normalizer"]!["precompiled_charsmap"] = map, message);

    [Fact]
    public void A_file_that_is_not_JSON_says_in_which_line()
    {
        string file = _folder.Write("tokenizer.json", "{\n  \"model\": {,\n}");
        LlmEmbedException error = RefusedFile(file, "the file is not JSON: ");
        Assert.Contains(" in line 2.", error.Message, StringComparison.Ordinal);
        Assert.Equal(2, error.LineNumber);
    }

    [Fact]
    public void A_file_that_holds_no_object() => RefusedFile(_folder.Write("tokenizer.json", "[1]"), "the file is [1], expected an object");

    [Fact]
    public void A_token_with_half_a_surrogate_pair() =>
        RefusedFile(
            _folder.Write("tokenizer.json", """{"model":{"type":"WordPiece","unk_token":"\ud800","vocab":{"u":0}}}"""),
            "a string is not valid Unicode");

    [Fact]
    public void A_byte_order_mark_is_no_reason()
    {
        string file = _folder.Write("tokenizer.json", [0xEF, 0xBB, 0xBF, .. File.ReadAllBytes(Repository.Fixture("bert", "tokenizer.json"))]);
        Assert.Equal(460, Tokenizer.Load(file).VocabularySize);
    }

    private void Refused(string fixture, Action<JsonNode> change, string expected)
    {
        JsonNode json = JsonNode.Parse(File.ReadAllBytes(Repository.Fixture(fixture, "tokenizer.json")))!;
        change(json);
        RefusedFile(_folder.Write("tokenizer.json", json.ToJsonString(Plain)), expected);
    }

    private static LlmEmbedException RefusedFile(string file, string expected)
    {
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => Tokenizer.Load(file));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Equal(file, error.FilePath);
        return error;
    }
}
