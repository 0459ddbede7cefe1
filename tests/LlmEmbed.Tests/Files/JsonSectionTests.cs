using LlmEmbed.Files;
using Xunit;

namespace LlmEmbed.Tests.Files;

public sealed class JsonSectionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Values_are_read_by_their_kinds_and_null_counts_as_absent()
    {
        JsonSection section = Open("""{"text":"a","flag":true,"int":-3,"number":0.5,"none":null,"ints":[1,2],"texts":["a","b"]}""");
        Assert.Equal(
            ("a", true, -3, 0.5),
            (section.Text("text"), section.Flag("flag", fallback: false), section.Int("int"), section.Number("number")));
        Assert.Equal([1, 2], section.Ints("ints"));
        Assert.Equal(["a", "b"], section.TextsOrNull("texts"));
        Assert.Null(section.TextOrNull("none"));
        Assert.Null(section.IntOrNull("absent"));
        Assert.Equal((true, false), (section.IsNull("none"), section.IsNull("absent")));
        Assert.Equal(-3, section.Number("int"));
    }

    [Fact]
    public void A_value_of_another_kind_is_refused_with_its_place()
    {
        JsonSection section = Open("""{"outer":{"text":1,"int":1.5,"flag":"yes","texts":["a",2]},"list":[{"a":[]}]}""").Section("outer");
        Refused("'outer.text' is 1, expected a string", () => section.Text("text"));
        Refused("'outer.int' is 1.5, expected a whole number", () => section.IntOrNull("int"));
        Refused("'outer.flag' is \"yes\", expected true or false", () => section.FlagOrNull("flag"));
        Refused("'outer.texts' is [\"a\",2], expected an array of strings", () => section.TextsOrNull("texts"));
        Refused("'outer.missing' is missing, expected a number", () => section.Number("missing"));
        Refused("'list[0].a' is [], expected an object", () => Open("""{"list":[{"a":[]}]}""").Sections("list").Single().Section("a"));
    }

    [Fact]
    public void Only_keys_that_nobody_asked_for_and_that_say_something_are_unread()
    {
        JsonSection section = Open("""{"a":1,"b":null,"c":false,"d":[],"e":{},"f":[0],"g":true}""");
        Assert.Equal("'a' (1)", section.FirstUnread());
        section.Int("a");
        Assert.Equal("'c' (false)", section.FirstUnread());
        Assert.Equal("'f' ([0])", section.Ignore("c").FirstUnread());
        Assert.Equal("'g' (true)", section.Ignore("f").FirstUnread());
        Assert.True(section.Has("g"));
        Assert.Null(section.FirstUnread());
    }

    [Theory]
    [InlineData("{\"a\":1,\"a\":2}", "the file is not JSON with one value for each key: 'a' occurs twice")]
    [InlineData("{\"s\":{\"a\":1,\"a\":2}}", "'s.a' occurs twice")]
    [InlineData("{\"a\":\"\\ud83d\"}", "the file is not JSON: a string is not valid Unicode. Fetch the file again.")]
    [InlineData("[]", "the file is [], expected an object")]
    [InlineData("{", "the file is not JSON: ")]
    public void A_file_that_is_no_strict_JSON_is_refused(string content, string expected)
    {
        Refused(expected, () =>
        {
            JsonSection section = Open(content);
            return section.Has("a") ? section : section.Section("s").Has("a");
        });
    }

    private JsonSection Open(string content) => JsonSection.Open(_folder.Write("file.json", content));

    private void Refused(string expected, Func<object?> read)
    {
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(read);
        Assert.StartsWith($"{_folder.File("file.json")}: ", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Equal(_folder.File("file.json"), error.FilePath);
    }
}
