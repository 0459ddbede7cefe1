using System.Runtime.InteropServices;
using LlmEmbed.Engine;
using Xunit;

namespace LlmEmbed.Tests.Engine;

public sealed partial class EngineTelemetryTests
{
    /// <summary>.NET's variables are a copy that native code does not see, so the C library is asked.</summary>
    [Fact]
    public void The_library_has_switched_it_off_where_native_code_looks()
    {
        Assert.SkipWhen(OperatingSystem.IsWindows(), "Windows has one table of variables, which .NET writes");
        Assert.Equal("1", Marshal.PtrToStringUTF8(GetVariable(EngineTelemetry.Variable)));
    }

    [LibraryImport("libc", EntryPoint = "getenv", StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint GetVariable(string name);
}
