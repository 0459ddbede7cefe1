using System.Diagnostics;
using Xunit;

namespace LlmEmbed.Tests.Cli;

public sealed class BadInputsTests
{
    private const string Bash = "/bin/bash";

    [Fact]
    public void Every_bad_input_is_refused_as_the_script_expects()
    {
        Assert.SkipUnless(File.Exists(Bash) && OperatingSystem.IsLinux(), $"needs {Bash} and the GNU coreutils");
        using Process script = Tool.StartProgram(Bash, Path.Combine(Repository.Root, "tests", "bad-inputs.sh"), Tool.Library);
        ToolResult result = Tool.Finish(script);
        Assert.True(result.ExitCode == 0, result.Error);
        Assert.EndsWith("0 failures", result.Error.TrimEnd(), StringComparison.Ordinal);
    }
}
