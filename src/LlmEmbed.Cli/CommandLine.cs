using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Parsing;

namespace LlmEmbed.Cli;

/// <summary>The tool as a function: arguments and streams in, exit code out.</summary>
internal static class CommandLine
{
    private const string Description = "Trains text classifiers on the hidden states of frozen lightweight language models, and uses them.";

    /// <summary>
    /// A text is a text: neither is a file named by what follows an @, nor does a hyphen begin several options.
    /// </summary>
    private static readonly ParserConfiguration Texts = new() { ResponseFileTokenReplacer = null, EnablePosixBundling = false };

    /// <param name="arguments">What follows the tool's name.</param>
    /// <param name="terminal">Where the command reads and writes.</param>
    /// <param name="cancellationToken">Ends the work at the next batch, with <see cref="ExitCode.Cancelled"/>.</param>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, Terminal terminal, CancellationToken cancellationToken = default)
    {
        RootCommand root = CreateRoot(terminal);
        ParseResult parsed = root.Parse(arguments, Texts);
        if (parsed.CommandResult.Command.Name == "serve")
            parsed = root.Parse(EnvironmentOptions.Added(parsed, arguments, Environment.GetEnvironmentVariable), Texts);
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
            int exitCode = await parsed.InvokeAsync(configuration, cancellationToken);
            return terminal.OutputFailure is { } failure ? Refuse(failure) : exitCode;
        }
        catch (Exception exception) when (
            exception is OperationCanceledException or WrongUsageException or LlmEmbedException or IOException or UnauthorizedAccessException
                or OutOfMemoryException)
        {
            return Refuse(exception);
        }

        int Refuse(Exception reason)
        {
            (int exitCode, string? message) = reason switch
            {
                ReaderGoneException => (ExitCode.ReaderGone, null),
                OperationCanceledException => (
                    ExitCode.Cancelled,
                    "cancelled. No output file was written. Finished embeddings are kept where a cache is used, and finished units of a job; the " +
                    "same command resumes."),
                WrongUsageException => (ExitCode.WrongUsage, reason.Message),
                LlmEmbedException problem => (ExitCode.Of(problem.Kind), problem.Message),
                _ => (ExitCode.BadInput, reason.Message),
            };
            TextWriter place = reason is WrongUsageException { IsErrorUnusable: true } ? terminal.Output : terminal.Error;
            if (message is not null) place.WriteLine($"llmembed: {message}");
            return exitCode;
        }
    }

    internal static RootCommand CreateRoot(Terminal terminal)
    {
        RootCommand root = new(Description)
        {
            TrainCommand.Create(terminal),
            PredictCommand.Create(terminal),
            EvaluateCommand.Create(terminal),
            ProbeCommand.Create(terminal),
            CompareCommand.Create(terminal),
            EmbedCommand.Create(terminal),
            TokenizeCommand.Create(terminal),
            InspectCommand.Create(terminal),
            HubCommands.CreateDownload(terminal),
            HubCommands.CreateCache(terminal),
            JobCommands.Create(terminal),
            ServeCommand.Create(terminal),
        };
        // "/?" and "/h" may be texts; help has three other names.
        foreach (HelpOption help in root.Options.OfType<HelpOption>())
            foreach (string slashed in (string[])["/?", "/h"]) help.Aliases.Remove(slashed);
        return root;
    }

    private static IEnumerable<string> CommandPath(ParseResult parsed)
    {
        Stack<string> names = [];
        for (SymbolResult? result = parsed.CommandResult; result is CommandResult { Command: not RootCommand } command; result = result.Parent)
            names.Push(command.Command.Name);
        return names.Prepend("llmembed");
    }
}
