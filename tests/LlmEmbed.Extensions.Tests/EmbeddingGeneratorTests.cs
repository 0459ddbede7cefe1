using Microsoft.Extensions.AI;
using Xunit;

namespace LlmEmbed.Tests;

public sealed class EmbeddingGeneratorTests : IDisposable
{
    private static readonly string[] Texts = ["where is my parcel", "the invoice is wrong, and nobody answers", "a", "where is my parcel"];

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Vectors_are_the_encoders_brought_to_length_1_in_order()
    {
        using TextEncoder encoder = Models.Encoder();
        TextEmbeddings expected = encoder.Encode(Texts, progress: null, Models.Cancellation);
        GeneratedEmbeddings<Embedding<float>> found = await Generate(encoder.AsEmbeddingGenerator(), Texts);
        Assert.Equal(Texts.Length, found.Count);
        for (int i = 0; i < Texts.Length; i++) Models.AssertClose(Models.UnitVector(expected[i]), found[i].Vector.Span, 1e-6f);
        Assert.All(found, embedding => Assert.Equal((Models.Backbone, true), (embedding.ModelId, embedding.CreatedAt > DateTimeOffset.UnixEpoch)));
    }

    [Fact]
    public async Task Without_normalization_they_are_the_encoders_bits()
    {
        using TextEncoder encoder = Models.Encoder();
        float[] expected = [.. encoder.Encode(Texts, progress: null, Models.Cancellation).Values];
        GeneratedEmbeddings<Embedding<float>> found = await Generate(encoder.AsEmbeddingGenerator(new() { Normalize = false }), Texts);
        Assert.Equal(expected, found.SelectMany(embedding => embedding.Vector.ToArray()));
    }

    [Fact]
    public async Task Usage_counts_the_tokens_of_all_texts_as_the_model_reads_them()
    {
        using TextEncoder encoder = Models.Encoder(new() { Views = ViewSelection.TextVector, MaxTokens = 8 });
        using LlmEmbedEmbeddingGenerator generator = encoder.AsEmbeddingGenerator();
        long alone = 0;
        foreach (string text in Texts) alone += (await Generate(generator, [text])).Usage!.InputTokenCount!.Value;
        UsageDetails together = (await Generate(generator, Texts)).Usage!;
        Assert.Equal((alone, alone), (together.InputTokenCount, together.TotalTokenCount));
        Assert.Equal(8, (await Generate(generator, [Texts[1]])).Usage!.InputTokenCount); // it has more, and loses its end
        Assert.Equal(3, together.AdditionalCounts!["truncated_texts"]);
    }

    [Fact]
    public async Task A_text_without_tokens_is_a_vector_of_zeros_and_counted()
    {
        using TextEncoder encoder = Models.Encoder(backbone: Models.Decoder);
        GeneratedEmbeddings<Embedding<float>> found = await Generate(encoder.AsEmbeddingGenerator(), ["", "a text"]);
        Assert.All(found[0].Vector.ToArray(), value => Assert.Equal(0, value));
        Assert.Equal(1, found.Usage!.AdditionalCounts!["texts_without_tokens"]);
    }

