using System.Runtime.InteropServices;
using LlmEmbed.Data;
using LlmEmbed.Engine;
using Xunit;

namespace LlmEmbed.Tests.Engine;

public sealed class OnnxGraphTests
{
    private static readonly float[] Input = [-2, -1, 0, 1, 2, 3]; // [2,3]

    [Fact]
    public void A_whole_number_is_an_attribute() =>
        Assert.Equal([-2, 0, 1, 3], Run((graph, x) => graph.Node("Gather", [x, graph.Constant<long>([0, 2], 2)], ("axis", 1))));

    [Fact]
    public void A_real_number_is_an_attribute() =>
        Assert.Equal([-1, -0.5f, 0, 1, 2, 3], Run((graph, x) => graph.Node("LeakyRelu", [x], ("alpha", 0.5f))));

    [Fact]
    public void A_text_is_an_attribute() =>
        Assert.Equal(
            [-1, -2, -1, 0, -1, 2, 1, 2, 3, 2],
            Run((graph, x) => graph.Node("Pad", [x, graph.Constant<long>([0, 1, 0, 1], 4)], ("mode", "reflect"))));

    [Fact]
    public void A_list_of_whole_numbers_is_an_attribute() =>
        Assert.Equal([-2, 1, -1, 2, 0, 3], Run((graph, x) => graph.Node("Transpose", [x], ("perm", new long[] { 1, 0 }))));

    [Fact]
    public void An_attribute_of_another_type_is_a_mistake_of_the_caller() =>
        Assert.Throws<NotSupportedException>(() => new OnnxGraph().Node("Relu", ["x"], new OnnxAttribute("wrong", 1.5m)));

    [Fact]
    public void An_optional_input_can_be_left_out()
    {
        Assert.Equal([-2, -1, 0, 1, 1, 1], Run((graph, x) => graph.Node("Clip", [x, "", graph.Scalar(1f)])));
        Assert.Equal([-1, -1, 0, 1, 2, 3], Run((graph, x) => graph.Node("Clip", [x, graph.Scalar(-1f)])));
    }

    [Fact]
    public void Optional_results_can_be_left_out()
    {
        float[] sum = Run((graph, x) =>
        {
            string three = graph.Node("Unsqueeze", [x, graph.Constant<long>([0], 1)]);
            string total = graph.NextName("sum");
            graph.Node("SkipSimplifiedLayerNormalization", [three, three, graph.Constant<float>([1, 1, 1], 3)],
                [graph.NextName("normalized"), "", "", total], ("epsilon", 1e-5f));
            return total;
        });
        Assert.Equal(Input.Select(value => 2 * value), sum);
    }

    [Fact]
    public void Constants_of_every_type_arrive_as_they_are()
    {
        float[] sums = Run((graph, _) =>
        {
            string[] values =
            [
                graph.Constant<double>([1.5], 1), graph.Constant<byte>([200], 1), graph.Constant<sbyte>([-7], 1), graph.Constant<int>([70_000], 1),
                graph.Constant<long>([-1L << 30], 1), graph.Constant<bool>([true], 1), graph.Constant<float>([0.25f], 1),
            ];
            return graph.Node("Concat", [.. values.Select(value => graph.Node("Cast", [value], ("to", (int)OnnxType.Float)))], ("axis", 0));
        });
        Assert.Equal([1.5f, 200, -7, 70_000, -1 << 30, 1, 0.25f], sums);
        Assert.Throws<NotSupportedException>(() => OnnxGraph.TypeOf<decimal>());
    }

    [Fact]
    public void Several_results_come_in_the_order_of_their_declaration()
    {
        OnnxGraph graph = new();
        string x = graph.Input("x", OnnxType.Float, null, 3);
        graph.Output(graph.Node("Neg", [x]), "second", OnnxType.Float, null, 3);
        graph.Output(x, "first", OnnxType.Float, null, 3);
        using GraphSession session = new(graph, threads: 1);
        using GraphFeeds feeds = new GraphFeeds().Add("x", Input, 2, 3);
        using GraphResults results = session.Run(feeds);
        Assert.Equal([2f, 1, 0, -1, -2, -3], results.Span<float>(0));
        Assert.Equal(Input, results.Span<float>(1));
    }

