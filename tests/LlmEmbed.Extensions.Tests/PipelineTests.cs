using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Memory;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Xunit;

namespace LlmEmbed.Tests;

/// <summary>The generator inside of the pipelines that Microsoft.Extensions.AI builds.</summary>
public sealed class PipelineTests
{
    private static readonly string[] Texts = ["where is my parcel", "the invoice is wrong"];

    [Fact]
    public async Task A_distributed_cache_answers_the_second_call_without_the_encoder()
    {
        using TextEncoder encoder = Models.Encoder();
        CountingEncoder counting = new(encoder);
        IDistributedCache cache = new MemoryDistributedCache(Options.Create(new MemoryDistributedCacheOptions()));
        using IEmbeddingGenerator<string, Embedding<float>> pipeline = new EmbeddingGeneratorBuilder<string, Embedding<float>>(
            counting.AsEmbeddingGenerator()).UseDistributedCache(cache).Build();
        GeneratedEmbeddings<Embedding<float>> first = await pipeline.GenerateAsync(Texts, options: null, Models.Cancellation);
        Assert.Equal(2, counting.Texts);
        GeneratedEmbeddings<Embedding<float>> second = await pipeline.GenerateAsync(Texts, options: null, Models.Cancellation);
        Assert.Equal(2, counting.Texts);
        Assert.Equal(first.Select(embedding => embedding.Vector.ToArray()), second.Select(embedding => embedding.Vector.ToArray()));
        await pipeline.GenerateAsync([.. Texts, "a new one"], options: null, Models.Cancellation);
        Assert.Equal(3, counting.Texts);
    }

    [Fact]
    public async Task OpenTelemetry_sees_the_model_the_tokens_and_the_size()
    {
        const string Source = "llmembed-pipeline-test";
        ConcurrentQueue<Activity> spans = new();
        ConcurrentQueue<(string Instrument, long Value)> tokens = new();
        using ActivityListener spanListener = new()
        {
            ShouldListenTo = source => source.Name == Source,
            Sample = (ref _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = spans.Enqueue,
        };
        ActivitySource.AddActivityListener(spanListener);
        using MeterListener meterListener = new()
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == Source) listener.EnableMeasurementEvents(instrument);
            },
        };
        meterListener.SetMeasurementEventCallback<int>((instrument, value, _, _) => tokens.Enqueue((instrument.Name, value)));
        meterListener.Start();
        using TextEncoder encoder = Models.Encoder();
        using IEmbeddingGenerator<string, Embedding<float>> pipeline = new EmbeddingGeneratorBuilder<string, Embedding<float>>(
            encoder.AsEmbeddingGenerator()).UseOpenTelemetry(loggerFactory: null, Source).Build();
        long expected = (await pipeline.GenerateAsync(Texts, options: null, Models.Cancellation)).Usage!.InputTokenCount!.Value;

        Activity span = Assert.Single(spans);
        Assert.Equal($"embeddings {Models.Backbone}", span.DisplayName);
        Assert.Equal("llmembed", span.GetTagItem("gen_ai.provider.name"));
        Assert.Equal(Models.Backbone, span.GetTagItem("gen_ai.request.model"));
        Assert.Equal(expected, Convert.ToInt64(span.GetTagItem("gen_ai.usage.input_tokens"), System.Globalization.CultureInfo.InvariantCulture));
        Assert.Equal(("gen_ai.client.token.usage", expected), Assert.Single(tokens));
    }

    [Fact]
    public async Task Logging_says_what_was_called()
    {
        using Messages messages = new();
        using ILoggerFactory loggers = LoggerFactory.Create(builder => builder.SetMinimumLevel(LogLevel.Trace).AddProvider(messages));
        using TextEncoder encoder = Models.Encoder();
        using IEmbeddingGenerator<string, Embedding<float>> pipeline = new EmbeddingGeneratorBuilder<string, Embedding<float>>(
            encoder.AsEmbeddingGenerator()).UseLogging(loggers).Build();
        await pipeline.GenerateAsync(Texts, options: null, Models.Cancellation);
        Assert.Contains(messages.All, message => message.Contains("GenerateAsync", StringComparison.Ordinal));
        Assert.Contains(messages.All, message => message.Contains("generated 2 embedding(s)", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Extensions_and_configured_options_reach_the_generator()
    {
        using TextEncoder encoder = Models.Encoder();
        using IEmbeddingGenerator<string, Embedding<float>> pipeline = new EmbeddingGeneratorBuilder<string, Embedding<float>>(
            encoder.AsEmbeddingGenerator()).ConfigureOptions(options => options.Dimensions = encoder.HiddenSize + 1).Build();
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => pipeline.GenerateAsync(Texts, options: null, Models.Cancellation));
        IEmbeddingGenerator<string, Embedding<float>> generator = encoder.AsEmbeddingGenerator();
        ReadOnlyMemory<float> vector = await generator.GenerateVectorAsync(Texts[0], options: null, Models.Cancellation);
        (string Value, Embedding<float> Embedding)[] zipped = await generator.GenerateAndZipAsync(Texts, options: null, Models.Cancellation);
        Assert.Equal(Texts, zipped.Select(pair => pair.Value));
        Models.AssertClose(vector.Span, zipped[0].Embedding.Vector.Span);
    }
}