    [Fact]
    public async Task No_texts_give_no_vectors_and_null_is_refused()
    {
        using TextEncoder encoder = Models.Encoder();
        using LlmEmbedEmbeddingGenerator generator = encoder.AsEmbeddingGenerator();
        GeneratedEmbeddings<Embedding<float>> none = await Generate(generator, []);
        Assert.Equal((0, 0L), (none.Count, none.Usage!.InputTokenCount));
        await Assert.ThrowsAsync<ArgumentNullException>(() => Generate(generator, null!));
        ArgumentException error = await Assert.ThrowsAsync<ArgumentException>(() => Generate(generator, ["a", null!]));
        Assert.Contains("Text 2 of 2 is null", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Texts_are_enumerated_once()
    {
        using TextEncoder encoder = Models.Encoder();
        int enumerations = 0;
        GeneratedEmbeddings<Embedding<float>> found = await Generate(encoder.AsEmbeddingGenerator(), Stream());
        Assert.Equal((2, 1), (found.Count, enumerations));

        IEnumerable<string> Stream()
        {
            enumerations++;
            yield return "one";
            yield return "two";
        }
    }

    [Fact]
    public async Task Parallel_calls_give_what_single_calls_give()
    {
        using TextEncoder encoder = Models.Encoder();
        using LlmEmbedEmbeddingGenerator generator = encoder.AsEmbeddingGenerator();
        string[] texts = [.. Enumerable.Range(0, 60).Select(i => string.Join(' ', Enumerable.Repeat($"parcel {i} is late", i % 7 + 1)))];
        float[][] single = new float[texts.Length][];
        for (int i = 0; i < texts.Length; i++) single[i] = (await Generate(generator, [texts[i]]))[0].Vector.ToArray();
        GeneratedEmbeddings<Embedding<float>>[] parallel = await Task.WhenAll(
            Enumerable.Range(0, 8).Select(call => Task.Run(() => Generate(generator, texts.Skip(call * 5)), Models.Cancellation)));
        for (int call = 0; call < parallel.Length; call++)
            for (int i = 0; i < parallel[call].Count; i++) Models.AssertClose(single[call * 5 + i], parallel[call][i].Vector.Span);
    }

    [Fact]
    public async Task A_cancelled_call_stops_between_two_batches()
    {
        using TextEncoder encoder = Models.Encoder();
        using CancellationTokenSource source = new();
        long done = 0;
        CountingEncoder counting = new(encoder)
        {
            AfterBatch = texts =>
            {
                done = texts;
                source.Cancel();
            },
        };
        string[] texts = [.. Enumerable.Range(0, 3000).Select(i => $"parcel {i} of the courier who was late on that day and on all days before")];
        using LlmEmbedEmbeddingGenerator generator = counting.AsEmbeddingGenerator();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generator.GenerateAsync(texts, options: null, source.Token));
        Assert.InRange(done, 1, texts.Length - 1);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => generator.GenerateAsync(["a"], options: null, source.Token));
        Assert.Equal(texts.Length, counting.Texts); // the second call did not reach the encoder
    }

