using PublicApiGenerator;
using Xunit;

namespace LlmEmbed.Tests;

public sealed class PublicApiTests
{
    [Fact]
    public void The_public_surface_is_the_approved_one()
    {
        string approvedFile = Path.Combine(Repository.Root, "tests", "LlmEmbed.Tests", "PublicApi.approved.txt");
        string receivedFile = Path.Combine(AppContext.BaseDirectory, "PublicApi.received.txt");
        string received = typeof(TextClassifier).Assembly.GeneratePublicApi(
            new ApiGeneratorOptions { IncludeAssemblyAttributes = false }).ReplaceLineEndings("\n");
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
