using LlmEmbed.Data;
using LlmEmbed.Reading;
using LlmEmbed.Tests.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Reading;

public sealed class TokenStatesTests : IDisposable
{
    /// <summary>How far a state may depend on the other texts of its batch, as a share of the largest value of the text.</summary>
    private const float Promised = 1e-5f;

    private readonly TemporaryFolder _folder = new();
    private readonly OpenBackbones _backbones = new(Requests.Runtime);

    public void Dispose()
    {
        _backbones.Dispose();
        _folder.Dispose();
    }

    /// <summary>A decoder, which may be read behind a line break that goes through the blocks once for all texts, and an encoder.</summary>
    public static TheoryData<string, string?, Precision> Readings
    {
        get
        {
            TheoryData<string, string?, Precision> readings = [];
            foreach (Precision precision in new[] { Precision.Fp32, Precision.Int8 })
                foreach ((string backbone, string? prompt) in new[] { ("llama-gqa", null), ("llama-gqa", "\n"), ("bert", (string?)null) })
                    readings.Add(backbone, prompt, precision);
            return readings;
        }
    }

    [Theory]
    [MemberData(nameof(Readings))]
    public void Several_depths_in_one_pass_are_what_each_depth_gives_alone(string backbone, string? prompt, Precision precision)
    {
        int[] depths = [2, 0, 1];
        using BackboneReader all = Reader(backbone, prompt, precision, QueriesAt(backbone, depths));
        (TokenStates together, float[] pooled, _) = Read(all, depths, Texts);
        foreach ((int place, int depth) in depths.Index())
        {
            using BackboneReader one = Reader(backbone, prompt, precision, QueriesAt(backbone, depth));
            (TokenStates alone, float[] own, _) = Read(one, [depth], Texts);
            for (int text = 0; text < Texts.Length; text++)
            {
                Assert.Equal(alone.Of(text, depth), together.Of(text, depth));
                Assert.Equal(Pooled(one, own, text, 0), Pooled(all, pooled, text, place));
            }
        }
    }

