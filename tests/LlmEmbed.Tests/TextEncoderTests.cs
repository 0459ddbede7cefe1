using System.Globalization;
using LlmEmbed.Data;
using LlmEmbed.Reading;
using LlmEmbed.Tests.Models;
using LlmEmbed.Tests.Tokenization;
using Xunit;

namespace LlmEmbed.Tests;

public sealed class TextEncoderTests : IDisposable
{
    /// <summary>The promise of <see cref="ITextEncoder.Encode"/>: of the largest value of an embedding.</summary>
    private const float Promised = 1e-5f;

    private const string Decoder = "llama-gqa";
    private const string Encoder = "bert";
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>A decoder whose tokenizer adds nothing, encoders of both kinds, and the two backbones that come with the project.</summary>
    public static TheoryData<string> SomeBackbones => [Decoder, "mistral", Encoder, "xlm-roberta", "smollm2-135m-instruct", "all-minilm-l6-v2"];

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [MemberData(nameof(BackboneTests.Folders), MemberType = typeof(BackboneTests))]
    public void Texts_give_the_golden_means_at_every_depth(string folder) => AssertGolden(Repository.Fixture(folder), folder);

    [Theory]
    [InlineData("llama-mha-F32.gguf", "llama-mha")]
    [InlineData("llama-gqa-F32.gguf", "llama-gqa")]
    public void Texts_give_the_golden_means_with_the_tokenizer_of_a_gguf_file(string file, string golden) =>
        AssertGolden(Repository.Fixture("gguf", file), golden);

    [Theory]
    [MemberData(nameof(SomeBackbones))]
    public void A_text_gives_the_same_embedding_alone_among_others_and_in_any_order(string backbone)
    {
        using TextEncoder encoder = Load(backbone);
        string[] texts = Distinct(40);
        TextEmbeddings together = Encode(encoder, texts);
        Vectors.AssertSame(together, Encode(encoder, [.. texts.Reverse()]), Promised, text => texts.Length - 1 - text);
        for (int text = 0; text < texts.Length; text += 8)
        {
            TextEmbeddings alone = Encode(encoder, [texts[text]]);
            float largest = alone[0].ToArray().Max(MathF.Abs);
            Vectors.AssertClose(alone[0], together[text], Promised * largest, $"text {text}");
        }
    }

    [Fact]
    public void Repeated_texts_are_computed_once_and_get_equal_rows()
    {
        using TextEncoder encoder = Load(Decoder);
        string[] texts = Distinct(30);
        TextEmbeddings once = Encode(encoder, texts);
        TextEmbeddings thrice = Encode(encoder, [.. texts, .. texts, .. texts]);
        Assert.Equal((90, 30), (thrice.Statistics.Texts, thrice.Statistics.ComputedTexts));
        Assert.Equal(once.Statistics.Tokens, thrice.Statistics.Tokens);
        Assert.Equal((once.Statistics.Tokens, once.Statistics.Tokens * 3), (once.Statistics.InputTokens, thrice.Statistics.InputTokens));
        for (int text = 0; text < 90; text++) Assert.Equal(once[text % 30], thrice[text]);
    }

    [Theory]
    [MemberData(nameof(SomeBackbones))]
    public void A_second_run_computes_nothing_and_gives_the_same_bits(string backbone)
    {
        string[] texts = Distinct(25);
        TextEmbeddings first, second;
        using (TextEncoder encoder = Load(backbone, runtime: Cached)) first = Encode(encoder, texts);
        using (TextEncoder encoder = Load(backbone, runtime: Cached)) second = Encode(encoder, texts);
        using TextEncoder without = Load(backbone);
        Assert.Equal((25, 0), (first.Statistics.ComputedTexts, first.Statistics.CachedTexts));
        Assert.Equal(
            (0, 25, 0L, 0L),
            (second.Statistics.ComputedTexts, second.Statistics.CachedTexts, second.Statistics.Tokens, second.Statistics.PaddedTokens));
        Assert.Equal(first.Statistics.InputTokens, second.Statistics.InputTokens);
        Assert.Equal(first.Values, second.Values);
        Assert.Equal(Encode(without, texts).Values, first.Values);
    }

