using LlmEmbed.Engine;
using Xunit;

namespace LlmEmbed.Tests.Engine;

/// <summary>The attention operator in both of its forms against the formula in fp64.</summary>
public sealed class AttentionOperatorTests
{
    private const int Longest = 37, Positions = 64;

    private readonly Random _random = new(3);

    /// <summary>Heads of whole vectors and of parts of them, groups, and each flag alone and with others.</summary>
    public static TheoryData<int, int, int, bool, bool, int, int, bool> Shapes => new()
    {
        { 2, 2, 32, false, false, 0, 0, false },
        { 3, 3, 10, false, false, 0, 0, false },
        { 6, 2, 64, true, true, 0, 0, false },
        { 4, 4, 48, true, true, 0, 0, false },
        { 4, 1, 16, true, true, 0, 3, false },
        { 2, 1, 64, true, true, 5, 0, false },
        { 2, 2, 16, true, true, 4, 20, false },
        { 3, 3, 24, false, true, 0, 0, false }, // rotary positions in both directions
        { 4, 2, 32, true, false, 0, 0, false }, // causal without rotary positions
        { 2, 2, 16, true, false, 6, 5, false },
        { 2, 2, 32, false, false, 4, 0, false }, // windows to both sides
        { 4, 2, 20, false, true, 9, 0, false },
        { 2, 2, 16, false, true, 1, 0, false }, // a token sees itself alone
        { 2, 2, 16, false, true, 40, 0, false }, // a window wider than every text
        { 3, 3, 20, false, false, 0, 0, true }, // scores by distance in both directions
        { 4, 2, 16, false, true, 7, 0, true },
        { 2, 2, 16, true, false, 0, 5, true },
        { 4, 2, 32, true, true, 6, 20, true },
    };

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Each_token_weighs_the_values_it_sees(
        int heads, int keyValueHeads, int size, bool isCausal, bool isRotary, int window, int prefix, bool hasDistanceBias)
    {
        AttentionShape shape = new(heads, keyValueHeads, size, 0.1f)
        {
            IsCausal = isCausal,
            IsRotary = isRotary,
            Window = window,
            PrefixLength = prefix,
            HasDistanceBias = hasDistanceBias,
        };
        AssertFormula(new Values(this, shape, [Longest, 1, 8, 9, 36]));
    }

    [Theory]
    [InlineData(2, 2, 32, 24, true, 0, 0f)] // a part of each head is turned
    [InlineData(4, 2, 64, 16, false, 3, 0f)]
    [InlineData(4, 2, 16, 16, true, 0, 0.7f)] // scores have a limit
    [InlineData(3, 3, 20, 6, true, 5, 2f)]
    public void Heads_may_be_turned_in_part_and_scores_may_have_a_limit(
        int heads, int keyValueHeads, int size, int turned, bool isCausal, int prefix, float cap)
    {
        AttentionShape shape = new(heads, keyValueHeads, size, 0.1f) { IsCausal = isCausal, IsRotary = true, PrefixLength = prefix, ScoreCap = cap };
        AssertFormula(new Values(this, shape, [Longest, 1, 8, 9, 36]) { TurnedPairs = turned / 2 });
    }

    private static void AssertFormula(Values values)
    {
        (int heads, int size) = (values.Shape.Heads, values.Shape.HeadSize);
        float[] ofParts = values.Run(areApart: true), ofProduct = values.Run(areApart: false);
        for (int text = 0; text < values.Lengths.Length; text++)
            for (int token = 0; token < values.Lengths[text]; token++)
                for (int head = 0; head < heads; head++)
                {
                    double[] expected = values.Attend(text, token, head);
                    for (int c = 0; c < size; c++)
                    {
                        int at = ((text * Longest + token) * heads + head) * size + c;
                        Assert.Equal(expected[c], ofParts[at], 2e-5);
                        Assert.Equal(expected[c], ofProduct[at], 2e-5);
                    }
                }
    }

