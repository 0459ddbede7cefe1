using LlmEmbed.Cli;
using Xunit;

namespace LlmEmbed.Tests.Cli;

/// <summary>Commands that are printed for the next step can be pasted.</summary>
public sealed class ShellTests(TrainedClassifier trained) : IClassFixture<TrainedClassifier>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    [Theory]
    [InlineData("my-model", "my-model", "my-model")]
    [InlineData("/tmp/a.b/c_d", "/tmp/a.b/c_d", "/tmp/a.b/c_d")]
    [InlineData("my model", "'my model'", "\"my model\"")]
    [InlineData("my model's", @"'my model'\''s'", "\"my model's\"")]
    [InlineData("", "''", "\"\"")]
    [InlineData("a&b", "'a&b'", "\"a&b\"")]
    [InlineData("~x", "'~x'", "\"~x\"")]
    [InlineData(@"C:\my models\", @"'C:\my models\'", @"""C:\my models\\""")]
    [InlineData(@"C:\models", @"'C:\models'", @"C:\models")]
    [InlineData("modèle", "'modèle'", "\"modèle\"")]
    public void A_word_is_quoted_where_the_shell_would_read_it_otherwise(string word, string unix, string windows)
    {
        Assert.Equal(unix, Shell.Quote(word, isWindows: false));
        Assert.Equal(windows, Shell.Quote(word, isWindows: true));
    }

    [Theory]
    [InlineData("my model's")]
    [InlineData("$HOME; echo `x` \"y\" \\ * é")]
    [InlineData("line\nbreak")]
    public void Training_prints_commands_that_the_shell_reads_back(string name)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "needs a shell of Unix");
        string model = _folder.File(name);
        string[] printed = Printed(model);
        Assert.Equal(["predict", model, "a text to classify"], printed[..3]);
        Assert.Equal(["predict", model, "--data", "texts.csv", "--output", "predictions.csv", "inspect", model], printed[3..]);
    }

    public void Dispose() => _folder.Dispose();

    /// <summary>The words of the printed commands, as a shell passes them to a program of the tool's name.</summary>
    private string[] Printed(string model)
    {
        string[] training = ["train", "--data", trained.Data, "--backbone", Repository.Fixture("bert"), "--output", model, "--cache", "none"];
        string output = Tool.Run([.. training, "--depths", "3", "--head", "linear", "--no-words"]).Succeeded().Output;
        string commands = output[(output.IndexOf("Next:\n", StringComparison.Ordinal) + 6)..];
        string script = "llmembed() { printf '%s\\0' \"$@\"; }\n" + commands;
        return Tool.RunInShell(_folder.Path, script).Succeeded().Output.Split('\0', StringSplitOptions.RemoveEmptyEntries);
    }
}
