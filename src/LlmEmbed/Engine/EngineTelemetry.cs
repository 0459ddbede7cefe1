using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace LlmEmbed.Engine;

/// <summary>
/// Keeps ONNX Runtime from reporting home. Its native library makes an identifier of the device and a database of events in the user's cache folder,
/// and sends the events, unless a variable of the environment says otherwise when its environment is created.
/// </summary>
internal static partial class EngineTelemetry
{
    /// <summary>The variable that the native library reads.</summary>
    public const string Variable = "ORT_DISABLE_TELEMETRY";

    /// <summary>
    /// Runs before any other code of this library, so that there is no way to the engine that does not pass here. Calling the engine's own function
    /// for this purpose would be too late: both files exist when it can be called.
    /// </summary>
    [ModuleInitializer]
    [SuppressMessage("Usage", "CA2255", Justification = "Nothing else runs before every use of the engine, and nothing is done but this.")]
    internal static void SwitchOff()
    {
        // On Unix .NET keeps variables that are set to itself; the native library asks the C library.
        if (OperatingSystem.IsWindows()) Environment.SetEnvironmentVariable(Variable, "1");
        else _ = SetVariable(Variable, "1", overwrite: 1);
    }

    [LibraryImport("libc", EntryPoint = "setenv", StringMarshalling = StringMarshalling.Utf8)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int SetVariable(string name, string value, int overwrite);
}
