using LlmEmbed.Tests.Cli;
using Xunit;

namespace LlmEmbed.Tests;

/// <summary>Programs of others that look at what ours wrote: packages for Node.js, which <c>npm install --prefix tests/witness</c> fetches.</summary>
internal static class Witness
{
    private static string Folder => Path.Combine(Repository.Root, "tests", "witness");

    /// <summary>Skips the test, visibly, where Node.js or the package is missing.</summary>
    public static void Require(string package)
    {
        Assert.SkipUnless(Tool.CanRun("node", "--version"), "Node.js is not installed");
        Assert.SkipUnless(
            Directory.Exists(Path.Combine([Folder, "node_modules", .. package.Split('/')])), "needs: npm install --prefix tests/witness");
    }

    /// <summary>Runs a script of the folder.</summary>
    public static ToolResult Run(string script, params string[] arguments) =>
        Tool.RunProgram(Folder, [], "node", [Path.Combine(Folder, script), .. arguments]);
}
