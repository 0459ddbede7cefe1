using System.Runtime.CompilerServices;

namespace LlmEmbed.Tests;

/// <summary>No test asks the real Hub, and no tool that a test starts: those about the Hub bring one of their own.</summary>
internal static class OfflineByDefault
{
    [ModuleInitializer]
    internal static void Set() => Environment.SetEnvironmentVariable("HF_HUB_OFFLINE", "1");
}
