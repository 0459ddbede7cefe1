using System.IO.Compression;
using System.Text.RegularExpressions;
using LlmEmbed.Tests.Cli;
using Xunit;

namespace LlmEmbed.Tests;

/// <summary>The packages as a stranger has them, who has a feed and not the repository.</summary>
public sealed partial class PackagesTests
{
    private const int NoRegistry = 77;

    /// <summary>Slow: everything is packed, and programs that use it are restored and built, in folders of their own.</summary>
    [Fact]
    public void Packages_work_outside_of_the_repository()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "packages.sh needs a shell of Unix");
        using TemporaryFolder feed = new();
        string script = Path.Combine(Repository.Root, "tests", "packages.sh");
        ToolResult result = Tool.RunProgram(Repository.Root, [("FEED", feed.Path)], "/bin/bash", script);
        TestContext.Current.TestOutputHelper?.WriteLine(result.Output);
        Assert.SkipWhen(result.ExitCode == NoRegistry, result.Output);
        Assert.True(result.ExitCode == 0, $"exit code {result.ExitCode}:\n{result.Output}\n{result.Error}");

        Dictionary<string, string[]> packages = Directory.GetFiles(feed.Path, "*.nupkg").ToDictionary(
            path => Version().Replace(Path.GetFileName(path), ""), EntriesOf, StringComparer.Ordinal);
        Assert.All(packages, package => Assert.Contains("icon.png", package.Value));
        Assert.All(packages, package => Assert.Contains("NOTICE", package.Value));
        foreach ((string name, string[] entries) in packages.Where(package => package.Key.StartsWith("LlmEmbed.Cli", StringComparison.Ordinal)))
            Assert.Equal(name switch { "LlmEmbed.Cli" => 0, "LlmEmbed.Cli.any" => 5, _ => 1 }, entries.Count(entry => Engine().IsMatch(entry)));
        Assert.True(packages.ContainsKey("LlmEmbed.Cli") && packages.ContainsKey("LlmEmbed.Cli.any") && packages.ContainsKey("LlmEmbed"));
    }

    private static string[] EntriesOf(string package)
    {
        using ZipArchive archive = ZipFile.OpenRead(package);
        return [.. archive.Entries.Select(entry => entry.FullName)];
    }

    /// <summary>What a file of a package has behind the package's name.</summary>
    [GeneratedRegex(@"\.\d+\.\d+\.\d+.*$", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Version();

    /// <summary>ONNX Runtime for one platform, or the archive of it for telephones.</summary>
    [GeneratedRegex(@"onnxruntime\.(so|dll|dylib|aar|xcframework\.zip)$", RegexOptions.ExplicitCapture, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Engine();
}
