using System.CommandLine;
using System.Runtime.InteropServices;
using LlmEmbed;
using LlmEmbed.Cli;

RootCommand root = new("Trains text classifiers on the hidden states of frozen lightweight language models, and uses them.")
{
    TrainCommand.Create(),
    PredictCommand.Create(),
    EvaluateCommand.Create(),
    ProbeCommand.Create(),
    CompareCommand.Create(),
    EmbedCommand.Create(),
    TokenizeCommand.Create(),
    InspectCommand.Create(),
};

ParseResult parsed = root.Parse(args);
if (parsed.Errors.Count > 0)
{
    foreach (System.CommandLine.Parsing.ParseError error in parsed.Errors) Console.Error.WriteLine($"llmembed: {error.Message}");
    Console.Error.WriteLine($"See '{string.Join(' ', CommandPath(parsed))} --help'.");
    return ExitCode.WrongUsage;
}

using CancellationTokenSource cancellation = new();
using PosixSignalRegistration interrupt = CancelOn(PosixSignal.SIGINT);
using PosixSignalRegistration terminate = CancelOn(PosixSignal.SIGTERM);
try
{
    return await parsed.InvokeAsync(new InvocationConfiguration { EnableDefaultExceptionHandler = false, ProcessTerminationTimeout = null }, cancellation.Token);
}
catch (OperationCanceledException)
{
    Console.Error.WriteLine("llmembed: cancelled. Finished embeddings are kept where a cache is used; the same command resumes.");
    return ExitCode.Cancelled;
}
catch (WrongUsageException exception)
{
    Console.Error.WriteLine($"llmembed: {exception.Message}");
    return ExitCode.WrongUsage;
}
catch (LlmEmbedException exception)
{
    Console.Error.WriteLine($"llmembed: {exception.Message}");
    return ExitCode.BadInput;
}
catch (Exception exception) when (exception is IOException or UnauthorizedAccessException or OutOfMemoryException)
{
    Console.Error.WriteLine($"llmembed: {exception.Message}");
    return ExitCode.BadInput;
}

// The first signal ends the work at the next batch; a second one ends the process at once.
PosixSignalRegistration CancelOn(PosixSignal signal) => PosixSignalRegistration.Create(signal, context =>
{
    context.Cancel = !cancellation.IsCancellationRequested;
    cancellation.Cancel();
});

static IEnumerable<string> CommandPath(ParseResult parsed)
{
    yield return "llmembed";
    if (parsed.CommandResult.Command is not RootCommand) yield return parsed.CommandResult.Command.Name;
}