    [Fact]
    public async Task The_encoder_stays_the_callers_and_a_disposed_one_says_so()
    {
        TextEncoder encoder = Models.Encoder();
        LlmEmbedEmbeddingGenerator generator = encoder.AsEmbeddingGenerator();
        generator.Dispose();
        Assert.Single(await Generate(generator, ["a"]));
        encoder.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Generate(generator, ["a"]));
    }

    [Fact]
    public void Services_are_the_metadata_the_generator_and_the_encoder()
    {
        using TextEncoder encoder = Models.Encoder();
        using LlmEmbedEmbeddingGenerator generator = encoder.AsEmbeddingGenerator();
        EmbeddingGeneratorMetadata metadata = generator.GetRequiredService<EmbeddingGeneratorMetadata>();
        Assert.Equal(
            ("llmembed", Models.Backbone, encoder.HiddenSize), (metadata.ProviderName, metadata.DefaultModelId, metadata.DefaultModelDimensions));
        Assert.Same(encoder, generator.GetService<TextEncoder>());
        Assert.Same(encoder, generator.GetService<ITextEncoder>());
        Assert.Same(generator, generator.GetService<IEmbeddingGenerator<string, Embedding<float>>>());
        Assert.Null(generator.GetService<TextEncoder>("a key"));
        Assert.Null(generator.GetService<string>());
    }

    [Fact]
    public async Task The_view_is_the_one_asked_for_or_sentence_or_the_last()
    {
        View first = new(2, Pooling.Mean), last = new(4, Pooling.First), sentence = new(4, Pooling.Sentence);
        using TextEncoder two = Models.Encoder(new() { Views = ViewSelection.Of(first, last) });
        using TextEncoder three = Models.Encoder(new() { Views = ViewSelection.Of(sentence, first, last) });
        TextEmbeddings expected = three.Encode(Texts, progress: null, Models.Cancellation);
        (TextEncoder Encoder, View? View, int Expected)[] cases = [(two, null, 2), (two, first, 1), (three, null, 0), (three, last, 2)];
        foreach ((TextEncoder encoder, View? view, int place) in cases)
        {
            Embedding<float> found = (await Generate(encoder.AsEmbeddingGenerator(new() { View = view }), Texts))[1];
            Models.AssertClose(Models.UnitVector(expected[1, place]), found.Vector.Span);
        }
        ArgumentException error = Assert.Throws<ArgumentException>(() => two.AsEmbeddingGenerator(new() { View = sentence }));
        Assert.Contains("does not read View { Depth = 4, Pooling = Sentence }", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Another_model_and_sizes_that_cannot_be_are_refused()
    {
        using TextEncoder encoder = Models.Encoder();
        using LlmEmbedEmbeddingGenerator generator = encoder.AsEmbeddingGenerator();
        int size = encoder.HiddenSize;
        EmbeddingGenerationOptions own = new() { ModelId = Models.Backbone, Dimensions = size };
        Assert.Equal(size, (await generator.GenerateAsync(["a"], own, Models.Cancellation))[0].Vector.Length);
        ArgumentException model = await Assert.ThrowsAsync<ArgumentException>(
            () => generator.GenerateAsync(["a"], new() { ModelId = "other" }, Models.Cancellation));
        Assert.Contains("'other' was asked for, but this generator is of 'bert'", model.Message, StringComparison.Ordinal);
        foreach ((int asked, string why) in new[] { (size + 1, $"expected 1 to {size}"), (size - 1, "if its card does, set IsMatryoshka") })
        {
            ArgumentOutOfRangeException error = await Assert.ThrowsAsync<ArgumentOutOfRangeException>(
                () => generator.GenerateAsync(["a"], new() { Dimensions = asked }, Models.Cancellation));
            Assert.Contains(why, error.Message, StringComparison.Ordinal);
        }
        Assert.Throws<ArgumentOutOfRangeException>(() => encoder.AsEmbeddingGenerator(new() { Dimensions = size - 1 }));
    }

    [Theory]
    [InlineData("matryoshka_dimensions", "[16, 8]", false, new[] { 8, 16 }, 10)]
    [InlineData("is_matryoshka", "true", false, new[] { 1, 10, 16 }, 0)]
    [InlineData("is_matryoshka", "false", true, new[] { 1, 10, 16 }, 0)]
    public async Task A_vector_is_cut_where_the_model_allows_it(string key, string value, bool saidByUser, int[] allowed, int refused)
    {
        using TextEncoder encoder = Models.Encoder(backbone: Sentence(key, value));
        using LlmEmbedEmbeddingGenerator generator = encoder.AsEmbeddingGenerator(new() { IsMatryoshka = saidByUser });
        float[] whole = encoder.Encode(["where is my parcel"], progress: null, Models.Cancellation)[0].ToArray();
        foreach (int size in allowed)
        {
            EmbeddingGenerationOptions options = new() { Dimensions = size };
            Embedding<float> perCall = (await generator.GenerateAsync(["where is my parcel"], options, Models.Cancellation))[0];
            Models.AssertClose(Models.UnitVector(whole.AsSpan(0, size)), perCall.Vector.Span);
            using LlmEmbedEmbeddingGenerator small = encoder.AsEmbeddingGenerator(new() { Dimensions = size, IsMatryoshka = saidByUser });
            Assert.Equal(perCall.Vector.ToArray(), (await Generate(small, ["where is my parcel"]))[0].Vector.ToArray());
            Assert.Equal(size, small.GetRequiredService<EmbeddingGeneratorMetadata>().DefaultModelDimensions);
        }
        ArgumentOutOfRangeException error = Assert.Throws<ArgumentOutOfRangeException>(
            () => encoder.AsEmbeddingGenerator(new() { Dimensions = refused, IsMatryoshka = saidByUser }));
        if (refused > 0) Assert.Contains("that its config.json says it was trained for: 8, 16", error.Message, StringComparison.Ordinal);
    }

    /// <summary>A copy of a sentence-transformers repository whose config.json says one more thing.</summary>
    private string Sentence(string key, string value)
    {
        string target = Path.Combine(_folder.Path, "model"), source = Repository.Fixture("sentence", "mini");
        foreach (string file in Directory.EnumerateFiles(source, "*", SearchOption.AllDirectories))
        {
            string copy = Path.Combine(target, Path.GetRelativePath(source, file));
            Directory.CreateDirectory(Path.GetDirectoryName(copy)!);
            File.Copy(file, copy);
        }
        TemporaryFolder.EditJson(
            Path.Combine(target, "config.json"), config => config[key] = System.Text.Json.Nodes.JsonNode.Parse(value));
        return target;
    }

    private static Task<GeneratedEmbeddings<Embedding<float>>> Generate(LlmEmbedEmbeddingGenerator generator, IEnumerable<string> texts) =>
        generator.GenerateAsync(texts, options: null, Models.Cancellation);
}
