using Microsoft.AspNetCore.Http;

namespace LlmEmbed.Server.Problems;

/// <summary>Why a request has no result.</summary>
/// <param name="Status">The status of the answer, as TEI has it.</param>
/// <param name="Type">What kind of problem it is.</param>
/// <param name="Message">What was found, where, and what to do, for people. It never holds a text of the request.</param>
internal sealed record Problem(int Status, ProblemType Type, string Message)
{
    /// <summary>The field of the body that is wrong.</summary>
    public string? Param { get; init; }

    /// <summary>When it makes sense to try again.</summary>
    public TimeSpan? RetryAfter { get; init; }

    /// <summary>What an exception means to the sender of a request; null for one that nobody expects.</summary>
    public static Problem? Of(Exception exception) => exception switch
    {
        ProblemException known => known.Problem,
        TextQueueFullException full => new(StatusCodes.Status429TooManyRequests, ProblemType.Overloaded, full.Message)
        { RetryAfter = full.RetryAfter },
        TextTooLongException tooLong => new(StatusCodes.Status422UnprocessableEntity, ProblemType.Validation, tooLong.Message),
        TextFailedException failed => new(
            StatusCodes.Status424FailedDependency, ProblemType.Backend, $"Text {failed.Index} could not be computed; the server's log says why."),
        LlmEmbedException { Kind: ProblemKind.BadInput } bad => new(
            StatusCodes.Status422UnprocessableEntity, ProblemType.Validation, WithoutFolders(bad)),
        BadHttpRequestException { StatusCode: StatusCodes.Status413PayloadTooLarge } => new(
            StatusCodes.Status413PayloadTooLarge, ProblemType.TooLarge, "The body is larger than this server takes. Send fewer texts at a time."),
        BadHttpRequestException http => new(http.StatusCode, ProblemType.Validation, "The body of the request did not arrive as its headers say."),
        _ => null,
    };

    /// <summary>Where the server keeps its files is not for its clients.</summary>
    private static string WithoutFolders(LlmEmbedException exception) => exception.FilePath is { Length: > 0 } path
        ? exception.Message.Replace(path, Path.GetFileName(Path.TrimEndingDirectorySeparator(path)), StringComparison.Ordinal)
        : exception.Message;
}

/// <summary>What kind of problem a request met; the names are those of TEI where it has one.</summary>
internal enum ProblemType
{
    Validation,
    Tokenizer,
    Empty,
    Overloaded,
    Backend,
    Unhealthy,
    NotFound,
    Unauthorized,
    TooLarge,
    Timeout,
}
