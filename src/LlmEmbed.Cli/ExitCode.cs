namespace LlmEmbed.Cli;

/// <summary>What the process returns.</summary>
internal static class ExitCode
{
    public const int Success = 0;

    /// <summary>A file, a model or a text cannot be used.</summary>
    public const int BadInput = 1;

    /// <summary>The command line itself is wrong.</summary>
    public const int WrongUsage = 2;

    /// <summary>A job meets another plan, changed input, or another model, processor or version than its plan's.</summary>
    public const int Mismatch = 3;

    /// <summary>
    /// A disk or a network failed in a way that may pass, or other processes are at the rest of a job: the same command may succeed later
    /// (EX_TEMPFAIL).
    /// </summary>
    public const int MayPass = 75;

    /// <summary>Ended by Ctrl+C (128 + SIGINT).</summary>
    public const int Cancelled = 130;

    /// <summary>
    /// Ended because nobody reads standard output any more (128 + SIGPIPE), as shells report it of tools that the signal ends.
    /// </summary>
    public const int ReaderGone = 141;

    /// <summary>Ended by SIGTERM, as schedulers send it (128 + SIGTERM).</summary>
    public const int Terminated = 143;

    /// <summary>The code of an error.</summary>
    public static int Of(ProblemKind kind) => kind switch
    {
        ProblemKind.Mismatch => Mismatch,
        ProblemKind.MayPass => MayPass,
        _ => BadInput,
    };
}

/// <summary>Options that contradict each other or have a value that no input could make right.</summary>
internal sealed class WrongUsageException(string message) : Exception(message)
{
    /// <summary>Whether standard error is a file that must stay as it is, so that the message belongs on standard output.</summary>
    public bool IsErrorUnusable { get; init; }
}