    [Theory]
    [MemberData(nameof(SomeBackbones))]
    public void Tokens_states_are_what_pooling_pools(string backbone)
    {
        using TextEncoder depths = Load(backbone);
        int depth = Math.Max(1, depths.BlockCount / 2);
        string[] texts = [.. Distinct(20), .. Distinct(3)];
        View mean = new(
            depth, depths.Reader.Backbone.Model.IsCausal ? Pooling.MeanSkipFirst : Pooling.Mean), attention = new(depth, Pooling.Attention);
        DeterministicRandom random = new(3);
        float[] query = [.. Enumerable.Range(0, depths.HiddenSize).Select(_ => (float)(2 * random.NextDouble() - 1))];
        TokenStates Read(IReadOnlyList<View> views, int expectedComputed)
        {
            using OpenBackbones backbones = new(Requests.Runtime with { CacheFolder = _folder.File("cache") });
            using BackboneReader reader = Open(backbones, backbone, views, new AttentionQuery(depth, query));
            (TokenStates tokens, float[] values, EncodingStatistics statistics) = ReadTokens(reader, [depth], texts);
            Assert.Equal(expectedComputed, statistics.ComputedTexts);
            for (int text = 0; text < texts.Length; text++)
            {
                int size = reader.HiddenSize, count = tokens.Of(text, depth).Length / size;
                float[][] states = [.. tokens.Of(text, depth).ToArray().Chunk(size)];
                double[] scores = [.. states.Select(state => state.Zip(query, (s, q) => (double)s * q).Sum())];
                double[] powers = [.. scores.Select(score => Math.Exp(score - scores.Max()))];
                float largest = states.Max(state => state.Max(Math.Abs));
                for (int i = 0; i < size; i++)
                {
                    double attended = states.Zip(powers, (state, power) => state[i] * power).Sum() / powers.Sum();
                    Assert.Equal(states.Average(state => (double)state[i]), values[text * reader.RowLength + i], 1e-5 * largest);
                    Assert.Equal(attended, values[text * reader.RowLength + 2 * size + i], 1e-4 * largest);
                }
                Assert.Equal(reader.AttendedCounts([texts[text]])[0], count);
            }
            return tokens;
        }

        View[] views = [mean, new(depths.BlockCount, mean.Pooling), attention];
        TokenStates computed = Read(views, 20), kept = Read(views, 0);
        // Another encoder of the same states finds them, but has to compute its own views.
        TokenStates again = Read([mean, mean, attention], 20);
        for (int text = 0; text < texts.Length; text++)
        {
            Assert.Equal(computed.Of(text, depth), kept.Of(text, depth));
            Vectors.AssertClose(
                computed.Of(text, depth), again.Of(text, depth), 1e-5f * computed.Of(text, depth).ToArray().Max(MathF.Abs), $"text {text}");
        }
    }

    [Fact]
    public void Tokens_that_are_asked_for_later_are_kept_beside_the_views_that_are_there()
    {
        string[] texts = Distinct(20);
        using (TextEncoder encoder = Load(Decoder, runtime: Cached)) Encode(encoder, texts);
        TokenStates[] tokens = [.. Enumerable.Range(0, 2).Select(run =>
        {
            using TextEncoder encoder = Load(Decoder, runtime: Cached);
            (TokenStates read, _, EncodingStatistics statistics) = ReadTokens(encoder.Reader, [1], texts);
            Assert.Equal(run == 0 ? 20 : 0, statistics.ComputedTexts);
            return read;
        })];
        Assert.All(Enumerable.Range(0, 20), text => Assert.Equal(tokens[0].Of(text, 1), tokens[1].Of(text, 1)));
        StoreInfo[] stores = [.. Directory.GetDirectories(_folder.File("cache")).Where(EmbeddingStore.IsStore).Select(EmbeddingStore.Inspect)];
        Assert.Contains(stores, store => store.Texts == 20);
    }

