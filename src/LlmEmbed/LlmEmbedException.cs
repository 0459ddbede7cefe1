namespace LlmEmbed;

/// <summary>
/// Input that LlmEmbed cannot use: a file, an option, a tensor or a text. The message says what was found, where, what was expected and what to do;
/// the same facts are properties. Programming errors are ordinary .NET exceptions instead.
/// </summary>
public sealed class LlmEmbedException : Exception
{
    /// <summary>Creates the exception with a message that is complete by itself.</summary>
    /// <param name="message">What was found, where, what was expected, what to do.</param>
    /// <param name="innerException">The cause, where there is one.</param>
    public LlmEmbedException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }

    /// <summary>The file that is wrong, where it is a file.</summary>
    public string? FilePath { get; init; }

    /// <summary>The line of <see cref="FilePath"/>, counted from 1, where it is a line.</summary>
    public long? LineNumber { get; init; }

    /// <summary>What kind of problem it is: whether it helps to try again, for programs that decide that.</summary>
    public ProblemKind Kind { get; init; }
}

/// <summary>What kind of problem an <see cref="LlmEmbedException"/> is about.</summary>
public enum ProblemKind
{
    /// <summary>The input cannot be used as it is; trying again will not help.</summary>
    BadInput,

    /// <summary>
    /// A job meets something else than its plan was made for: another plan, input that changed, another model, processor or version.
    /// </summary>
    Mismatch,

    /// <summary>A disk or a network failed in a way that may pass, or another process is at the same work: trying again may help.</summary>
    MayPass,
}
