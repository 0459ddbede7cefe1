using System.Text.Json.Nodes;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Tokenization;

/// <summary>
/// Where Metaspace puts its character under <c>prepend_scheme: first</c>: only before a part whose first character is aligned with offset 0 of the
/// user's text. The expected tokens are derived by hand from the rules of the tokenizers library for the alignments of each normalizer.
/// </summary>
public sealed class MetaspaceTests : IDisposable
{
    private const string Strip = """{"type":"Strip","strip_left":true,"strip_right":true}""";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("a b", "▁a▁b")]
    [InlineData("  a b", "a▁b")] // the first character left is at offset 2
    [InlineData("\ta", "a")]
    [InlineData("a b  ", "▁a▁b")]
    [InlineData("  ", "")]
    public void Blanks_that_are_stripped_in_front_leave_no_place_for_a_prefix(string text, string expected) =>
        Assert.Equal(expected, Tokens(Strip, text));

    [Fact]
    public void Blanks_that_stay_in_front_are_the_prefix() =>
        Assert.Equal("▁▁a", Tokens("""{"type":"Strip","strip_left":false,"strip_right":true}""", "  a  "));

    [Theory]
    [InlineData("a", "▁ba")]
    [InlineData("  a", "ba")] // what is put before a character has its offset
    public void A_text_that_is_prepended_begins_where_the_next_character_does(string text, string expected) =>
        Assert.Equal(expected, Tokens(Sequence(Strip, """{"type":"Prepend","prepend":"b"}"""), text));

    [Theory]
    [InlineData("aab", "bb")] // the replacement has the offset of the second a
    [InlineData("abaa", "▁abb")]
    [InlineData("baa", "▁bb")]
    public void A_replacement_has_the_offset_of_the_last_character_that_it_replaces(string text, string expected) =>
        Assert.Equal(expected, Tokens("""{"type":"Replace","pattern":{"String":"aa"},"content":"b"}""", text));

    [Theory]
    [InlineData("ab", "▁bbb")]
    [InlineData("ba", "▁bbb")]
    public void A_replacement_of_one_character_has_its_offset(string text, string expected) =>
        Assert.Equal(expected, Tokens("""{"type":"Replace","pattern":{"String":"a"},"content":"bb"}""", text));

    [Theory]
    [InlineData(" a", "▁b▁a")] // one blank is the first character itself
    [InlineData("\n\na", "b▁a")] // two are replaced by what has the offset of the second
    public void A_run_that_is_replaced_counts_in_the_same_way(string text, string expected) =>
        Assert.Equal(expected, Tokens("""{"type":"Replace","pattern":{"Regex":"\\s+"},"content":"b "}""", text));

    [Theory]
    [InlineData("\u00E1", "▁a")]
    [InlineData("\u0301a", "a")] // the mark at offset 0 is removed
    public void A_character_that_is_removed_in_front_leaves_no_place_for_a_prefix(string text, string expected) =>
        Assert.Equal(expected, Tokens(Sequence("""{"type":"NFD"}""", """{"type":"StripAccents"}"""), text));

    [Theory]
    [InlineData("<x>a", "<x>a")]
    [InlineData("a<x>b", "▁a<x>b")]
    [InlineData("  <x>a", "<x>a")]
    [InlineData("  a<x>b", "a<x>b")]
    [InlineData("<n>a", "<n>a")]
    [InlineData("a<n>b", "▁a<n>b")]
    [InlineData("  <n> a", "<n>▁a")]
    public void Behind_an_added_token_there_is_no_prefix(string text, string expected) => Assert.Equal(expected, Tokens(Strip, text));

    [Theory]
    [InlineData("a b", "▁ab")] // two parts, the second at offset 2
    [InlineData(" a b", "ab")]
    public void Parts_that_an_earlier_step_has_split_off_count_by_their_own_offset(string text, string expected) => Assert.Equal(
        expected,
        Tokens(normalizer: null, text, """{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},METASPACE]}"""));

    [Theory]
    [InlineData("always", "  a", "▁a")]
    [InlineData("always", "<x>a", "<x>▁a")]
    [InlineData("never", "a", "a")]
    public void The_other_schemes_do_not_ask_for_offsets(string scheme, string text, string expected) =>
        Assert.Equal(expected, Tokens(Strip, text, scheme: scheme));

    /// <summary>What a rule writes more than it replaces has the offset of the character before.</summary>
    [Theory]
    [InlineData("t", "▁t")]
    [InlineData(" t", "t")]
    [InlineData("\uFB01", "▁fi")]
    [InlineData(" \uFB01", "fi")]
    [InlineData("\u00BDt", "▁1▁\u2044▁2t")] // three parts of one character, all at offset 0
    public void All_that_a_precompiled_map_makes_of_the_first_character_is_at_its_offset(string text, string expected)
    {
        JsonNode json = JsonNode.Parse(File.ReadAllBytes(Repository.Fixture("xlm-roberta", "tokenizer.json")))!;
        string map = Find(json["normalizer"]!, "precompiled_charsmap");
        json["normalizer"] = JsonNode.Parse(Sequence(Strip, $$"""{"type":"Precompiled","precompiled_charsmap":"{{map}}"}"""));
        json["pre_tokenizer"] = JsonNode.Parse(
            """
            {"type":"Sequence","pretokenizers":[
                {"type":"Digits","individual_digits":true},{"type":"Metaspace","replacement":"▁","prepend_scheme":"first","split":true}]}
            """);
        json["model"] = JsonNode.Parse("""{"type":"BPE","vocab":{"▁":0,"t":1,"f":2,"i":3,"1":4,"2":5,"⁄":6},"merges":[]}""");
        json["added_tokens"] = new JsonArray();
        json["post_processor"] = null;
        Tokenizer tokenizer = Tokenizer.Load(_folder.Write("tokenizer.json", json.ToJsonString()));
        Assert.Equal(expected, string.Concat(tokenizer.Encode(text).Ids.Select(tokenizer.TokenText)));
    }

    private static string Find(JsonNode node, string key) => node is JsonObject map && map[key]?.GetValue<string>() is string value
        ? value
        : node.AsObject()["normalizers"]!.AsArray().Select(item => item![key]?.GetValue<string>()).First(item => item is not null)!;

    private static string Sequence(params string[] normalizers) =>
        """{"type":"Sequence","normalizers":[ALL]}""".Replace("ALL", string.Join(',', normalizers), StringComparison.Ordinal);

    /// <summary>The tokens of a text, one character each, under a tokenizer whose pre-tokenizer is Metaspace.</summary>
    private string Tokens(string? normalizer, string text, string preTokenizer = "METASPACE", string scheme = "first")
    {
        string metaspace = $$"""{"type":"Metaspace","replacement":"▁","prepend_scheme":"{{scheme}}","split":true}""";
        JsonObject json = JsonNode.Parse(
            """
            {"added_tokens":[
                {"id":3,"content":"<x>","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true},
                {"id":4,"content":"<n>","single_word":false,"lstrip":false,"rstrip":false,"normalized":true,"special":false}],
             "model":{"type":"BPE","vocab":{"▁":0,"a":1,"b":2,"<x>":3,"<n>":4},"merges":[]}}
            """)!.AsObject();
        json["normalizer"] = JsonNode.Parse(normalizer ?? "null");
        json["pre_tokenizer"] = JsonNode.Parse(preTokenizer.Replace("METASPACE", metaspace, StringComparison.Ordinal));
        Tokenizer tokenizer = Tokenizer.Load(_folder.Write("tokenizer.json", json.ToJsonString()));
        return string.Concat(tokenizer.Encode(text).Ids.Select(tokenizer.TokenText));
    }
}
