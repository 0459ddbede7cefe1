using System.Diagnostics;
using System.Diagnostics.Metrics;
using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests;

public sealed class TextQueueTests
{
    /// <summary>The promise of <see cref="ITextEncoder.Encode"/>: of the largest value of an embedding.</summary>
    private const float Promised = 1e-5f;

    private static readonly string[] Texts =
        [.. Requests.Generate(60).Select((example, place) => string.Join(' ', Enumerable.Repeat(example.Text, 1 + place % 7)))];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("bert")]
    [InlineData("llama-gqa")]
    [InlineData("all-minilm-l6-v2")]
    public async Task Texts_of_many_callers_get_the_embeddings_that_they_get_alone(string backbone)
    {
        using TextEncoder encoder = TextEncoder.Load(backbone, new EncoderOptions(), Requests.Runtime, progress: null, Cancellation);
        using TextQueue queue = new(new TextQueueOptions { Threads = 2, MaxQueuedTokens = 100_000 });
        Task<TextQueueAnswer<ReadOnlyMemory<float>>>[] single =
            [.. Texts.Select(text => queue.EncodeAsync(encoder, [text], allowTruncation: true, Cancellation))];
        TextQueueAnswer<ReadOnlyMemory<float>> together = await queue.EncodeAsync(encoder, Texts, allowTruncation: true, Cancellation);
        TextEmbeddings expected = encoder.Encode(Texts, progress: null, Cancellation);
        double largestDifference = 0;
        for (int text = 0; text < Texts.Length; text++)
        {
            float largest = expected[text].ToArray().Max(MathF.Abs);
            foreach (ReadOnlyMemory<float> row in (ReadOnlyMemory<float>[])[(await single[text]).Values[0], together.Values[text]])
            {
                Vectors.AssertClose(expected[text], row.Span, Promised * largest, $"text {text}");
                IEnumerable<double> differences = expected[text].ToArray().Zip(row.ToArray(), (a, b) => (double)Math.Abs(a - b) / largest);
                largestDifference = Math.Max(largestDifference, differences.Max());
            }
        }
        TestContext.Current.TestOutputHelper?.WriteLine($"{backbone}: largest difference {largestDifference:0.0e0} of the largest value");
    }

    [Fact]
    public async Task Predictions_are_those_of_the_classifier_whatever_else_is_computed()
    {
        using OpenBackbones backbones = new(Requests.Runtime);
        using TextClassifier classifier = TextClassifier.Train(
            Requests.Generate(60), Requests.Options("bert", "llama-gqa"), backbones, progress: null, Cancellation);
        using TextEncoder encoder = TextEncoder.Load("bert", new EncoderOptions(), backbones, progress: null, Cancellation);
        using TextQueue queue = new(new TextQueueOptions { Threads = 2, MaxQueuedTokens = 100_000 });
        Task<TextQueueAnswer<ReadOnlyMemory<float>>> beside = queue.EncodeAsync(encoder, Texts, allowTruncation: true, Cancellation);
        string[] texts = [.. Texts, " ", "\u200b"];
        Task<TextQueueAnswer<Prediction>>[] single =
            [.. texts.Select(text => queue.PredictAsync(classifier, [text], allowTruncation: true, Cancellation))];
        TextQueueAnswer<Prediction> together = await queue.PredictAsync(classifier, texts, allowTruncation: true, Cancellation);
        Prediction[] expected = [.. classifier.Predict(texts, Cancellation)];
        for (int text = 0; text < texts.Length; text++)
        {
            AssertClose(expected[text], together.Values[text]);
            AssertClose(expected[text], (await single[text]).Values[0]);
        }
        Assert.Equal(Texts.Length, (await beside).Values.Count);
        Assert.Equal(expected.Select(prediction => prediction.IsEmpty), together.Texts.Select(text => text.IsEmpty));
        Assert.Equal(expected.Select(prediction => prediction.IsTruncated), together.Texts.Select(text => text.IsTruncated));
    }

    [Fact]
    public async Task A_text_that_is_too_long_is_refused_where_it_must_not_be_truncated()
    {
        using TextEncoder encoder = TextEncoder.Load("bert", new EncoderOptions { MaxTokens = 8 }, Requests.Runtime, progress: null, Cancellation);
        using TextQueue queue = new();
        TextTooLongException exception = await Assert.ThrowsAsync<TextTooLongException>(
            () => queue.EncodeAsync(encoder, ["short", Texts[6]], allowTruncation: false, Cancellation));
        Assert.Equal((1, 8), (exception.Index, exception.MaxTokens));
        TextQueueAnswer<ReadOnlyMemory<float>> answer = await queue.EncodeAsync(encoder, ["short", Texts[6]], allowTruncation: true, Cancellation);
        Assert.Equal([false, true], answer.Texts.Select(text => text.IsTruncated));
        Assert.Equal(8, answer.Texts[1].Tokens);
    }

    [Fact]
    public async Task A_call_without_texts_has_no_values()
    {
        using TextEncoder encoder = TextEncoder.Load("bert", new EncoderOptions(), Requests.Runtime, progress: null, Cancellation);
        using TextQueue queue = new();
        Assert.Empty((await queue.EncodeAsync(encoder, [], allowTruncation: true, Cancellation)).Values);
    }

    [Fact]
    public async Task A_caller_who_is_gone_gets_no_answer()
    {
        using TextEncoder encoder = TextEncoder.Load("bert", new EncoderOptions(), Requests.Runtime, progress: null, Cancellation);
        using TextQueue queue = new();
        using CancellationTokenSource gone = new();
        await gone.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => queue.EncodeAsync(encoder, Texts, allowTruncation: true, gone.Token));
        Assert.Equal((0, 0L), (queue.QueuedTexts, queue.QueuedTokens));
    }

    [Fact]
    public async Task Meter_and_activities_tell_numbers_and_no_text()
    {
        List<(string Name, double Value)> measured = [];
        using MeterListener meters = new();
        meters.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == "LlmEmbed") listener.EnableMeasurementEvents(instrument);
        };
        meters.SetMeasurementEventCallback<double>((instrument, value, _, _) => Keep(instrument.Name, value));
        meters.SetMeasurementEventCallback<long>((instrument, value, _, _) => Keep(instrument.Name, value));
        meters.SetMeasurementEventCallback<int>((instrument, value, _, _) => Keep(instrument.Name, value));
        meters.Start();
        List<Activity> activities = [];
        using ActivityListener traces = new()
        {
            ShouldListenTo = source => source.Name == "LlmEmbed",
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = KeepActivity,
        };
        ActivitySource.AddActivityListener(traces);
        using TextEncoder encoder = TextEncoder.Load("bert", new EncoderOptions(), Requests.Runtime, progress: null, Cancellation);
        using TextQueue queue = new();
        using Activity root = new Activity("test").Start();
        await queue.EncodeAsync(encoder, ["a parcel", "an invoice"], allowTruncation: true, Cancellation);
        Activity[] own = [.. activities.Where(activity => activity.TraceId == root.TraceId)];
        Assert.Equal(
            ["encode bert", "inference", "queue", "tokenization"], own.Select(activity => activity.DisplayName).Order(StringComparer.Ordinal));
        Assert.DoesNotContain(own.SelectMany(activity => activity.TagObjects), tag => $"{tag.Value}".Contains("parcel", StringComparison.Ordinal));
        Assert.Contains(("llmembed.batch.size", 2), measured);
        Assert.Contains(measured, value => value is { Name: "llmembed.tokens", Value: > 4 });
        Assert.Contains(measured, value => value.Name == "llmembed.queue.duration");

        void KeepActivity(Activity activity)
        {
            lock (activities) activities.Add(activity);
        }

        void Keep<T>(string name, T value)
            where T : IConvertible
        {
            lock (measured) measured.Add((name, value.ToDouble(System.Globalization.CultureInfo.InvariantCulture)));
        }
    }

    private static void AssertClose(Prediction expected, Prediction actual)
    {
        Assert.Equal(expected.IsEmpty, actual.IsEmpty);
        foreach (LabelProbability item in expected.Ranked)
            Assert.Equal(item.Probability, actual.Ranked.Single(other => other.Label == item.Label).Probability, 1e-5);
    }
}
