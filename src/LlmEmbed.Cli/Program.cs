using System.Runtime.InteropServices;
using LlmEmbed.Cli;

using CancellationTokenSource cancellation = new();
using PosixSignalRegistration interrupt = CancelOn(PosixSignal.SIGINT);
using PosixSignalRegistration terminate = CancelOn(PosixSignal.SIGTERM);
return await CommandLine.RunAsync(args, Terminal.OfProcess(), cancellation.Token);

// The first signal ends the work at the next batch; a second one ends the process at once.
PosixSignalRegistration CancelOn(PosixSignal signal) => PosixSignalRegistration.Create(signal, context =>
{
    context.Cancel = !cancellation.IsCancellationRequested;
    cancellation.Cancel();
});
