using System.Diagnostics.Metrics;
using Microsoft.AspNetCore.Http;

namespace LlmEmbed.Server;

/// <summary>
/// What requests meet and cost, under the names that dashboards of TEI read. The meter holds numbers and kinds of problems, never a text.
/// </summary>
internal sealed class ServerTelemetry : IDisposable
{
    public const string MeterName = "LlmEmbed.Server";

    private readonly Meter _meter = new(MeterName);
    private readonly Counter<long> _failures;
    private readonly Histogram<long> _length;
    private readonly Instruments _all;
    private readonly Dictionary<string, Instruments> _families;

    public ServerTelemetry()
    {
        _failures = _meter.CreateCounter<long>("te_request_failure", description: "Requests without a result, by kind of problem.");
        _length = _meter.CreateHistogram<long>("te_request_input_length", description: "Tokens of a request.");
        _all = new Instruments(_meter, "request");
        _families = ((string[])["embed", "predict", "tokenize"]).ToDictionary(family => family, family => new Instruments(_meter, family));
    }

    /// <summary>A request was answered.</summary>
    /// <param name="facts">What it asked for; null if that was never known.</param>
    /// <param name="status">The status of the answer.</param>
    /// <param name="duration">From its first byte to its answer.</param>
    public void Answered(RequestFacts? facts, int status, TimeSpan duration)
    {
        KeyValuePair<string, object?> method = new("method", facts is { Texts: > 1 } ? "batch" : "single");
        Instruments[] told = facts is not null && _families.TryGetValue(facts.Family, out Instruments? family) ? [_all, family] : [_all];
        foreach (Instruments instruments in told) instruments.Count.Add(1, method);
        if (status >= 400) _failures.Add(1, new KeyValuePair<string, object?>("err", NameOf(status)));
        if (status >= 400 || facts is null) return;
        _length.Record(facts.Tokens);
        foreach (Instruments instruments in told)
        {
            instruments.Success.Add(1, method);
            instruments.Duration.Record(duration.TotalSeconds);
            instruments.Tokenization.Record(facts.Times.Tokenization.TotalSeconds);
            instruments.Queue.Record(facts.Times.Queue.TotalSeconds);
            instruments.Inference.Record(facts.Times.Inference.TotalSeconds);
        }
    }

    public void Dispose() => _meter.Dispose();

    private static string NameOf(int status) => status switch
    {
        StatusCodes.Status413PayloadTooLarge => "batch_size",
        StatusCodes.Status424FailedDependency or >= 500 => "inference",
        StatusCodes.Status429TooManyRequests => "overloaded",
        StatusCodes.Status499ClientClosedRequest => "dropped",
        _ => "validation",
    };

    private sealed class Instruments(Meter meter, string name)
    {
        public Counter<long> Count { get; } = meter.CreateCounter<long>($"te_{name}_count");

        public Counter<long> Success { get; } = meter.CreateCounter<long>($"te_{name}_success");

        public Histogram<double> Duration { get; } = meter.CreateHistogram<double>($"te_{name}_duration");

        public Histogram<double> Tokenization { get; } = meter.CreateHistogram<double>($"te_{name}_tokenization_duration");

        public Histogram<double> Queue { get; } = meter.CreateHistogram<double>($"te_{name}_queue_duration");

        public Histogram<double> Inference { get; } = meter.CreateHistogram<double>($"te_{name}_inference_duration");
    }
}