    [Fact]
    public void Attention_pooling_cannot_be_asked_for()
    {
        EncoderOptions options = new() { Views = ViewSelection.Of(new View(1, Pooling.Attention)) };
        string message = Assert.Throws<LlmEmbedException>(() => Load(Decoder, options)).Message;
        Assert.Contains("learned from labelled texts", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Only_the_texts_that_the_store_lacks_are_computed_and_progress_counts_the_others_as_kept()
    {
        string[] texts = Distinct(60);
        using TextEncoder encoder = Load(Encoder, runtime: Cached);
        Encode(encoder, texts[..20]);
        List<WorkProgress> reports = [];
        TextEmbeddings embeddings = encoder.Encode([.. texts, .. texts[..5]], new ProgressCallback(reports.Add), Cancellation);
        Assert.Equal((65, 40, 20), (embeddings.Statistics.Texts, embeddings.Statistics.ComputedTexts, embeddings.Statistics.CachedTexts));
        Assert.All(reports, report => Assert.Equal((60L, 20L, "texts"), (report.Total, report.Kept, report.Unit)));
        Assert.Equal(60, reports[^1].Done);
        Assert.Equal(reports.Select(report => report.Done).Order(), reports.Select(report => report.Done));
    }

    [Fact]
    public void An_interrupted_run_resumes_after_its_last_shard_with_the_bits_of_an_undisturbed_one()
    {
        string[] texts = LongTexts(1500); // several shards
        using TextEncoder undisturbed = Load(Decoder);
        TextEmbeddings expected = Encode(undisturbed, texts);

        using (TextEncoder interrupted = Load(Decoder, runtime: Cached))
        {
            using CancellationTokenSource source = new();
            ProgressCallback progress = ProgressCallback.CancelWhen(source, report => report.Done > 1000);
            Assert.Throws<OperationCanceledException>(() => interrupted.Encode(texts, progress, source.Token));
        }

        using TextEncoder resumed = Load(Decoder, runtime: Cached);
        TextEmbeddings actual = Encode(resumed, texts);
        Assert.InRange(actual.Statistics.CachedTexts, 500, 1000);
        Assert.Equal(1500, actual.Statistics.CachedTexts + actual.Statistics.ComputedTexts);
        Assert.Equal(expected.Values, actual.Values);
    }

    [Fact]
    public void Cancellation_throws_and_leaves_an_encoder_and_a_store_that_can_be_used()
    {
        using TextEncoder encoder = Load(Encoder, runtime: Cached);
        using CancellationTokenSource source = new();
        Assert.Throws<OperationCanceledException>(() => encoder.Encode(LongTexts(200), ProgressCallback.CancelWhen(source, _ => true), source.Token));
        Assert.ThrowsAny<OperationCanceledException>(() => encoder.Encode(["one text"], progress: null, source.Token));
        string[] texts = Distinct(10);
        Assert.Equal(10, Encode(encoder, texts).Statistics.ComputedTexts);
        Assert.Equal(10, Encode(encoder, texts).Statistics.CachedTexts);
    }

    [Fact]
    public void What_goes_wrong_while_batches_are_computed_side_by_side_comes_out_as_it_is()
    {
        using TextEncoder encoder = Load(Encoder, runtime: new() { Threads = 2 });
        ProgressCallback failing = new(progress =>
        {
            if (progress.Done > 0) throw new InvalidDataException("as thrown");
        });
        Assert.Equal("as thrown", Assert.Throws<InvalidDataException>(() => encoder.Encode(LongTexts(300), failing, Cancellation)).Message);
        Assert.Equal(10, Encode(encoder, Distinct(10)).Statistics.ComputedTexts);
    }

    [Fact]
    public void A_truncated_text_is_counted_and_equals_its_beginning()
    {
        using TextEncoder encoder = Load(Decoder, new() { MaxTokens = 8 });
        string text = string.Concat(Enumerable.Repeat("12345678", 4)); // a token per digit
        TextEmbeddings embeddings = Encode(encoder, [text, text, text[..8], text[..7]]);
        Assert.Equal(2, embeddings.Statistics.TruncatedTexts);
        Assert.Equal((8 + 8 + 7, 8 + 8 + 8 + 7), (embeddings.Statistics.Tokens, embeddings.Statistics.InputTokens));
        float largest = embeddings[0].ToArray().Max(MathF.Abs);
        Vectors.AssertClose(embeddings[0], embeddings[2], Promised * largest, "the beginning");
        Assert.False(embeddings[0].SequenceEqual(embeddings[3]));
    }

    [Fact]
    public void A_text_without_tokens_gives_zeros_and_its_index()
    {
        using TextEncoder encoder = Load(Decoder, runtime: Cached);
        TextEmbeddings embeddings = Encode(encoder, ["", "a text", "", ""]);
        Assert.Equal([0, 2, 3], embeddings.Statistics.TextsWithoutTokens);
        Assert.Equal(1, embeddings.Statistics.ComputedTexts);
        Assert.All(new[] { 0, 2, 3 }, text => Assert.True(embeddings[text].IndexOfAnyExcept(0f) < 0));
        Assert.True(embeddings[1].IndexOfAnyExcept(0f) >= 0);
        Assert.Equal(4, Encode(encoder, ["", "", "", ""]).Statistics.TextsWithoutTokens.Count);
    }

    [Fact]
    public void No_texts_give_no_rows()
    {
        using TextEncoder encoder = Load(Encoder);
        TextEmbeddings embeddings = Encode(encoder, []);
        Assert.Equal(0, embeddings.Count);
        Assert.Equal(0, embeddings.Statistics.ComputedTexts);
    }

    [Theory]
    [MemberData(nameof(SomeBackbones))]
    public void The_number_of_threads_changes_no_bit(string backbone)
    {
        // One batch, which threads share, and eight or more, of which each thread takes its own.
        // The starter backbones are slow: they read fewer texts, and int8 (their outcome of auto) is asked for, which saves the comparison with fp32.
        bool isStarter = !Directory.Exists(Repository.Fixture(backbone));
        string[] few = Distinct(20), many = LongTexts(isStarter ? 140 : 300);
        float[][] expected = Read(1);
        foreach (int threads in new[] { 2, 3 }) Assert.Equal(expected, Read(threads));

        float[][] Read(int threads)
        {
            // Weights of its own: quantizing runs on these threads too.
            Precision precision = isStarter ? Precision.Int8 : Precision.Auto;
            RuntimeOptions runtime = new() { Threads = threads, WeightsFolder = _folder.File($"weights {threads}") };
            using TextEncoder encoder = Load(backbone, new() { Precision = precision }, runtime);
            return [[.. Encode(encoder, few).Values], [.. Encode(encoder, many).Values]];
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Concurrent_calls_agree(bool withStore)
    {
        using TextEncoder encoder = Load(Decoder, runtime: withStore ? Cached : null);
        using TextEncoder alone = Load(Decoder);
        string[] texts = LongTexts(300);
        TextEmbeddings expected = Encode(alone, texts);
        TextEmbeddings[] found = new TextEmbeddings[6];
        Parallel.For(0, found.Length, new ParallelOptions { MaxDegreeOfParallelism = found.Length, CancellationToken = Cancellation }, call =>
            found[call] = Encode(encoder, [.. texts.Skip(call * 20), .. texts.Take(call * 20)]));
        // Each call sorts another order of the texts into its batches, so the last bits may differ.
        for (int call = 0; call < found.Length; call++) Vectors.AssertSame(expected, found[call], Promised, text => (text - call * 20 + 300) % 300);
    }

    [Theory]
    [InlineData(Decoder)]
    [InlineData("mistral")]
    [InlineData(Encoder)]
    [InlineData("roberta")]
    public void Padding_to_a_fixed_length_changes_no_mean(string backbone)
    {
        EncoderOptions options = new() { Views = ViewSelection.At("all", [Pooling.Mean, Pooling.Last]), MaxTokens = 30 };
        using TextEncoder free = Load(backbone, options);
        using TextEncoder padded = Load(backbone, options with { PadTo = 40 });
        string[] texts = Distinct(20);
        TextEmbeddings expected = Encode(free, texts);
        TextEmbeddings actual = Encode(padded, texts);
        Assert.Equal(20 * 40, actual.Statistics.PaddedTokens);
        Vectors.AssertSame(expected, actual, Promised);
    }

    [Fact]
    public void Encoders_that_differ_in_what_decides_an_embedding_share_no_store()
    {
        EncoderOptions options = new() { Views = ViewSelection.At("1", [Pooling.Mean]), Precision = Precision.Fp32 };
        RuntimeOptions runtime = Cached with { WeightsFolder = _folder.File("weights") };
        string changed = _folder.CopyFixture(Encoder);
        TemporaryFolder.EditJson(Path.Combine(changed, "config.json"), config => config["layer_norm_eps"] = 1e-6);
        string otherTokenizer = _folder.CopyFixture(Encoder, "other-tokenizer");
        TemporaryFolder.EditJson(Path.Combine(otherTokenizer, "tokenizer.json"), tokenizer => tokenizer["truncation"] = null);
        (string Backbone, EncoderOptions Options)[] different =
        [
            (Encoder, options), (changed, options), (otherTokenizer, options),
            (Encoder, options with { Views = ViewSelection.At("2", [Pooling.Mean]) }),
            (Encoder, options with { Views = ViewSelection.At("1", [Pooling.First]) }),
            (Encoder, options with { MaxTokens = 10 }),
            (Encoder, options with { PadTo = 64 }),
            (Encoder, options with { Precision = Precision.Int8 }),
            ("bert-mlm", options),
        ];
        foreach ((string backbone, EncoderOptions variant) in different)
        {
            using TextEncoder encoder = Load(backbone, variant, runtime);
            Assert.Equal(1, Encode(encoder, ["one text"]).Statistics.ComputedTexts);
        }
        Assert.Equal(different.Length, Directory.EnumerateDirectories(_folder.File("cache")).Count());
        using TextEncoder renamed = Load(_folder.CopyFixture(Encoder, "renamed"), options, runtime with { Threads = 1 });
        Assert.Equal(1, Encode(renamed, ["one text"]).Statistics.CachedTexts);
    }

    [Fact]
    public void A_disposed_encoder_says_so()
    {
        TextEncoder encoder = Load(Encoder);
        Encode(encoder, ["a text"]);
        encoder.Dispose();
        encoder.Dispose();
        Assert.Throws<ObjectDisposedException>(() => Encode(encoder, ["a text"]));
    }

    [Fact]
    public void What_was_loaded_is_described()
    {
        using TextEncoder encoder = Load(Decoder, new() { Views = ViewSelection.At("1,3", [Pooling.Mean]) });
        Assert.Equal((Decoder, 64, 3, 64), (encoder.Name, encoder.HiddenSize, encoder.BlockCount, encoder.MaxTokens));
        Assert.Equal([new View(1, Pooling.Mean), new View(3, Pooling.Mean)], encoder.Views);
        using TextEncoder starter = Load("smollm2-135m-instruct");
        Assert.Equal(256, starter.MaxTokens);
    }

    [Fact]
    public void A_backbone_that_cannot_be_opened_leaves_its_files_free()
    {
        string folder = _folder.CopyFixture(Encoder);
        TemporaryFolder.EditJson(Path.Combine(folder, "config.json"), config => config["model_type"] = "falcon");
        Assert.Contains(
            "'falcon' is not implemented", Assert.Throws<LlmEmbedException>(() => Requests.LoadEncoder(folder)).Message, StringComparison.Ordinal);
        using FileStream exclusive = new(Path.Combine(folder, "model.safetensors"), FileMode.Open, FileAccess.ReadWrite, FileShare.None);
    }

    [Fact]
    public void A_missing_weight_is_named_when_the_first_text_needs_it()
    {
        string folder = _folder.CopyFixture(Decoder);
        TemporaryFolder.EditJson(Path.Combine(folder, "config.json"), config => config["num_hidden_layers"] = 5);
        using TextEncoder encoder = Requests.LoadEncoder(folder, new() { Precision = Precision.Fp32 });
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => Encode(encoder, ["a text"]));
        Assert.Contains("model.layers.3.", error.Message, StringComparison.Ordinal);
        Assert.Equal(folder, error.FilePath);
    }

    public static TheoryData<string, EncoderOptions, string> Refusals => new()
    {
        { Decoder, new() { Views = ViewSelection.Of() }, "No depth and pooling to keep" },
        { Decoder, new() { Views = ViewSelection.At(null, []) }, "No depth and pooling to keep" },
        { Decoder, new() { Views = ViewSelection.Of(new View(4, Pooling.Mean)) }, "Depth 4 is outside 0..3, the depths of llama-gqa" },
        { Decoder, new() { Views = ViewSelection.Of(new View(-1, Pooling.Mean)) }, "Depth -1 is outside 0..3" },
        { Decoder, new() { Views = ViewSelection.At("7") }, "Depth '7' is outside 0..3" },
        { Decoder, new() { Views = ViewSelection.At(null, [Pooling.Pooler]) }, "llama-gqa (llama) has none" },
        { "bert-mlm", new() { Views = ViewSelection.At(null, [Pooling.Pooler]) }, "bert-mlm (bert) has none" },
        { Encoder, new() { Views = ViewSelection.Of(new View(3, Pooling.Pooler)) }, "reads the last depth only, which is 4 for bert; depth 3" },
        { Decoder, new() { Views = ViewSelection.At(null, [Pooling.MeanWithPads]) }, "needs a fixed length to pad to" },
        { Decoder, new() { MaxTokens = 65 }, "At most 65 tokens were asked for; llama-gqa has positions for 1 to 64" },
        { Decoder, new() { MaxTokens = 0 }, "At most 0 tokens were asked for" },
        { "roberta", new() { MaxTokens = 65 }, "positions for 1 to 64" },
        { Encoder, new() { MaxTokens = 1 }, "A limit of 1 tokens leaves no room" },
        { Decoder, new() { PadTo = 65, MaxTokens = 64 }, "cannot be padded to 65 tokens" },
        { Decoder, new() { PadTo = 20, MaxTokens = 30 }, "expected at least the 30 tokens" },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public void What_the_options_ask_for_and_the_backbone_lacks_is_refused_when_it_is_opened(string backbone, EncoderOptions options, string expected)
    {
        string message = Assert.Throws<LlmEmbedException>(() => Load(backbone, options)).Message;
        Assert.Contains(expected, message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_threads_are_refused()
    {
        string message = Assert.Throws<LlmEmbedException>(() => Load(Decoder, runtime: new() { Threads = 0 })).Message;
        Assert.Contains("0 threads were asked for", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_tokenizer_of_another_model_is_refused()
    {
        string folder = _folder.CopyFixture(Decoder); // 448 tokens
        File.Copy(Repository.Fixture("llama-mha", "tokenizer.json"), Path.Combine(folder, "tokenizer.json"), overwrite: true); // 480 tokens
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => Requests.LoadEncoder(folder));
        Assert.Contains("embeddings for 448 tokens only. The files belong to different models.", error.Message, StringComparison.Ordinal);
        Assert.Equal(folder, error.FilePath);
    }

    [Fact]
    public void A_padding_token_without_an_embedding_is_refused_only_where_padding_counts()
    {
        string folder = _folder.CopyFixture(Decoder);
        TemporaryFolder.EditJson(Path.Combine(folder, "config.json"), config => config["pad_token_id"] = 448);
        using (TextEncoder encoder = Requests.LoadEncoder(folder)) Assert.Equal(1, Encode(encoder, ["a text"]).Count);
        string message = Assert.Throws<LlmEmbedException>(() => Requests.LoadEncoder(folder, new() { PadTo = 64 })).Message;
        Assert.Contains("'pad_token_id' is 448", message, StringComparison.Ordinal);
    }

    private static void AssertGolden(string path, string goldenFolder)
    {
        using Golden golden = Golden.OfFixture(goldenFolder);
        EncoderOptions options = new() { Views = ViewSelection.At("all", [Pooling.Mean]), MaxTokens = golden.MaxTokens, Precision = Precision.Fp32 };
        using TextEncoder encoder = Requests.LoadEncoder(path, options);
        TextEmbeddings embeddings = Encode(encoder, golden.Texts);
        Assert.Equal(golden.Ids.Sum(ids => ids.Length), embeddings.Statistics.Tokens);
        for (int depth = 0; depth <= encoder.BlockCount; depth++)
        {
            float[] expected = golden.Pooled("mean", depth); // [N,H]
            for (int text = 0; text < golden.Texts.Length; text++)
                Vectors.AssertClose(
                    expected.AsSpan(text * encoder.HiddenSize, encoder.HiddenSize), embeddings[text, depth], 2e-4f, $"text {text}, depth {depth}");
        }
    }

    /// <summary>A fixture, a starter backbone or a path.</summary>
    private static TextEncoder Load(string backbone, EncoderOptions? options = null, RuntimeOptions? runtime = null) =>
        Requests.LoadEncoder(
            backbone, options, (runtime ?? new()) with
            {
                ModelFolders = Requests.Runtime.ModelFolders,
                WeightsFolder = runtime?.WeightsFolder ?? QuantizedWeights.Folder,
            });

    private RuntimeOptions Cached => new() { CacheFolder = _folder.File("cache") };

    /// <summary>A reader with queries of attention pooling, which no user can ask for.</summary>
    private static BackboneReader Open(OpenBackbones backbones, string backbone, IReadOnlyList<View> views, params AttentionQuery[] queries)
    {
        OpenBackbone open = backbones.Open(backbone, default);
        EncoderOptions options = new() { Views = ViewSelection.Of(views), Precision = Precision.Fp32 };
        return new BackboneReader(open, BackbonePlan.For(open, options) with { AttentionQueries = queries }, backbones.Runtime);
    }

    /// <summary>The states of all tokens at some depths, and the pooled states beside them.</summary>
    private static (TokenStates Tokens, float[] Values, EncodingStatistics Statistics) ReadTokens(
        BackboneReader reader, int[] depths, string[] texts)
    {
        int row = reader.RowLength;
        TokenStates tokens = TokenStates.Allocate(reader.Name, depths, reader.HiddenSize, reader.AttendedCounts(texts), long.MaxValue)!;
        float[] values = new float[texts.Length * row];
        EncodingStatistics statistics = reader.Read(
            texts, text => values.AsSpan(text * row, row), progress: null, Cancellation, new(depths, tokens.Of));
        return (tokens, values, statistics);
    }

    private static TextEmbeddings Encode(TextEncoder encoder, IReadOnlyList<string> texts) => encoder.Encode(texts, progress: null, Cancellation);

    /// <summary>Texts of many scripts and lengths; none is empty.</summary>
    private static string[] Distinct(int count) => [.. GoldenTexts.Texts.Where(text => text.Trim().Length > 2).Take(count)];

    /// <summary>Texts that fill all 64 positions of a fixture.</summary>
    private static string[] LongTexts(int count) => [.. Enumerable.Range(0, count).Select(LongText)];

    private static string LongText(int i) => string.Create(
        CultureInfo.InvariantCulture,
        $"{i:D5} ships passed the lighthouse on day {i * 7919 % 10007:D5} of the long voyage across the cold northern sea, said the keeper");
}
