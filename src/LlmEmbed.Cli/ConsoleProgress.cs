using System.Diagnostics;
using Spectre.Console;

namespace LlmEmbed.Cli;

/// <summary>
/// Shows the progress of long work on standard error: bars with rate and remaining time on a terminal, one line per finished stage elsewhere.
/// Standard output stays free for data.
/// </summary>
internal static class ConsoleProgress
{
    public static T Show<T>(Terminal terminal, Func<IProgress<WorkProgress>, T> work)
    {
        if (!terminal.IsErrorWindow) return work(new Notices(new Lines(terminal.Error), terminal.Error.WriteLine));
        IAnsiConsole console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(terminal.Error) });
        return console.Progress()
            .Columns(
                new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn(), new PercentageColumn(), new RemainingTimeColumn())
            .Start(context => work(new Notices(new Bars(context), console.WriteLine)));
    }

    /// <summary>"Reading bert: 1,024 of 7,108 texts (83/s, 512 kept from before)". A rate of percents would say nothing.</summary>
    private static string Describe(WorkProgress value, TimeSpan elapsed)
    {
        if (value.Unit == "bytes") return DescribeBytes(value, elapsed);
        long computed = value.Done - value.Kept;
        List<string> notes = [];
        double rate = computed / elapsed.TotalSeconds;
        if (computed > 0 && double.IsFinite(rate)) notes.Add($"{rate.ToString(rate < 10 ? "0.0" : "N0")}/s");
        if (value.Kept > 0) notes.Add($"{value.Kept:N0} kept from before");
        return $"{value.Stage}: {value.Done:N0} of {value.Total:N0} {value.Unit}" + (notes.Count > 0 ? $" ({string.Join(", ", notes)})" : "");
    }

    /// <summary>"Downloading BAAI/bge-small: 12.0 of 133.5 MB (5.2 MB/s)".</summary>
    private static string DescribeBytes(WorkProgress value, TimeSpan elapsed)
    {
        const double Megabyte = 1e6;
        double rate = value.Done / Megabyte / elapsed.TotalSeconds;
        return $"{value.Stage}: {value.Done / Megabyte:N1} of {value.Total / Megabyte:N1} MB" +
            (value.Done > 0 && double.IsFinite(rate) ? $" ({rate:N1} MB/s)" : "");
    }

    /// <summary>Writes what the user should read once, as a line of its own.</summary>
    private sealed class Notices(IProgress<WorkProgress> numbers, Action<string> write) : IProgress<WorkProgress>
    {
        private readonly HashSet<string> _written = new(StringComparer.Ordinal);

        public void Report(WorkProgress value)
        {
            if (value.Notice is not string notice)
            {
                numbers.Report(value);
                return;
            }
            lock (_written)
                if (_written.Add(notice)) write($"llmembed: {notice}");
        }
    }

    /// <summary>One bar per stage.</summary>
    private sealed class Bars(ProgressContext context) : IProgress<WorkProgress>
    {
        private readonly Dictionary<string, (ProgressTask Task, long Start)> _stages = new(StringComparer.Ordinal);
        private readonly Lock _lock = new();

        public void Report(WorkProgress value)
        {
            lock (_lock)
            {
                if (!_stages.TryGetValue(value.Stage, out (ProgressTask Task, long Start) stage))
                    _stages[value.Stage] = stage = (
                        context.AddTask(Markup.Escape(value.Stage), maxValue: Math.Max(1, value.Total - value.Kept)), Stopwatch.GetTimestamp());
                stage.Task.Description = Markup.Escape(Describe(value, Stopwatch.GetElapsedTime(stage.Start)));
                // What was kept from before is no work done now: it would make the remaining time too short.
                stage.Task.Value = value.Done >= value.Total ? stage.Task.MaxValue : value.Done - value.Kept;
                if (value.Done >= value.Total) _stages.Remove(value.Stage); // the next of that name gets a bar of its own
            }
        }
    }

    /// <summary>A line at the end of each stage, and now and then before it.</summary>
    private sealed class Lines(TextWriter error) : IProgress<WorkProgress>
    {
        private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);

        private readonly Dictionary<string, (long Start, long LastLine)> _stages = new(StringComparer.Ordinal);
        private readonly Lock _lock = new();

        public void Report(WorkProgress value)
        {
            lock (_lock)
            {
                long now = Stopwatch.GetTimestamp();
                (long start, long lastLine) = _stages.GetValueOrDefault(value.Stage, (now, now));
                bool finished = value.Done >= value.Total;
                bool due = finished || Stopwatch.GetElapsedTime(lastLine, now) >= Interval;
                if (due) error.WriteLine(Describe(value, Stopwatch.GetElapsedTime(start, now)));
                if (finished) _stages.Remove(value.Stage);
                else _stages[value.Stage] = (start, due ? now : lastLine);
            }
        }
    }
}