    [Fact]
    public void A_buffer_may_be_larger_than_what_is_fed_and_not_smaller()
    {
        OnnxGraph graph = new();
        graph.Output(graph.Node("Neg", [graph.Input("x", OnnxType.Float, [null])]), "y", OnnxType.Float, [null]);
        using GraphSession session = new(graph, threads: 1);
        using GraphFeeds feeds = new GraphFeeds().Add("x", Input, 2);
        using GraphResults results = session.Run(feeds);
        Assert.Equal([2f, 1], results.Span<float>(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => new GraphFeeds().Add("x", Input, 7));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_large_weight_runs_from_memory_of_its_own_and_equals_a_plain_product(bool mapped)
    {
        const int Rows = 700, Columns = 1100, Texts = 3;
        float[] weights = Random(Rows * Columns, seed: 1), inputs = Random(Texts * Columns, seed: 2);
        GCHandle pinned = GCHandle.Alloc(weights, GCHandleType.Pinned);
        try
        {
            WeightBuffer buffer = mapped
                ? WeightBuffer.View<float>(pinned.AddrOfPinnedObject(), Rows, Columns)
                : WeightBuffer.Allocate<float>(Rows, Columns);
            if (!mapped) weights.CopyTo(buffer.Span<float>());
            Assert.Equal((OnnxType.Float, weights.Length * sizeof(float)), (buffer.Type, buffer.ByteLength));
            OnnxGraph graph = new();
            string x = graph.Input("x", OnnxType.Float, null, Columns);
            graph.Output(graph.Node("FusedMatMul", [x, graph.Weight(buffer)], ("transB", 1)), "y", OnnxType.Float, null, Rows);
            Assert.InRange(graph.ToModel().Length, 1, 1000);
            using (GraphSession session = new(graph, threads: 2))
            {
                using GraphFeeds feeds = new GraphFeeds().Add("x", inputs, Texts, Columns);
                using GraphResults results = session.Run(feeds);
                Vectors.AssertClose(Product(inputs, weights, Texts, Rows, Columns), results.Span<float>(0), 1e-3f, "product");
            }
            Assert.Throws<ObjectDisposedException>(() => buffer.Span<float>().Length);
        }
        finally
        {
            pinned.Free();
        }
    }

    [Fact]
    public void Weights_of_every_size_lie_on_whole_cache_lines()
    {
        foreach (long size in new long[] { 1, 3, 1000 })
        {
            using WeightBuffer buffer = WeightBuffer.Allocate<byte>(size);
            Assert.Equal((size, 0), (buffer.ByteLength, buffer.Address % 64));
            buffer.Dispose();
        }
        Assert.Throws<OverflowException>(() => WeightBuffer.Allocate<float>(long.MaxValue, 4));
    }

    [Fact]
    public void Running_is_thread_safe()
    {
        OnnxGraph graph = new();
        graph.Output(graph.Node("Neg", [graph.Input("x", OnnxType.Float, null, 3)]), "y", OnnxType.Float, null, 3);
        using GraphSession session = new(graph, threads: 1);
        Parallel.For(0, 200, new ParallelOptions { CancellationToken = TestContext.Current.CancellationToken }, i =>
        {
            using GraphFeeds feeds = new GraphFeeds().Add("x", [i, i + 1f, i + 2f], 1, 3);
            using GraphResults results = session.Run(feeds);
            Assert.Equal([-i, -i - 1f, -i - 2f], results.Span<float>(0));
        });
    }

    /// <summary>Runs a graph of one input [2,3] on <see cref="Input"/>.</summary>
    private static float[] Run(Func<OnnxGraph, string, string> build)
    {
        OnnxGraph graph = new();
        string result = build(graph, graph.Input("x", OnnxType.Float, null, 3));
        string flat = graph.Node("Reshape", [result, graph.Constant<long>([-1], 1)]);
        graph.Output(flat, "y", OnnxType.Float, [null]);
        using GraphSession session = new(graph, threads: 1);
        using GraphFeeds feeds = new GraphFeeds().Add("x", Input, 2, 3);
        using GraphResults results = session.Run(feeds);
        return results.Span<float>(0).ToArray();
    }

    private static float[] Random(int count, ulong seed)
    {
        DeterministicRandom random = new(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(2 * random.NextDouble() - 1))];
    }

    private static float[] Product(float[] inputs, float[] weights, int texts, int rows, int columns)
    {
        float[] product = new float[texts * rows];
        for (int text = 0; text < texts; text++)
            for (int row = 0; row < rows; row++)
            {
                double sum = 0;
                for (int column = 0; column < columns; column++) sum += (double)inputs[text * columns + column] * weights[row * columns + column];
                product[text * rows + row] = (float)sum;
            }
        return product;
    }
}
