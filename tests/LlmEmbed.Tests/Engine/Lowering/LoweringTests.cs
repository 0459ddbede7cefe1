using LlmEmbed.Checkpoints;
using LlmEmbed.Data;
using LlmEmbed.Engine;
using LlmEmbed.Files;
using LlmEmbed.Models;
using Xunit;

namespace LlmEmbed.Tests.Engine;

/// <summary>Which operators layers become, and that they compute what the layers do, whether a pattern covers them or not.</summary>
public sealed class LoweringTests : IDisposable
{
    private const int Width = 32, Tokens = 9, LinearCount = 14, NormCount = 3;
    private const float Epsilon = 1e-5f;

    private readonly TemporaryFolder _folder = new();
    private readonly Checkpoint _checkpoint;
    private readonly float[] _input;

    public LoweringTests()
    {
        DeterministicRandom random = new(7);
        _checkpoint = WriteCheckpoint(random);
        _input = [.. Enumerable.Range(0, Tokens * Width).Select(_ => Value(random, 2))];
    }

    public void Dispose()
    {
        _checkpoint.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void A_block_with_norms_in_front_takes_one_pass_between_two_products()
    {
        static string Block(Layers layers, string x)
        {
            string attention = Attend(layers, layers.Norm(x, Rms(0)), Linear(0), Linear(1), Linear(2));
            string hidden = layers.Add(layers.Linear(attention, Linear(3)), x);
            string rows = layers.Norm(hidden, Rms(1));
            string gate = layers.Linear(rows, Linear(4)), up = layers.Linear(rows, Linear(5));
            return layers.Add(layers.Linear(layers.Multiply(layers.Activate(gate, Activation.Silu), up), Linear(6)), hidden);
        }
        Assert.Equal(
            [
                "SimplifiedLayerNormalization", "FusedMatMul", "FusedMatMul", "FusedMatMul", "Attention", "FusedMatMul", "Add",
                "SkipSimplifiedLayerNormalization", "FusedMatMul", "FusedMatMul", "QuickGelu", "Add", "Mul", "FusedMatMul", "Add", "Identity",
            ],
            Float32Operators(Block));
        Assert.Equal(
            [
                "RmsNormQuantize", "MatMulIntegerToFloat", "AttentionOfProduct", "QuantizeRows", "MatMulIntegerToFloat", "AddRmsNormQuantize",
                "MatMulIntegerToFloat", "SiluGateQuantize", "MatMulIntegerToFloat", "AddRows", "Identity",
            ],
            Int8Operators(Block));
    }

    [Fact]
    public void A_block_with_norms_behind_takes_one_pass_between_two_products()
    {
        static string Block(Layers layers, string x)
        {
            string attention = Attend(layers, x, Linear(0), Linear(1), Linear(2));
            string hidden = layers.Norm(layers.Add(layers.Linear(attention, Linear(3)), x), LayerNorm(0));
            string inner = layers.Activate(layers.Linear(hidden, Linear(4)), Activation.Gelu);
            return layers.Norm(layers.Add(layers.Linear(inner, Linear(5)), hidden), LayerNorm(1));
        }
        Assert.Equal(
            [
                "FusedMatMul", "FusedMatMul", "FusedMatMul", "Attention", "FusedMatMul", "AddLayerNorm",
                "FusedMatMul", "GeluRows", "FusedMatMul", "AddLayerNorm", "Identity",
            ],
            Float32Operators(Block));
        Assert.Equal(
            [
                "QuantizeRows", "MatMulIntegerToFloat", "AttentionOfProduct", "QuantizeRows", "MatMulIntegerToFloat", "AddLayerNormQuantize",
                "MatMulIntegerToFloat", "GeluQuantize", "MatMulIntegerToFloat", "AddLayerNormQuantize", "Identity",
            ],
            Int8Operators(Block));
    }

    [Theory]
    [InlineData(nameof(Activation.Silu))]
    [InlineData(nameof(Activation.Gelu))]
    [InlineData(nameof(Activation.TanhGelu))]
    [InlineData(nameof(Activation.Relu))]
    public void A_gated_unit_with_a_layer_norm_in_front_takes_one_pass_between_two_products(string function)
    {
        string Block(Layers layers, string x)
        {
            string hidden = layers.Add(layers.Linear(x, Linear(3)), x);
            string rows = layers.Norm(hidden, NoBias(1));
            string gate = layers.Activate(layers.Linear(rows, Linear(4)), Enum.Parse<Activation>(function)), up = layers.Linear(rows, Linear(5));
            return layers.Add(layers.Linear(layers.Multiply(gate, up), Linear(6)), hidden);
        }
        Assert.Equal(
            [
                "QuantizeRows", "MatMulIntegerToFloat", "AddPreLayerNormQuantize", "MatMulIntegerToFloat", $"{function}GateQuantize",
                "MatMulIntegerToFloat", "AddRows", "Identity",
            ],
            Int8Operators(Block));
        AssertComputes(Block, function);
    }

    /// <summary>Each of these breaks one condition of a pattern.</summary>
    public static TheoryData<string> OddGraphs => [.. Odd.Keys];

    private static readonly Dictionary<string, Func<Layers, string, string>> Odd = new(StringComparer.Ordinal)
    {
        ["a norm that linear layers and others read"] = (layers, x) =>
        {
            string norm = layers.Norm(x, Rms(0));
            return layers.Add(layers.Linear(norm, Linear(0)), norm);
        },
        ["a norm behind a sum that linear layers and others read"] = (layers, x) =>
        {
            string norm = layers.Norm(layers.Add(layers.Linear(x, Linear(0)), x), Rms(0));
            return layers.Add(layers.Linear(norm, Linear(1)), norm);
        },
        ["a sum without any linear layer"] = (layers, x) =>
            layers.Linear(layers.Norm(layers.Add(x, layers.Norm(x, LayerNorm(0))), Rms(1)), Linear(0)),
        ["a sum of two linear layers"] = (layers, x) =>
            layers.Norm(layers.Add(layers.Linear(x, Linear(0)), layers.Linear(x, Linear(1))), LayerNorm(1)),
        ["a sum with the residual first"] = (layers, x) => layers.Linear(layers.Norm(layers.Add(x, layers.Linear(x, Linear(1))), Rms(0)), Linear(2)),
        ["a sum with a linear layer that is read twice"] = (layers, x) =>
        {
            string linear = layers.Linear(x, Linear(1));
            return layers.Add(layers.Norm(layers.Add(linear, x), LayerNorm(0)), linear);
        },
        ["a layer norm whose sum is read again"] = (layers, x) =>
        {
            string sum = layers.Add(layers.Linear(x, Linear(0)), x);
            return layers.Add(layers.Linear(layers.Norm(sum, LayerNorm(0)), Linear(1)), sum);
        },
        ["two norms of one sum"] = (layers, x) =>
        {
            string sum = layers.Add(layers.Linear(x, Linear(0)), x);
            string one = layers.Linear(layers.Norm(sum, Rms(0)), Linear(1)), other = layers.Linear(layers.Norm(sum, Rms(1)), Linear(2));
            return layers.Add(layers.Add(one, other), sum);
        },
        ["a layer norm without bias"] = (layers, x) => layers.Linear(layers.Norm(layers.Add(layers.Linear(x, Linear(0)), x), NoBias(0)), Linear(1)),
        ["up before gate"] = (layers, x) =>
        {
            string up = layers.Linear(x, Linear(0)), gate = layers.Linear(x, Linear(1));
            return layers.Linear(layers.Multiply(up, layers.Activate(gate, Activation.Silu)), Linear(2));
        },
        ["a gated unit that others read"] = (layers, x) =>
        {
            string gate = layers.Linear(x, Linear(0)), up = layers.Linear(x, Linear(1));
            string gated = layers.Multiply(layers.Activate(gate, Activation.Silu), up);
            return layers.Add(layers.Linear(gated, Linear(2)), gated);
        },
        ["a gate that is read twice"] = (layers, x) =>
        {
            string gate = layers.Linear(x, Linear(0)), up = layers.Linear(x, Linear(1));
            return layers.Add(layers.Linear(layers.Multiply(layers.Activate(gate, Activation.Silu), up), Linear(2)), gate);
        },
        ["a value times its own function"] = (layers, x) =>
        {
            string gate = layers.Linear(x, Linear(0));
            return layers.Linear(layers.Multiply(layers.Activate(gate, Activation.Silu), gate), Linear(1));
        },
        ["gate and up of different values"] = (layers, x) =>
        {
            string gate = layers.Linear(x, Linear(0)), up = layers.Linear(layers.Norm(x, Rms(0)), Linear(1));
            return layers.Linear(layers.Multiply(layers.Activate(gate, Activation.Silu), up), Linear(2));
        },
        ["another gate function"] = (layers, x) =>
        {
            string gate = layers.Linear(x, Linear(0)), up = layers.Linear(x, Linear(1));
            return layers.Linear(layers.Multiply(layers.Activate(gate, Activation.TanhGelu), up), Linear(2));
        },
        ["gelu that others read"] = (layers, x) =>
        {
            string inner = layers.Activate(layers.Linear(x, Linear(0)), Activation.Gelu);
            return layers.Add(layers.Linear(inner, Linear(1)), inner);
        },
        ["gelu without a linear layer"] = (layers, x) => layers.Linear(layers.Activate(x, Activation.Gelu), Linear(0)),
        ["relu"] = (layers, x) => layers.Linear(layers.Activate(layers.Linear(x, Linear(0)), Activation.Relu), Linear(1)),
        ["a linear layer behind another"] = (layers, x) => layers.Linear(layers.Linear(x, Linear(0)), Linear(1)),
        ["five linear layers that read one value"] = (layers, x) =>
        {
            string sum = layers.Linear(x, Linear(0));
            for (int i = 1; i < 5; i++) sum = layers.Add(sum, layers.Linear(x, Linear(i)));
            return layers.Linear(sum, Linear(5));
        },
        ["a linear layer that stays in fp32 beside another"] = (layers, x) =>
            layers.Add(layers.Linear(x, Linear(0)), layers.Linear(x, Linear(1) with { StaysFloat32 = true })),
    };

    [Theory]
    [MemberData(nameof(OddGraphs))]
    public void What_no_pattern_covers_is_computed_all_the_same(string graph) => AssertComputes(Odd[graph], graph);

    [Fact]
    public void Graphs_put_together_at_random_are_computed()
    {
        for (ulong seed = 0; seed < 40; seed++)
        {
            AssertComputes((layers, x) => RandomGraph(new DeterministicRandom(seed), layers, x), $"seed {seed}");
        }
    }

    [Fact]
    public void Attention_over_values_that_are_no_product_is_computed()
    {
        // A key with a norm of its own and values that are read again: nothing can stay unfinished.
        static string Build(Layers layers, string x)
        {
            string query = layers.Linear(x, Linear(0)), value = layers.Linear(x, Linear(2));
            string key = layers.HeadNorm(layers.Linear(x, Linear(1)), 2, HeadNorm);
            return layers.Add(layers.Attend(query, key, value, new AttentionShape(2, 2, Width / 2, 0.3f) { IsCausal = true }, "lengths"), value);
        }
        (float[] exact, float[] quantized) = Run(Build);
        Assert.InRange(Distance(exact, quantized), 1e-6, 0.05);

        // The first token of causal attention sees itself alone: attention gives its value, and the sum twice that.
        Layers layers = new(new Float32Lowering(_checkpoint, new WeightStore()));
        string value = layers.Linear(layers.Graph.Input("x", OnnxType.Float, null, null, Width), Linear(2));
        double[] first = LayerInterpreter.Run(layers.Graph, _checkpoint, Inputs())[value][0];
        for (int i = 0; i < Width; i++) Assert.Equal(2 * first[i], exact[i], 1e-4);
    }

    [Fact]
    public void Several_readers_of_a_value_share_one_quantization()
    {
        string[] operators = Int8Operators((layers, x) =>
        {
            string one = layers.Linear(x, Linear(0)), other = layers.Linear(x, Linear(1));
            return layers.Add(layers.Add(one, other), layers.Norm(x, Rms(0)));
        });
        Assert.Equal(["QuantizeRows"], operators.Where(type => type.Contains("Quantize", StringComparison.Ordinal)));
    }

    [Fact]
    public void A_layer_that_is_not_lowered_is_no_model()
    {
        OnnxGraph graph = new();
        graph.Node(new AddLayer(), "x", "x");
        Assert.Throws<InvalidOperationException>(graph.ToModel);
    }

    [Fact]
    public void Weights_that_are_missing_are_named()
    {
        using WeightStore store = new();
        Layers layers = new(new Float32Lowering(_checkpoint, store));
        layers.Linear(layers.Graph.Input("x", OnnxType.Float, null, null, Width), new LinearLayer("absent", Width, Width, HasBias: false));
        Assert.Contains("absent.weight", Assert.Throws<LlmEmbedException>(() => layers.Compile(threads: 1)).Message, StringComparison.Ordinal);

        using Int8Weights none = new();
        Layers int8 = new(new Int8Lowering(_checkpoint, store, none));
        int8.Linear(int8.Graph.Input("x", OnnxType.Float, null, null, Width), Linear(0));
        Assert.Contains(
            "int8 weights of linear0", Assert.Throws<LlmEmbedException>(() => int8.Compile(threads: 1)).Message, StringComparison.Ordinal);
    }

    private static LinearLayer Linear(int index) => new($"linear{index}", Width, Width, HasBias: index % 2 == 1);

    private static RmsNormLayer Rms(int index) => new($"norm{index}.weight", Width, Epsilon);

    private static RmsNormLayer HeadNorm => new("head_norm.weight", Width / 2, Epsilon);

    private static LayerNormLayer LayerNorm(int index) => new($"norm{index}.weight", $"norm{index}.bias", Width, Epsilon);

    private static LayerNormLayer NoBias(int index) => new($"norm{index}.weight", null, Width, Epsilon);

    private static string Attend(Layers layers, string x, LinearLayer query, LinearLayer key, LinearLayer value) =>
        layers.Attend(layers.Linear(x, query), layers.Linear(x, key), layers.Linear(x, value), new AttentionShape(2, 2, Width / 2, 0.3f), "lengths");

    /// <summary>A dozen layers, each over values drawn from those before it. A norm at the end keeps the sizes comparable.</summary>
    private static string RandomGraph(DeterministicRandom random, Layers layers, string x)
    {
        List<string> values = [x];
        string Draw() => values[random.Next(values.Count)];
        for (int i = 0; i < 12; i++)
        {
            values.Add(random.Next(8) switch
            {
                0 => layers.Norm(Draw(), Rms(random.Next(NormCount))),
                1 => layers.Norm(Draw(), LayerNorm(random.Next(NormCount))),
                2 => layers.Activate(Draw(), (Activation)random.Next(4)),
                3 => layers.Multiply(layers.Norm(Draw(), Rms(0)), layers.Norm(Draw(), Rms(1))),
                4 or 5 => layers.Add(Draw(), Draw()),
                _ => layers.Linear(Draw(), Linear(i + 1)),
            });
        }
        return layers.Norm(layers.Add(layers.Linear(values[^1], Linear(0)), values[^2]), LayerNorm(0));
    }

    /// <summary>Fp32 against the definition of every layer, int8 against fp32.</summary>
    private void AssertComputes(Func<Layers, string, string> build, string name)
    {
        using WeightStore store = new();
        Layers layers = new(new Float32Lowering(_checkpoint, store));
        string result = build(layers, layers.Graph.Input("x", OnnxType.Float, null, null, Width));
        float[] expected =
            [.. LayerInterpreter.Run(layers.Graph, _checkpoint, Inputs())[result].SelectMany(row => row.Select(value => (float)value))];
        (float[] exact, float[] quantized) = Run(build);
        Assert.True(Distance(expected, exact) < 1e-5, $"{name}: fp32 is off by {Distance(expected, exact)}");
        Assert.True(Distance(exact, quantized) is > 1e-6 and < 0.05, $"{name}: int8 is off by {Distance(exact, quantized)}");
    }

    /// <summary>[T,width] in fp32 and in int8 whose weights were measured on the same input.</summary>
    private (float[] Exact, float[] Quantized) Run(Func<Layers, string, string> build)
    {
        using WeightStore store = new();
        using Int8Weights weights = Quantized(build);
        return (Run(build, new Float32Lowering(_checkpoint, store)), Run(build, new Int8Lowering(_checkpoint, store, weights)));
    }

    private float[] Run(Func<Layers, string, string> build, Lowering lowering)
    {
        using GraphSession session = Network(build, lowering).Compile(threads: 1);
        using GraphResults results = RunOnInput(session);
        return results.Span<float>(0).ToArray();
    }

    private Int8Weights Quantized(Func<Layers, string, string> build)
    {
        using WeightStore store = new();
        CalibrationLowering calibration = new(_checkpoint, store);
        using GraphSession session = Network(build, calibration).Compile(threads: 1);
        using GraphResults results = RunOnInput(session);
        Int8Weights weights = new();
        weights.Add(_checkpoint, [.. calibration.Groups.Select((group, i) => (group, results.Span<float>(i + 1).ToArray()))], path: null);
        return weights;
    }

    private string[] Float32Operators(Func<Layers, string, string> build)
    {
        using WeightStore store = new();
        Float32Lowering lowering = new(_checkpoint, store);
        return [.. lowering.Lower(Network(build, lowering).Graph).Nodes.Select(node => node.Type)];
    }

    private string[] Int8Operators(Func<Layers, string, string> build)
    {
        using WeightStore store = new();
        using Int8Weights weights = Quantized(build);
        Int8Lowering lowering = new(_checkpoint, store, weights);
        return [.. lowering.Lower(Network(build, lowering).Graph).Nodes.Select(node => node.Type)];
    }

    private static Layers Network(Func<Layers, string, string> build, Lowering lowering)
    {
        Layers layers = new(lowering);
        string x = layers.Graph.Input("x", OnnxType.Float, null, null, Width);
        layers.Graph.Input("lengths", OnnxType.Int32, [null]);
        layers.Graph.Output(build(layers, x), "y", OnnxType.Float, null, null, Width);
        return layers;
    }

    private GraphResults RunOnInput(GraphSession session)
    {
        using GraphFeeds feeds = new GraphFeeds().Add("x", _input, 1, Tokens, Width).Add("lengths", [Tokens], 1);
        return session.Run(feeds);
    }

    private Dictionary<string, double[][]> Inputs() =>
        new(StringComparer.Ordinal) { ["x"] = [.. _input.Chunk(Width).Select(row => row.Select(value => (double)value).ToArray())] };

    /// <summary>The length of the difference over that of the first one.</summary>
    private static double Distance(float[] expected, float[] actual) =>
        Math.Sqrt(expected.Zip(actual, (a, b) => (double)(a - b) * (a - b)).Sum() / expected.Sum(a => (double)a * a));

    private static float Value(DeterministicRandom random, double size) => (float)((random.NextDouble() - 0.5) * size);

    private Checkpoint WriteCheckpoint(DeterministicRandom random)
    {
        _folder.Write("config.json", """{"model_type": "llama"}""");
        List<(string Name, int Rows, int Columns, float Mean)> tensors = [("head_norm.weight", 1, Width / 2, 1)];
        for (int i = 0; i < LinearCount; i++) tensors.AddRange([($"linear{i}.weight", Width, Width, 0), ($"linear{i}.bias", 1, Width, 0)]);
        for (int i = 0; i < NormCount; i++) tensors.AddRange([($"norm{i}.weight", 1, Width, 1), ($"norm{i}.bias", 1, Width, 0)]);
        using (SafetensorsWriter writer = SafetensorsWriter.Create(
            _folder.File("model.safetensors"),
            [],
            [.. tensors.Select(t => t.Rows == 1 ? new SafetensorsLayout(t.Name, "F32") : new SafetensorsLayout(t.Name, "F32", t.Columns))]))
        {
            foreach ((string name, int rows, int columns, float mean) in tensors)
                writer.Append<float>(name, [.. Enumerable.Range(0, rows * columns).Select(_ => mean + Value(random, 0.6))]);
            writer.Commit();
        }
        return Checkpoint.Open(_folder.Path);
    }
}
