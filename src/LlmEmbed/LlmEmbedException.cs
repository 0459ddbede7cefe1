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
}
