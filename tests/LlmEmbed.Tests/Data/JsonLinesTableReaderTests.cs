using LlmEmbed.Data;
using Xunit;
using static LlmEmbed.Tests.Data.Tables;

namespace LlmEmbed.Tests.Data;

public sealed class JsonLinesTableReaderTests
{
    [Fact]
    public void Strings_are_unescaped_and_other_values_keep_their_json_text()
    {
        TableRow row = Assert.Single(
            Rows("""{"a":"x\n\u00fc\ud83d\ude00","b":"01","c":1.50,"d":true,"e":null,"f":{"g":[1, 2]}}""", TableFormat.JsonLines));
        Assert.Equal(
            ["x\nü😀", "01", new("1.50", isJson: true), new("true", isJson: true), default, new("""{"g":[1, 2]}""", isJson: true)],
            row.Fields);
    }

    [Fact]
    public void Blank_lines_are_skipped_and_counted()
    {
        Assert.Equal(["2: x", "5: y"], Joined("\n{\"text\":\"x\"}\r\n  \n\n{\"text\":\"y\"}\n\n", TableFormat.JsonLines));
    }

    [Fact]
    public void The_columns_are_all_keys_of_the_first_records_and_a_key_that_is_missing_is_null()
    {
        Assert.Equal(["1: x|1|null", "2: null|2|3"], Joined("{\"text\":\"x\",\"n\":1}\n{\"n\":2,\"more\":3}", TableFormat.JsonLines));
        Assert.Equal(["1: null|null", "2: x|y"], Joined("{}\n{\"text\":\"x\",\"label\":\"y\"}", TableFormat.JsonLines));
    }

    [Fact]
    public void Keys_that_only_records_behind_the_first_thousand_have_are_noted_with_their_lines()
    {
        string first = string.Concat(Enumerable.Repeat("{\"text\":\"x\"}\n", 1000));
        using TableReader table = Open($"{first}{{\"text\":\"y\",\"more\":1,\"last\":2}}\n{{\"more\":3}}\n", TableFormat.JsonLines);
        Assert.Equal(["text"], table.Columns);
        Assert.Empty(table.Notes);
        Assert.Equal(1002, table.Rows().Count());
        TableNote note = Assert.Single(table.Notes);
        Assert.Equal(TableNoteKind.LaterKeys, note.Kind);
        Assert.EndsWith("left out: 'more' (2, first: line 1001), 'last' (1, first: line 1001).", note.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void An_array_of_all_records_is_told_how_to_become_lines()
    {
        AssertError("jq -c '.[]'", 1, Error("[\n{\"text\":\"x\"}\n]", TableFormat.JsonLines));
        AssertError("jq -c '.[]'", 1, Error("[{\"text\":\"x\"}]", TableFormat.JsonLines));
    }

    [Theory]
    [InlineData("[1,2]", "this is a JSON array ([1,2]), expected an object")]
    [InlineData("\"text\"", "this is a JSON string (\"text\"), expected an object")]
    [InlineData("7", "this is a JSON number (7), expected an object")]
    [InlineData("{\"text\":", "this is not a JSON object ({\"text\":).")]
    [InlineData("text,label", "this is not a JSON object (text,label).")]
    [InlineData("{\"text\":\"x\"} {}", "this is not a JSON object")]
    [InlineData("{\"text\":\"x\",\"text\":\"y\"}", "Duplicate property 'text'")]
    [InlineData("{\"text\":\"\\ud83d\"}", "a string holds half of a surrogate pair")]
    [InlineData("{\"\\ude00\":1}", "a string holds half of a surrogate pair")]
    public void A_line_that_is_not_an_object_of_texts_is_an_error_that_shows_it(string line, string expected)
    {
        AssertError(expected, 1, Error(line, TableFormat.JsonLines));
        AssertError(expected, 3, Error($"{{\"text\":\"x\"}}\n\n{line}\n", TableFormat.JsonLines));
    }

    [Fact]
    public void An_empty_file_is_an_error()
    {
        AssertError("the file is empty", null, Error("\n \n", TableFormat.JsonLines));
    }

    [Fact]
    public void A_first_object_without_keys_is_an_error()
    {
        AssertError("there are no columns", 2, Error("\n{}\n", TableFormat.JsonLines));
    }

    [Fact]
    public void A_nested_value_is_refused_only_where_text_is_needed()
    {
        using TableReader table = Open("{\"text\":[\"a\"],\"n\":1}", TableFormat.JsonLines);
        TableRow row = table.Rows().Single();
        Assert.Equal("1", table.Text(row, 1));
        AssertError("the column 'text' holds a nested value ([\"a\"])", 1, Assert.Throws<LlmEmbedException>(() => table.Text(row, 0)));
    }
}
