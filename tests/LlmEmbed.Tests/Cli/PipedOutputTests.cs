using System.Diagnostics;
using LlmEmbed.Cli;
using Xunit;

namespace LlmEmbed.Tests.Cli;

/// <summary>Standard output whose reader goes away, or which cannot take more.</summary>
public sealed class PipedOutputTests(TrainedClassifier trained) : IClassFixture<TrainedClassifier>, IDisposable
{
    /// <summary>More than a pipe holds, and more than one chunk.</summary>
    private const int Rows = 60_000;

    private readonly TemporaryFolder _folder = new();

    [Theory]
    [InlineData("predict MODEL --data DATA --cache none")]
    [InlineData("predict MODEL --data DATA --cache none --output-format jsonl")]
    [InlineData("tokenize --backbone BACKBONE --data DATA")]
    public void A_command_ends_quietly_when_its_reader_is_gone(string command)
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the test closes a pipe of Unix");
        string rows = string.Concat(Enumerable.Range(0, Rows).Select(row => $"\"a fine story, number {row}\"\n"));
        string data = _folder.Write("data.csv", $"text\n{rows}");
        using Process process = Tool.Start(Arguments(command, data));
        process.StandardInput.Close();
        Assert.NotNull(process.StandardOutput.ReadLine());
        AssertEndsQuietly(process);
    }

    [Fact]
    public void Predict_ends_when_its_reader_is_gone_though_its_writer_goes_on()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the test closes a pipe of Unix");
        using Process process = Tool.Start("predict", trained.Model, "--cache", "none");
        // A chunk, and some of the next one: what follows never comes, and the input is not closed.
        process.StandardInput.Write(string.Concat(Enumerable.Range(0, 10_000).Select(row => $"a fine story, number {row}\n")));
        process.StandardInput.Flush();
        Assert.NotNull(process.StandardOutput.ReadLine());
        AssertEndsQuietly(process);
    }

    [Fact]
    public void What_was_asked_for_beside_is_written_though_nobody_reads_the_results()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "the test closes a pipe of Unix");
        string page = _folder.File("page.html");
        using Process process = Tool.Start("evaluate", trained.Model, "--data", trained.Data, "--cache", "none", "--report", page);
        process.StandardInput.Close();
        AssertEndsQuietly(process);
        Assert.Contains("</html>", File.ReadAllText(page), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("predict \"$MODEL\" hello --cache none")]
    [InlineData("predict \"$MODEL\" hello --cache none --output /dev/stdout --output-format jsonl")]
    [InlineData("tokenize --backbone \"$BACKBONE\" --data \"$DATA\"")]
    [InlineData("inspect \"$MODEL\"")]
    [InlineData("evaluate \"$MODEL\" --data \"$DATA\" --cache none --json")]
    [InlineData("--help")]
    public void A_full_disk_is_an_error(string arguments)
    {
        Assert.SkipUnless(File.Exists("/dev/full"), "there is no /dev/full");
        ToolResult result = Tool.RunInShell(
            _folder.Path,
            $"\"$DOTNET\" \"$TOOL\" {arguments} > /dev/full",
            ("MODEL", trained.Model),
            ("DATA", trained.Data),
            ("BACKBONE", Repository.Fixture("bert")));
        Assert.Contains("No space left on device", result.Refused(exitCode: 1), StringComparison.Ordinal);
    }

    public void Dispose() => _folder.Dispose();

    private static void AssertEndsQuietly(Process process)
    {
        process.StandardOutput.Close();
        Task<string> error = process.StandardError.ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.True(process.WaitForExit(TimeSpan.FromMinutes(5)), "the tool works on for nobody");
        Assert.Equal(ExitCode.ReaderGone, process.ExitCode);
        Assert.DoesNotContain(ToolResult.Complaints(error.GetAwaiter().GetResult()), line => line.StartsWith("llmembed: ", StringComparison.Ordinal));
    }

    private IEnumerable<string> Arguments(string command, string data) => command.Split(' ').Select(word => word switch
    {
        "MODEL" => trained.Model,
        "BACKBONE" => Repository.Fixture("bert"),
        "DATA" => data,
        _ => word,
    });
}
