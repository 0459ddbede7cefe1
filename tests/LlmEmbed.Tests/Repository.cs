using Xunit;

namespace LlmEmbed.Tests;

/// <summary>
/// Where the tests find files: fixtures and starter backbones in the repository, published tokenizers and data sets beside it where they exist.
/// </summary>
internal static class Repository
{
    public static string Root { get; } = FindRoot();

    public static string Fixtures => Path.Combine(Root, "tests", "LlmEmbed.Tests", "Fixtures");

    public static string Models => Path.Combine(Root, "models");

    public static string Fixture(params string[] parts) => Path.Combine([Fixtures, .. parts]);

    /// <summary>A folder of the optional material beside the repository; the test is skipped, visibly, where it is not there.</summary>
    public static string SharedOrSkip(params string[] parts)
    {
        string path = Path.Combine([Root, "..", "shared", .. parts]);
        Assert.SkipUnless(Directory.Exists(path), $"needs {Path.Combine(["..", "shared", .. parts])}, which is not part of the repository");
        return path;
    }

    private static string FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, "LlmEmbed.slnx"))) return folder.FullName;
        throw new InvalidOperationException($"No LlmEmbed.slnx above {AppContext.BaseDirectory}");
    }
}
