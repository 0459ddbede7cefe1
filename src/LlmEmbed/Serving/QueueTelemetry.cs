using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace LlmEmbed.Serving;

/// <summary>
/// What a queue tells about itself: the meter and the activities <c>LlmEmbed</c>. They hold numbers and names of models, never a text.
/// </summary>
internal sealed class QueueTelemetry : IDisposable
{
    public const string Name = "LlmEmbed";

    private static readonly ActivitySource Activities = new(Name);

    private readonly Meter _meter = new(Name);
    private readonly Counter<long> _texts, _tokens, _rejected;
    private readonly Histogram<int> _batchSize;
    private readonly Histogram<long> _batchTokens;
    private readonly Histogram<double> _tokenization, _queue, _inference;

    /// <param name="waiting">Texts and tokens in the queue.</param>
    public QueueTelemetry(Func<(int Texts, long Tokens)> waiting)
    {
        _meter.CreateObservableUpDownCounter("llmembed.queue.depth", () => waiting().Texts, "{text}", "Texts that wait.");
        _meter.CreateObservableUpDownCounter("llmembed.queue.tokens", () => waiting().Tokens, "{token}", "Tokens that wait, of all backbones.");
        _texts = _meter.CreateCounter<long>("llmembed.texts", "{text}", "Texts computed.");
        _tokens = _meter.CreateCounter<long>("llmembed.tokens", "{token}", "Tokens computed, of all backbones, padding not counted.");
        _rejected = _meter.CreateCounter<long>("llmembed.rejected", "{call}", "Calls refused since the queue was full.");
        _batchSize = _meter.CreateHistogram<int>("llmembed.batch.size", "{text}", "Texts computed together.");
        _batchTokens = _meter.CreateHistogram<long>("llmembed.batch.tokens", "{token}", "Tokens computed together.");
        _tokenization = Duration("llmembed.tokenization.duration", "Until all texts of a call were token ids.");
        _queue = Duration("llmembed.queue.duration", "Until the first text of a call was begun.");
        _inference = Duration("llmembed.inference.duration", "From the first text of a call until its last one was computed.");
    }

    /// <summary>The activity of a call; null if nobody listens.</summary>
    /// <param name="operation">What the call asks for.</param>
    /// <param name="model">The name of the model.</param>
    /// <param name="texts">The number of texts.</param>
    public static Activity? Start(string operation, string model, int texts)
    {
        Activity? activity = Activities.StartActivity($"{operation} {model}");
        activity?.SetTag("llmembed.model", model);
        activity?.SetTag("llmembed.texts", texts);
        return activity;
    }

    /// <summary>A batch was computed.</summary>
    public void Computed(int texts, long tokens)
    {
        _texts.Add(texts);
        _tokens.Add(tokens);
        _batchSize.Record(texts);
        _batchTokens.Record(tokens);
    }

    /// <summary>A call was refused.</summary>
    public void Rejected() => _rejected.Add(1);

    /// <summary>A call has its results.</summary>
    public void Ended(Activity? activity, long tokens, QueueTimes times)
    {
        _tokenization.Record(times.Tokenization.TotalSeconds);
        _queue.Record(times.Queue.TotalSeconds);
        _inference.Record(times.Inference.TotalSeconds);
        if (activity is null) return;
        activity.SetTag("llmembed.tokens", tokens);
        DateTimeOffset start = new(activity.StartTimeUtc);
        foreach ((string phase, TimeSpan time) in ((string, TimeSpan)[])
            [("tokenization", times.Tokenization), ("queue", times.Queue), ("inference", times.Inference)])
        {
            using Activity? part = Activities.StartActivity(phase, ActivityKind.Internal, activity.Context, startTime: start);
            start += time;
            part?.SetEndTime(start.UtcDateTime);
        }
    }

    public void Dispose() => _meter.Dispose();

    private Histogram<double> Duration(string name, string description) => _meter.CreateHistogram<double>(name, "s", description);
}
