using System.Reflection;
using LlmEmbed.Server;
using PublicApiGenerator;
using Xunit;

namespace LlmEmbed.Tests;

public sealed class PublicApiTests
{
    /// <summary>The assemblies that programs compile against, by a type of each, and the files with their approved surfaces.</summary>
    private static readonly (string File, Type TypeInIt)[] Surfaces =
    [
        ("PublicApi", typeof(TextClassifier)),
        ("PublicApi.LlmEmbed.Extensions.AI", typeof(LlmEmbedEmbeddingGenerator)),
        ("PublicApi.LlmEmbed.MLNet", typeof(LlmEmbedClassifiers)),
        ("PublicApi.LlmEmbed.Server", typeof(LlmEmbedServerOptions)),
    ];

    public static TheoryData<string> Files => [.. Surfaces.Select(surface => surface.File)];

    [Theory]
    [MemberData(nameof(Files))]
    public void The_public_surface_is_the_approved_one(string file)
    {
        Assembly assembly = Surfaces.Single(surface => surface.File == file).TypeInIt.Assembly;
        string approvedFile = Path.Combine(Repository.Root, "tests", "LlmEmbed.Tests", $"{file}.approved.txt");
        string receivedFile = Path.Combine(AppContext.BaseDirectory, $"{file}.received.txt");
        // Extension methods of ours may lie in namespaces of those whose types they extend, which are hidden otherwise.
        ApiGeneratorOptions options = new() { IncludeAssemblyAttributes = false, DenyNamespacePrefixes = [] };
        string received = assembly.GeneratePublicApi(options).ReplaceLineEndings("\n");
        File.WriteAllText(receivedFile, received);
        string approved = File.Exists(approvedFile) ? File.ReadAllText(approvedFile).ReplaceLineEndings("\n") : "";
        Assert.True(
            received.TrimEnd() == approved.TrimEnd(),
            $"The public surface has changed{FirstDifference(approved, received)}. If that is meant, approve it: cp '{receivedFile}' " +
            $"'{approvedFile}'");
    }

    private static string FirstDifference(string approved, string received)
    {
        (string Old, string New) lines = approved.Split('\n').Zip(
            received.Split('\n').Append("(end)")).FirstOrDefault(pair => pair.First != pair.Second);
        return lines.Old is null ? "" : $": '{lines.New.Trim()}' instead of '{lines.Old.Trim()}'";
    }
}
