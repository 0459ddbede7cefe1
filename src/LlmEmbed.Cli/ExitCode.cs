namespace LlmEmbed.Cli;

/// <summary>What the process returns.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>A file, a model or a text cannot be used.</summary>
    public const int BadInput = 1;

    /// <summary>The command line itself is wrong.</summary>
    public const int WrongUsage = 2;

    /// <summary>Ended by Ctrl+C (128 + SIGINT).</summary>
    public const int Cancelled = 130;
}

/// <summary>Options that contradict each other or have a value that no input could make right.</summary>
internal sealed class WrongUsageException(string message) : Exception(message);
