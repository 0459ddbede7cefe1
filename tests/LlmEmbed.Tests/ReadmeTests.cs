using System.Text.RegularExpressions;
using Xunit;

namespace LlmEmbed.Tests;

[Collection(ProcessState.Name)]
public sealed partial class ReadmeTests
{
    private const string FileMapTitle = "## Where things are";

    private static readonly string Readme = File.ReadAllText(Path.Combine(Repository.Root, "README.md")).ReplaceLineEndings("\n");

    [Fact]
    public void Every_path_of_the_file_map_exists()
    {
        string[] paths = MappedPaths();
        Assert.NotEmpty(paths);
        Assert.All(
            paths,
            path => Assert.True(
                Path.Exists(Path.Combine(Repository.Root, path)), $"README.md: '{FileMapTitle}' names {path}, which does not exist."));
    }

    [Fact]
    public void Every_folder_of_the_library_is_in_the_file_map()
    {
        string library = Path.Combine(Repository.Root, "src", "LlmEmbed");
        IEnumerable<string> folders = Directory.EnumerateDirectories(library).Select(folder => Path.GetFileName(folder)).Where(
            name => name is not ("bin" or "obj"));
        string[] missing =
        [
            .. folders.Select(name => $"src/LlmEmbed/{name}").Except(MappedPaths().Select(path => path.TrimEnd('/')), StringComparer.Ordinal),
        ];
        Assert.True(missing.Length == 0, $"README.md: '{FileMapTitle}' has no line for {string.Join(", ", missing)}.");
    }

    [Theory]
    [InlineData("README.md")]
    [InlineData("src/LlmEmbed/README.md")]
    public void The_example_is_the_code_that_is_tested(string readme)
    {
        string page = File.ReadAllText(Path.Combine(Repository.Root, readme)).ReplaceLineEndings("\n");
        string example = FirstExample().Match(page).Groups["code"].Value;
        string tested = File.ReadAllText(Path.Combine(Repository.Root, "tests", "LlmEmbed.Tests", "ReadmeSnippet.cs")).ReplaceLineEndings("\n");
        string region = Region().Match(tested).Groups["code"].Value;
        string unindented = string.Join(
            '\n', region.Split('\n').Select(line => line.StartsWith("        ", StringComparison.Ordinal) ? line[8..] : line));
        Assert.Equal(unindented, example);
    }

    [Fact]
    public void The_example_runs()
    {
        using TemporaryFolder folder = new();
        using IDisposable _ = ProcessState.WorkingFolder(folder.Path);
        using IDisposable output = ProcessState.Output(out StringWriter written);
        ReadmeSnippet.Run();
        Assert.Matches(@"^Right on held-out requests: \d+ %\ndelivery \(\d+\.\d %\)\n$", written.ToString().ReplaceLineEndings("\n"));
        Assert.True(File.Exists(folder.File(Path.Combine("my-model", "classifier.json"))));
    }

    /// <summary>The first column of the file map's table.</summary>
    private static string[] MappedPaths()
    {
        int start = Readme.IndexOf(FileMapTitle + "\n", StringComparison.Ordinal);
        Assert.True(start >= 0, $"README.md has no section '{FileMapTitle}'.");
        string section = Readme[(start + FileMapTitle.Length)..].Split("\n## ")[0];
        return [.. MapLine().Matches(section).Select(match => match.Groups["path"].Value)];
    }

    [GeneratedRegex(@"^\| *`(?<path>[^`]+)`", RegexOptions.Multiline | RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex MapLine();

    [
        GeneratedRegex(
            @"^```csharp\n(?<code>.*?)^```$",
            RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture,
            matchTimeoutMilliseconds: 1000),
    ]
    private static partial Regex FirstExample();

    [
        GeneratedRegex(
            @"^ *// README:begin\n(?<code>.*?)^ *// README:end$",
            RegexOptions.Multiline | RegexOptions.Singleline | RegexOptions.ExplicitCapture,
            matchTimeoutMilliseconds: 1000),
    ]
    private static partial Regex Region();
}
