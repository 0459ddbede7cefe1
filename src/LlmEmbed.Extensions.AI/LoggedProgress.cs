using Microsoft.Extensions.Logging;

namespace LlmEmbed;

/// <summary>Writes to a log what loading a model says: each stage once, as when it is downloaded, and every notice.</summary>
internal sealed class LoggedProgress(ILogger logger) : IProgress<WorkProgress>
{
    private string? _stage;

    public void Report(WorkProgress value)
    {
        if (value.Notice is string notice) logger.LogWarning("{Notice}", notice);
        else if (logger.IsEnabled(LogLevel.Information) && Interlocked.Exchange(ref _stage, value.Stage) != value.Stage)
            logger.LogInformation("{Stage}", value.Stage);
    }
}
