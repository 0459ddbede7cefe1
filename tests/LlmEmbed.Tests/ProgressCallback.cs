namespace LlmEmbed.Tests;

/// <summary>Hands every report to a callback at once, on the thread that works; <see cref="Progress{T}"/> would post it to another one.</summary>
internal sealed class ProgressCallback(Action<WorkProgress> report) : IProgress<WorkProgress>
{
    public void Report(WorkProgress value) => report(value);

    /// <summary>Cancels as soon as a report fits.</summary>
    public static ProgressCallback CancelWhen(CancellationTokenSource source, Predicate<WorkProgress> condition) => new(value =>
    {
        if (condition(value)) source.Cancel();
    });
}
