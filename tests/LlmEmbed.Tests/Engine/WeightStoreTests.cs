using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;
using LlmEmbed.Models;
using LlmEmbed.Reading;
using LlmEmbed.Tests.Models;
using Xunit;

namespace LlmEmbed.Tests.Engine;

public sealed class WeightStoreTests
{
    private const int Columns = 40, Rows = 24;

    private static readonly float[] Input = [.. Enumerable.Range(0, Columns).Select(i => i * 0.1f)];

    [Fact]
    public void A_weight_is_made_once_however_many_threads_ask_for_it()
    {
        using WeightStore store = new();
        int made = 0;
        nint[] addresses = new nint[50];
        Parallel.For(0, addresses.Length, i => addresses[i] = store.Get("weight", () =>
        {
            Interlocked.Increment(ref made);
            return WeightBuffer.Allocate<float>(3);
        }).Address);
        Assert.Equal(1, made);
        Assert.Single(addresses.Distinct());
    }

    [Fact]
    public void A_weight_that_could_not_be_made_is_made_again_when_it_is_asked_for_again()
    {
        using WeightStore store = new();
        Assert.Throws<IOException>(() => store.Get("weight", () => throw new IOException()));
        Assert.Equal([3], store.Get("weight", () => WeightBuffer.Allocate<float>(3)).Shape);
    }

    [Fact]
    public void Sessions_keep_the_weights_when_the_store_is_disposed_before_them()
    {
        WeightStore store = new();
        using GraphSession first = Product(store, threads: 1), second = Product(store, threads: 2);
        float[] expected = Run(first);
        store.Dispose();
        store.Dispose();
        Assert.Throws<ObjectDisposedException>(() => store.Get("weight", MakeWeight));
        Assert.Equal(expected, Run(first));
        first.Dispose();
        first.Dispose();
        Assert.Equal(expected, Run(second));
    }

    [Fact]
    public void The_weights_end_with_the_last_of_store_and_sessions()
    {
        WeightBuffer? weight = null;
        WeightStore store = new();
        GraphSession session = Product(store, threads: 1, () => weight = MakeWeight());
        store.Dispose();
        Assert.Equal(Rows * Columns, weight!.Span<float>().Length);
        session.Dispose();
        Assert.Throws<ObjectDisposedException>(() => weight.Span<float>().Length);
    }

    [Fact]
    public void A_graph_that_cannot_be_compiled_gives_its_weights_back()
    {
        WeightBuffer? weight = null;
        WeightStore store = new();
        OnnxGraph graph = new();
        graph.Output(graph.Node("NoSuchOperator", [graph.Weight(store.Get("weight", () => weight = MakeWeight()))]), "y", OnnxType.Float, [null]);
        Assert.Throws<LlmEmbedException>(() => new GraphSession(graph, threads: 1, store));
        Assert.Equal(Rows * Columns, weight!.Span<float>().Length);
        store.Dispose();
        Assert.Throws<ObjectDisposedException>(() => weight.Span<float>().Length);
    }

    /// <summary>Sessions of other depths, views and threads over a backbone whose weights have to be widened.</summary>
    [Theory]
    [InlineData(Precision.Fp32)]
    [InlineData(Precision.Int8)]
    public void Sessions_of_other_depths_and_threads_use_the_same_weights_and_give_the_same_states(Precision precision)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture("llama-gqa"));
        Backbone backbone = Backbone.Create(checkpoint);
        using Golden golden = Golden.OfFixture("llama-gqa");
        using Int8Weights? int8 =
            precision == Precision.Int8 ? Calibration.Quantize(checkpoint, backbone, backbone.BlockCount, golden.Ids, threads: 1) : null;
        using WeightStore shared = new();
        Layers NewLayers(WeightStore store, out Lowering lowering) =>
            new(lowering = int8 is null ? new Float32Lowering(checkpoint, store) : new Int8Lowering(checkpoint, store, int8));
        EncoderSession Open(WeightStore store, int depth, int threads)
        {
            View[] views = [.. Enumerable.Range(1, depth).Select(at => new View(at, Pooling.Mean))];
            return new(backbone, NewLayers(store, out _), new BlockRange(0, depth), views, golden.MaxTokens, padTo: null, threads);
        }
        HashSet<nint> BuffersOf(WeightStore store, int depth)
        {
            Layers layers = NewLayers(store, out Lowering lowering);
            AttentionInputs inputs = new(
                layers.Graph.Input("x", OnnxType.Float, null, null, backbone.HiddenSize),
                layers.Graph.Input("n", OnnxType.Int32, [null]),
                golden.MaxTokens);
            backbone.Forward(layers, inputs, new BlockRange(0, depth), (_, _) => { });
            return [.. lowering.Lower(layers.Graph).Weights.Select(weight => weight.Buffer.Address)];
        }
        using EncoderSession shallow = Open(shared, 1, threads: 2);
        HashSet<nint> ofShallow = BuffersOf(shared, 1);
        using EncoderSession deep = Open(shared, backbone.BlockCount, threads: 1), again = Open(shared, backbone.BlockCount, threads: 2);
        HashSet<nint> ofDeep = BuffersOf(shared, backbone.BlockCount);
        Assert.Equal(ofDeep, BuffersOf(shared, backbone.BlockCount));
        Assert.Equal(ofShallow, BuffersOf(shared, 1));
        Assert.ProperSubset(ofDeep, ofShallow);

        using WeightStore own = new();
        using EncoderSession alone = Open(own, backbone.BlockCount, threads: 1);
        float[] expected = States(alone, backbone.BlockCount);
        Assert.Equal(expected, States(deep, backbone.BlockCount));
        Assert.Equal(expected, States(again, backbone.BlockCount));
        int row = backbone.BlockCount * backbone.HiddenSize;
        float[] firstDepths =
            [.. Enumerable.Range(0, golden.Ids.Length).SelectMany(text => expected.AsSpan(text * row, backbone.HiddenSize).ToArray())];
        Assert.Equal(firstDepths, States(shallow, 1));

        float[] States(EncoderSession session, int depth)
        {
            float[] states = new float[golden.Ids.Length * depth * backbone.HiddenSize]; // [B,D,H]
            session.Run(golden.Ids, states);
            return states;
        }
    }

    private static WeightBuffer MakeWeight()
    {
        WeightBuffer weight = WeightBuffer.Allocate<float>(Rows, Columns);
        Span<float> values = weight.Span<float>();
        for (int i = 0; i < values.Length; i++) values[i] = i % 7 - 3;
        return weight;
    }

    private static GraphSession Product(WeightStore store, int threads, Func<WeightBuffer>? make = null)
    {
        OnnxGraph graph = new();
        string weight = graph.Weight(store.Get("weight", make ?? MakeWeight));
        graph.Output(
            graph.Node("FusedMatMul", [graph.Input("x", OnnxType.Float, null, Columns), weight], ("transB", 1)), "y", OnnxType.Float, null, Rows);
        return new GraphSession(graph, threads, store);
    }

    private static float[] Run(GraphSession session)
    {
        using GraphFeeds feeds = new GraphFeeds().Add("x", Input, 1, Columns);
        using GraphResults results = session.Run(feeds);
        return results.Span<float>(0).ToArray();
    }
}
