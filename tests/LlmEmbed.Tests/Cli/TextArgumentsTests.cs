using Xunit;

namespace LlmEmbed.Tests.Cli;

/// <summary>A text is a text, whatever it begins with.</summary>
public sealed class TextArgumentsTests(TrainedClassifier trained) : IClassFixture<TrainedClassifier>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Theory]
    [InlineData("@united my bag is lost")]
    [InlineData("@note.txt")]
    [InlineData("@")]
    [InlineData("-5 stars")]
    [InlineData("-hello")]
    [InlineData("--help me, please")]
    [InlineData("/?")]
    [InlineData("/h")]
    [InlineData("[suggest]")]
    [InlineData("[diagram] of a film")]
    [InlineData("a=b: c")]
    [InlineData("\"quoted\"")]
    [InlineData("'")]
    public void A_text_reaches_the_classifier_as_it_stands(string text) => AssertRead([text], text);

    [Theory]
    [InlineData("--help")]
    [InlineData("--top=3")]
    [InlineData("--top: the best")]
    [InlineData("--nonsense")]
    [InlineData("-h")]
    [InlineData("@note.txt")]
    public void Behind_two_hyphens_everything_is_a_text(string text) => AssertRead(["--", text], text);

    [Theory]
    [InlineData("--tpo")]
    [InlineData("--otuput=x.csv")]
    public void A_mistyped_option_is_no_text(string option)
    {
        string message = Tool.Run("predict", trained.Model, "a fine story", option).Refused(exitCode: 2);
        Assert.Contains($"'{option}' is no option of predict", message, StringComparison.Ordinal);
        Assert.Contains("predict MODEL -- ", message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_help_says_how_a_text_may_begin_with_a_hyphen() =>
        Assert.Contains("predict MODEL -- \"-5 stars\"", Unwrapped(Tool.Run("predict", "--help").Succeeded().Output), StringComparison.Ordinal);

    [Fact]
    public void A_prompt_may_begin_with_an_at_sign()
    {
        string[] command = ["embed", "--backbone", Repository.Fixture("llama-mha"), "--data", trained.Data, "--cache", "none"];
        string plain = _folder.File("plain.safetensors"), prompted = _folder.File("prompted.safetensors");
        Tool.Run([.. command, "--output", plain]).Succeeded();
        Tool.Run([.. command, "--output", prompted, "--prompt", "@d {text}"]).Succeeded();
        Assert.NotEqual(File.ReadAllBytes(plain), File.ReadAllBytes(prompted));
    }

    [Fact]
    public void A_file_may_have_a_name_that_begins_with_an_at_sign()
    {
        string data = _folder.Write("@note.csv", "text\na fine story\n");
        Assert.Contains("a fine story", Tool.Run("predict", trained.Model, "--data", data).Succeeded().Output, StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private static string Unwrapped(string help) => string.Join(' ', help.Split((char[])[' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries));

    private void AssertRead(string[] arguments, string text)
    {
        ToolResult result = Tool.Run(["predict", trained.Model, "--output-format", "jsonl", .. arguments]).Succeeded();
        Assert.Equal(text, (string)Assert.Single(result.JsonLines)["text"]!);
    }
}