    [Theory]
    [InlineData(true, 2)]
    [InlineData(false, 0)]
    [InlineData(false, 2)]
    public void Padding_comes_out_finite(bool isCausal, int window)
    {
        // Means multiply it by zero, which not a number would survive.
        Values values = new(this, new AttentionShape(2, 2, 16, 1) { IsCausal = isCausal, IsRotary = isCausal, Window = window }, [3, Longest]);
        Assert.All(values.Run(areApart: false), value => Assert.True(float.IsFinite(value)));
    }

    [Fact]
    public void A_text_gives_the_same_alone_and_among_many()
    {
        // Many texts are computed by groups of heads, one by single heads.
        AttentionShape shape = new(6, 2, 32, 0.2f) { IsCausal = true, IsRotary = true };
        Values many = new(this, shape, [.. Enumerable.Range(0, 40).Select(i => Longest - i % 3)]);
        float[] all = many.Run(areApart: false);
        for (int text = 0; text < many.Lengths.Length; text += 7)
        {
            int count = many.Lengths[text] * shape.Width;
            Assert.Equal(all.AsSpan(text * Longest * shape.Width, count), many.Only(text).Run(areApart: false).AsSpan(0, count));
        }
    }

    /// <summary>One call's inputs, with the queries, keys and values side by side.</summary>
    private sealed record Values(
        AttentionShape Shape,
        int[] Lengths,
        float[] Product,
        float[] Scale,
        float[] Biases,
        float[] Cos,
        float[] Sin,
        float[] PrefixKeys,
        float[] PrefixValues,
        float[] DistanceBias)
    {
        private const int Distances = 2 * Positions - 1;

        /// <summary>Pairs of channels that are turned, r/2.</summary>
        public int TurnedPairs { get; init; } = Shape.HeadSize / 2;

        private int Stride => Shape.Width + 2 * Shape.KeyValueWidth;

        public Values(AttentionOperatorTests test, AttentionShape shape, int[] lengths)
            : this(shape, lengths, [], [], [], [], [], [], [], [])
        {
            Product = test.Random(lengths.Length * Longest * Stride);
            Scale = [.. test.Random(lengths.Length * Longest).Select(value => Math.Abs(value) + 0.1f)];
            Biases = test.Random(Stride);
            double[] angles = [.. test.Random(Positions * shape.HeadSize / 2).Select(value => (double)value)];
            (Cos, Sin) = ([.. angles.Select(angle => (float)Math.Cos(angle))], [.. angles.Select(angle => (float)Math.Sin(angle))]);
            int prefix = Math.Max(1, shape.PrefixLength * shape.KeyValueWidth);
            (PrefixKeys, PrefixValues) = (test.Random(prefix), test.Random(prefix));
            DistanceBias = test.Random(shape.Heads * Distances);
        }

        public Values Only(int text) => this with
        {
            Lengths = [Lengths[text]],
            Product = Product.AsSpan(text * Longest * Stride, Longest * Stride).ToArray(),
            Scale = Scale.AsSpan(text * Longest, Longest).ToArray(),
        };

        /// <summary>[B,T,heads·d].</summary>
        public float[] Run(bool areApart)
        {
            OnnxGraph graph = new();
            using GraphFeeds feeds = new();
            string Fed<T>(string name, OnnxType type, T[] data, params long[] shape)
                where T : unmanaged
            {
                feeds.Add(name, data, shape);
                return graph.Input(name, type, [.. shape.Select(size => (int?)size)]);
            }
            string Rows(string name, int from, int width, bool isScaled)
            {
                float ValueOf(int row, int i) => Product[row * Stride + i] * (isScaled ? Scale[row] : 1);
                IEnumerable<float> RowOf(int row) => Enumerable.Range(from, width).Select(i => ValueOf(row, i));
                float[] part = [.. Enumerable.Range(0, Lengths.Length * Longest).SelectMany(RowOf)];
                return Fed(name, OnnxType.Float, part, Lengths.Length, Longest, width);
            }
            int half = TurnedPairs, prefix = Math.Max(1, Shape.PrefixLength);
            string[] values = areApart
                ?
                [
                    Rows("query", 0, Shape.Width, true),
                    Rows("key", Shape.Width, Shape.KeyValueWidth, true),
                    Rows("value", Shape.Width + Shape.KeyValueWidth, Shape.KeyValueWidth, true),
                ]
                : [Rows("product", 0, Stride, false), Fed("scale", OnnxType.Float, Scale, Lengths.Length, Longest, 1)];
            string[] inputs =
            [
                .. values,
                graph.Constant<float>(Biases, Stride),
                graph.Constant<float>(Cos.AsSpan(0, Positions * half), Positions, half),
                graph.Constant<float>(Sin.AsSpan(0, Positions * half), Positions, half),
                Fed("lengths", OnnxType.Int32, Lengths, Lengths.Length),
                graph.Constant<float>(PrefixKeys, prefix, PrefixKeys.Length / prefix),
                graph.Constant<float>(PrefixValues, prefix, PrefixValues.Length / prefix),
                graph.Constant<float>(DistanceBias, Shape.Heads, Distances),
                graph.Constant<float>(Shape.ToVector(), Shape.ToVector().Length),
            ];
            graph.Output(graph.Node(areApart ? "Attention" : "AttentionOfProduct", inputs), "y", OnnxType.Float, null, null, Shape.Width);
            using GraphSession session = new(graph, threads: 2);
            using GraphResults results = session.Run(feeds);
            return results.Span<float>(0).ToArray();
        }

        /// <summary>What one head gives for one token, by the formula.</summary>
        public double[] Attend(int text, int token, int head)
        {
            int size = Shape.HeadSize, keyHead = head / (Shape.Heads / Shape.KeyValueHeads), position = Shape.PrefixLength + token;
            double[] query = Turned(Own(text, token, head * size), position);
            List<(double Weight, double[] Value)> seen = [];
            for (int key = 0; key < Shape.PrefixLength + Lengths[text]; key++)
            {
                if (Shape.IsCausal && key > position) continue;
                if (Shape.Window > 0 && Math.Abs(key - position) >= Shape.Window) continue;
                int own = key - Shape.PrefixLength, at = Shape.Width + keyHead * size;
                double[] keys = own < 0 ? Prefix(PrefixKeys, key, keyHead) : Own(text, own, at);
                double[] values = own < 0 ? Prefix(PrefixValues, key, keyHead) : Own(text, own, at + Shape.KeyValueWidth);
                double bias = Shape.HasDistanceBias ? DistanceBias[head * Distances + Positions - 1 + key - position] : 0;
                double score = Shape.Scale * query.Zip(Turned(keys, key), (a, b) => a * b).Sum();
                if (Shape.ScoreCap > 0) score = Shape.ScoreCap * Math.Tanh(score / Shape.ScoreCap);
                seen.Add((Math.Exp(score + bias), values));
            }
            return [.. Enumerable.Range(0, size).Select(c => seen.Sum(s => s.Weight * s.Value[c]) / seen.Sum(s => s.Weight))];
        }

        private double[] Own(int text, int token, int at)
        {
            int row = text * Longest + token;
            return [.. Enumerable.Range(at, Shape.HeadSize).Select(i => (double)Product[row * Stride + i] * Scale[row] + Biases[i])];
        }

        private double[] Prefix(float[] values, int token, int head) =>
            [.. Enumerable.Range(token * Shape.KeyValueWidth + head * Shape.HeadSize, Shape.HeadSize).Select(i => (double)values[i])];

        private double[] Turned(double[] values, int position)
        {
            if (!Shape.IsRotary) return values;
            int half = TurnedPairs;
            return
            [
                .. Enumerable.Range(0, half).Select(i => values[i] * Cos[position * half + i] - values[half + i] * Sin[position * half + i]),
                .. Enumerable.Range(0, half).Select(i => values[half + i] * Cos[position * half + i] + values[i] * Sin[position * half + i]),
                .. values.Skip(2 * half),
            ];
        }
    }

    private float[] Random(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(_random.NextDouble() * 4 - 2))];
}
