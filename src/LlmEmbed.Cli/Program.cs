using System.Runtime.InteropServices;
using LlmEmbed.Cli;

using CancellationTokenSource cancellation = new();
bool isTerminated = false;
using PosixSignalRegistration interrupt = CancelOn(PosixSignal.SIGINT);
using PosixSignalRegistration terminate = CancelOn(PosixSignal.SIGTERM);
int exitCode = await CommandLine.RunAsync(args, Terminal.OfProcess(), cancellation.Token);
return exitCode == ExitCode.Cancelled && isTerminated ? ExitCode.Terminated : exitCode;

// The first signal ends the work at the next batch; a second one ends the process at once.
PosixSignalRegistration CancelOn(PosixSignal signal) => PosixSignalRegistration.Create(signal, context =>
{
    context.Cancel = !cancellation.IsCancellationRequested;
    isTerminated = signal == PosixSignal.SIGTERM;
    cancellation.Cancel();
});