    [Theory]
    [MemberData(nameof(Readings))]
    public void Each_depth_is_pooled_by_its_own_query(string backbone, string? prompt, Precision precision)
    {
        AttentionQuery[] queries = QueriesAt(backbone, 1, 2);
        using BackboneReader reader = Reader(backbone, prompt, precision, queries);
        (TokenStates tokens, float[] pooled, _) = Read(reader, [1, 2], Texts);
        for (int text = 0; text < Texts.Length; text++)
        {
            foreach ((int place, AttentionQuery query) in queries.Index())
            {
                float[][] states = [.. tokens.Of(text, query.Depth).ToArray().Chunk(reader.HiddenSize)];
                Assert.Equal(reader.AttendedCounts([Texts[text]])[0], states.Length);
                float largest = states.Max(state => state.Max(MathF.Abs));
                Vectors.AssertClose(PoolPlainly(states, query.Values), Pooled(reader, pooled, text, place), 1e-5f * largest, $"text {text}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Readings))]
    public void A_text_gives_the_same_at_all_depths_alone_and_among_longer_ones(string backbone, string? prompt, Precision precision)
    {
        int[] depths = [0, 1, 2];
        using BackboneReader reader = Reader(backbone, prompt, precision, QueriesAt(backbone, depths));
        (TokenStates together, float[] pooled, _) = Read(reader, depths, Texts);
        for (int text = 0; text < Texts.Length; text += 5)
        {
            (TokenStates alone, float[] own, _) = Read(reader, depths, [Texts[text]]);
            foreach ((int place, int depth) in depths.Index())
            {
                float tolerance = Promised * alone.Of(0, depth).ToArray().Max(MathF.Abs);
                Vectors.AssertClose(alone.Of(0, depth), together.Of(text, depth), tolerance, $"text {text}, depth {depth}");
                Vectors.AssertClose(Pooled(reader, own, 0, place), Pooled(reader, pooled, text, place), tolerance, $"text {text}, depth {depth}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Readings))]
    public void The_store_gives_the_bits_that_were_computed_and_keeps_each_depth_once(string backbone, string? prompt, Precision precision)
    {
        RuntimeOptions cached = Requests.Runtime with { CacheFolder = _folder.File("cache") };
        string[] texts = [.. Texts, .. Texts[..3]];
        int half = Texts.Length / 2;
        TokenStates Check(string[] read, int[] depths, int expectedComputed)
        {
            using BackboneReader stored = Reader(backbone, prompt, precision, QueriesAt(backbone, 1, 2), cached);
            (TokenStates tokens, float[] pooled, int computed) = Read(stored, depths, read);
            Assert.Equal(expectedComputed, computed);
            using BackboneReader computing = Reader(backbone, prompt, precision, QueriesAt(backbone, 1, 2));
            (TokenStates expected, float[] values, _) = Read(computing, depths, read);
            // Where only some texts were computed, they were in other batches.
            bool isSame = computed == 0 || computed == Texts.Length;
            float largest = values.Max(MathF.Abs);
            Vectors.AssertClose(values, pooled, isSame ? 0 : Promised * largest, "pooled");
            for (int text = 0; text < read.Length; text++)
                foreach (int depth in depths)
                    Vectors.AssertClose(
                        expected.Of(text, depth), tokens.Of(text, depth), isSame ? 0 : Promised * largest, $"text {text}, depth {depth}");
            return tokens;
        }

        TokenStates first = Check(texts, [0, 2], Texts.Length);
        Check(texts, [2, 0], 0);
        Check(texts, [2], 0);
        Check(texts, [2, 1], Texts.Length); // depth 1 is lacking
        Check(texts, [0, 1, 2], 0);
        for (int text = 0; text < 3; text++) Assert.Equal(first.Of(text, 0), first.Of(Texts.Length + text, 0));
        using (BackboneReader reader = Reader(backbone, prompt, precision, QueriesAt(backbone, 1, 2), cached))
        {
            Assert.Equal(half, Read(reader, [3], Texts[..half]).Computed);
            Assert.Equal(Texts.Length - half, Read(reader, [1, 3], Texts).Computed);
        }
        // Another query pools otherwise, and finds the states of tokens.
        using (BackboneReader other = Reader(backbone, prompt, precision, QueriesAt(backbone, 2, 3), cached))
            Assert.Equal(Texts.Length, Read(other, [0, 1, 2, 3], Texts).Computed);
        int tokens = Enumerable.Range(0, Texts.Length).Sum(text => first.Of(text, 0).Length / first.HiddenSize);
        IEnumerable<long> stores = Directory.GetDirectories(_folder.File("cache")).Where(EmbeddingStore.IsStore)
            .Select(folder => EmbeddingStore.Inspect(folder).Texts);
        Assert.Equal([(long)Texts.Length, Texts.Length, tokens, tokens, tokens, tokens], stores.Order());
    }

    [Fact]
    public void The_fingerprint_knows_every_query_and_its_depth_but_not_their_order()
    {
        AttentionQuery[] queries = QueriesAt("llama-gqa", 1, 2);
        string Sha256(params AttentionQuery[] given)
        {
            using BackboneReader reader = Reader("llama-gqa", null, Precision.Fp32, given, views: [new(3, Pooling.Last)]);
            return reader.Fingerprint.Sha256;
        }

        AttentionQuery swapped = queries[0] with { Values = queries[1].Values };
        string[] different = [Sha256(), Sha256(queries[0]), Sha256(queries), Sha256(swapped), Sha256(swapped, queries[1]), Sha256(queries[1])];
        Assert.Equal(different.Length, different.Distinct().Count());
        Assert.Equal(Sha256(queries), Sha256(queries[1], queries[0]));
    }

    [Fact]
    public void Room_for_all_depths_together_is_refused_where_they_would_take_too_much()
    {
        const int Bytes = 5 * 4 * sizeof(float);
        Assert.NotNull(TokenStates.Allocate("decoder", [1], 4, [3, 2], Bytes));
        Assert.Null(TokenStates.Allocate("decoder", [1], 4, [3, 3], Bytes));
        Assert.NotNull(TokenStates.Allocate("decoder", [1, 2, 5], 4, [3, 2], 3 * Bytes));
        Assert.Null(TokenStates.Allocate("decoder", [1, 2, 5], 4, [3, 2], 3 * Bytes - 1));
        Assert.Throws<ArgumentException>(() => TokenStates.Allocate("decoder", [], 4, [3], Bytes));
        Assert.Throws<ArgumentException>(() => TokenStates.Allocate("decoder", [1, 1], 4, [3], 2 * Bytes));
    }

    [Fact]
    public void Texts_and_depths_are_chosen_without_a_copy()
    {
        TokenStates all = TokenStates.Allocate("decoder", [4, 1, 2], 2, [1, 3, 2], long.MaxValue)!;
        TokenStates chosen = all.Select([2, 0]).WithDepths(depth => depth <= 2)!;
        Assert.Equal([1, 2], chosen.Depths);
        Assert.Equal(2, chosen.Rows);
        chosen.Of(0, 2).Fill(7);
        Assert.Equal([7, 7, 7, 7], all.Of(2, 2));
        Assert.All(all.Of(2, 1).ToArray(), value => Assert.Equal(0, value));
        Assert.All(all.Of(1, 2).ToArray(), value => Assert.Equal(0, value));
        Assert.Null(all.WithDepths(depth => depth > 4));
        Assert.Throws<ArgumentOutOfRangeException>(() => chosen.Of(0, 4).Length);
        Assert.Null(all.RowsOf("encoder", [0]));
        TokenRows rows = all.RowsOf("decoder", [1])!;
        Assert.Equal([4, 1, 2], rows.Depths);
        rows.Of(0, 4).Fill(3);
        Assert.Equal([3, 3, 3, 3, 3, 3], all.Of(1, 4));
    }

    [Fact]
    public void A_query_is_needed_at_each_depth_once_and_of_the_right_length()
    {
        AssertRefused("'attention' is learned from labelled texts", [new(1, Pooling.Attention)]);
        AssertRefused(
            "'attention' at depth 2 of llama-gqa needs a query of its own, expected one of the depths 1, 3",
            [new(1, Pooling.Attention), new(2, Pooling.Attention)],
            QueriesAt("llama-gqa", 1, 3));
        AssertRefused(
            "The query of attention pooling at depth 2 of llama-gqa has 3 numbers, expected 64",
            [new(1, Pooling.Attention)],
            [.. QueriesAt("llama-gqa", 1), new(2, new float[3])]);
        AssertRefused(
            "The query of attention pooling at depth 1 of llama-gqa is given more than once",
            [new(1, Pooling.Attention)],
            QueriesAt("llama-gqa", 1, 1));
    }

    [Fact]
    public void Tokens_of_depths_that_no_block_reaches_cannot_be_asked_for()
    {
        using BackboneReader reader = Reader("llama-gqa", null, Precision.Fp32, [], views: [new(1, Pooling.Last)]);
        Assert.Contains("depths up to 1", Assert.Throws<ArgumentException>(() => Read(reader, [1, 2], Texts)).Message, StringComparison.Ordinal);
    }

    private void AssertRefused(string expected, View[] views, params AttentionQuery[] queries)
    {
        LlmEmbedException exception = Assert.Throws<LlmEmbedException>(() => Reader("llama-gqa", null, Precision.Fp32, queries, views: views));
        Assert.Contains(expected, exception.Message, StringComparison.Ordinal);
    }

    /// <summary>Texts of many scripts and lengths; none is empty.</summary>
    private static string[] Texts { get; } = [.. GoldenTexts.Texts.Where(text => text.Trim().Length > 2).Take(24)];

    /// <summary>A reader of all blocks, with attention pooling by each query and the last token at the last depth behind it.</summary>
    private BackboneReader Reader(
        string backbone,
        string? prompt,
        Precision precision,
        IReadOnlyList<AttentionQuery> queries,
        RuntimeOptions? runtime = null,
        IReadOnlyList<View>? views = null)
    {
        OpenBackbone open = _backbones.Open(backbone, default);
        views ??= [.. queries.Select(query => new View(query.Depth, Pooling.Attention)), new View(open.Model.BlockCount, Pooling.Last)];
        EncoderOptions options = new() { Views = ViewSelection.Of([.. views]), Precision = precision, Prompt = prompt };
        return new BackboneReader(open, BackbonePlan.For(open, options) with { AttentionQueries = queries }, runtime ?? Requests.Runtime);
    }

    /// <summary>A query for each depth, the same ones each time.</summary>
    private AttentionQuery[] QueriesAt(string backbone, params int[] depths)
    {
        int size = _backbones.Open(backbone, default).Model.HiddenSize;
        return [.. depths.Select(depth =>
        {
            DeterministicRandom random = new((ulong)depth);
            return new AttentionQuery(depth, [.. Enumerable.Range(0, size).Select(_ => (float)(2 * random.NextDouble() - 1))]);
        })];
    }

    /// <summary>The states of all tokens at some depths, the pooled states beside them, and how many texts were computed.</summary>
    private static (TokenStates Tokens, float[] Pooled, int Computed) Read(BackboneReader reader, int[] depths, string[] texts)
    {
        int row = reader.RowLength;
        TokenStates tokens = TokenStates.Allocate(reader.Name, depths, reader.HiddenSize, reader.AttendedCounts(texts), long.MaxValue)!;
        float[] pooled = new float[texts.Length * row];
        EncodingStatistics statistics = reader.Read(
            texts,
            text => pooled.AsSpan(text * row, row),
            progress: null,
            TestContext.Current.CancellationToken,
            tokens.RowsOf(reader.Name, [.. Enumerable.Range(0, texts.Length)]));
        return (tokens, pooled, statistics.ComputedTexts);
    }

    /// <summary>[H] of a view.</summary>
    private static float[] Pooled(BackboneReader reader, float[] pooled, int text, int view) =>
        pooled[(text * reader.RowLength + view * reader.HiddenSize)..][..reader.HiddenSize];

    /// <summary>The sum of states, weighted by the softmax of their products with a query, in the plainest way.</summary>
    private static float[] PoolPlainly(float[][] states, float[] query)
    {
        double[] scores = [.. states.Select(state => state.Zip(query, (s, q) => (double)s * q).Sum())];
        double[] powers = [.. scores.Select(score => Math.Exp(score - scores.Max()))];
        double Channel(int i) => states.Zip(powers, (state, power) => state[i] * power).Sum() / powers.Sum();
        return [.. Enumerable.Range(0, query.Length).Select(i => (float)Channel(i))];
    }
}
