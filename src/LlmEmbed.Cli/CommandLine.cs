using System.CommandLine;
using System.CommandLine.Parsing;

namespace LlmEmbed.Cli;

/// <summary>The tool as a function: arguments and streams in, exit code out.</summary>
internal static class CommandLine
{
    private const string Description = "Trains text classifiers on the hidden states of frozen lightweight language models, and uses them.";

    /// <param name="arguments">What follows the tool's name.</param>
    /// <param name="terminal">Where the command reads and writes.</param>
    /// <param name="cancellationToken">Ends the work at the next batch, with <see cref="ExitCode.Cancelled"/>.</param>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, Terminal terminal, CancellationToken cancellationToken = default)
    {
        ParseResult parsed = CreateRoot(terminal).Parse(arguments);
        if (parsed.Errors.Count > 0)
        {
            foreach (ParseError error in parsed.Errors) terminal.Error.WriteLine($"llmembed: {error.Message}");
            terminal.Error.WriteLine($"See '{string.Join(' ', CommandPath(parsed))} --help'.");
            return ExitCode.WrongUsage;
        }
        try
        {
            InvocationConfiguration configuration = new()
            {
                Output = terminal.Output,
                Error = terminal.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null, // the caller handles signals
            };
            return await parsed.InvokeAsync(configuration, cancellationToken);
        }
        catch (OperationCanceledException)
        {
            return Fail(ExitCode.Cancelled, "cancelled. Finished embeddings are kept where a cache is used; the same command resumes.");
        }
        catch (WrongUsageException exception)
        {
            return Fail(ExitCode.WrongUsage, exception.Message);
        }
        catch (Exception exception) when (exception is LlmEmbedException or IOException or UnauthorizedAccessException or OutOfMemoryException)
        {
            return Fail(ExitCode.BadInput, exception.Message);
        }

        int Fail(int exitCode, string message)
        {
            terminal.Error.WriteLine($"llmembed: {message}");
            return exitCode;
        }
    }

    private static RootCommand CreateRoot(Terminal terminal) => new(Description)
    {
        TrainCommand.Create(terminal),
        PredictCommand.Create(terminal),
        EvaluateCommand.Create(terminal),
        ProbeCommand.Create(terminal),
        CompareCommand.Create(terminal),
        EmbedCommand.Create(terminal),
        TokenizeCommand.Create(terminal),
        InspectCommand.Create(terminal),
    };

    private static IEnumerable<string> CommandPath(ParseResult parsed)
    {
        yield return "llmembed";
        if (parsed.CommandResult.Command is not RootCommand) yield return parsed.CommandResult.Command.Name;
    }
}
