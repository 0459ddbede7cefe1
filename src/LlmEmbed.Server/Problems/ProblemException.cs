namespace LlmEmbed.Server.Problems;

/// <summary>Ends the handling of a request with a problem that its sender can read.</summary>
internal sealed class ProblemException(Problem problem, Exception? innerException = null) : Exception(problem.Message, innerException)
{
    public ProblemException(int status, ProblemType type, string message, string? param = null)
        : this(new Problem(status, type, message) { Param = param })
    {
    }

    public Problem Problem { get; } = problem;
}
