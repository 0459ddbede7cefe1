using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;
using LlmEmbed.Files;
using LlmEmbed.Models;
using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Models;

/// <summary>A network so wide that gate and up have products of their own, which none of the fixtures is.</summary>
public sealed class Int8WeightsTests : IDisposable
{
    private const int HiddenSize = 64, IntermediateSize = 4160, Vocabulary = 40;

    private static readonly int[][] Texts = [[1, 5, 9, 33, 2], [7, 7, 30], [21, 4, 18, 39, 11, 3, 28]];

    private readonly TemporaryFolder _folder = new();

    [Fact]
    public void Gate_and_up_of_a_wide_network_are_split_and_come_to_the_same()
    {
        using Checkpoint checkpoint = WideCheckpoint();
        Backbone backbone = Backbone.Create(checkpoint);
        using Int8Weights weights = Calibration.Quantize(checkpoint, backbone, 1, Texts, threads: 1);
        LinearLayer Layer(string name) => new($"model.layers.0.mlp.{name}", HiddenSize, IntermediateSize, HasBias: false);
        Int8Matrix gateAndUp = weights.Of(new LinearGroup([Layer("gate_proj"), Layer("up_proj")]));
        Assert.Equal([[HiddenSize, IntermediateSize], [HiddenSize, IntermediateSize]], gateAndUp.Values.Select(part => part.Shape));

        float[] exact = Run(backbone, store => new Float32Lowering(checkpoint, store));
        float[] quantized = Run(backbone, store => new Int8Lowering(checkpoint, store, weights));
        double distance = Math.Sqrt(exact.Zip(quantized, (a, b) => (double)(a - b) * (a - b)).Sum() / exact.Sum(a => (double)a * a));
        Assert.InRange(distance, 1e-6, 0.06);
    }

    [Fact]
    public void Split_weights_survive_their_files()
    {
        using Checkpoint checkpoint = WideCheckpoint();
        Backbone backbone = Backbone.Create(checkpoint);
        using Int8Weights inMemory = Calibration.Quantize(checkpoint, backbone, 1, Texts, threads: 1);
        using (Calibration.Quantize(checkpoint, backbone, 1, Texts, threads: 1, _ => _folder.File("block.safetensors")))
        {
        }
        using Int8Weights opened = Int8Weights.Open([_folder.File("block.safetensors")]);
        float[] RunWith(Int8Weights weights) => Run(backbone, store => new Int8Lowering(checkpoint, store, weights));
        Assert.Equal(RunWith(inMemory), RunWith(opened));
    }

    public void Dispose() => _folder.Dispose();

    private static float[] Run(Backbone backbone, Func<WeightStore, Lowering> loweringIn)
    {
        using WeightStore store = new();
        View[] views = [new(1, Pooling.Mean)];
        using EncoderSession session =
            new(backbone, new Layers(loweringIn(store)), new BlockRange(0, 1), views, Texts.Max(ids => ids.Length), padTo: null, threads: 1);
        float[] rows = new float[Texts.Length * HiddenSize];
        session.Run(Texts, rows);
        return rows;
    }

    /// <summary>One block of random weights.</summary>
    private Checkpoint WideCheckpoint()
    {
        _folder.Write("config.json", $$"""
            {"model_type": "llama", "hidden_act": "silu", "hidden_size": {{HiddenSize}},
             "intermediate_size": {{IntermediateSize}}, "num_hidden_layers": 1,
             "num_attention_heads": 2, "vocab_size": {{Vocabulary}}, "max_position_embeddings": 32, "rms_norm_eps": 1e-5, "tie_word_embeddings": true}
            """);
        (string Name, int Rows, int Columns)[] tensors =
        [
            ("model.embed_tokens.weight", Vocabulary, HiddenSize),
            ("model.layers.0.self_attn.q_proj.weight", HiddenSize, HiddenSize), ("model.layers.0.self_attn.k_proj.weight", HiddenSize, HiddenSize),
            ("model.layers.0.self_attn.v_proj.weight", HiddenSize, HiddenSize), ("model.layers.0.self_attn.o_proj.weight", HiddenSize, HiddenSize),
            ("model.layers.0.mlp.gate_proj.weight", IntermediateSize, HiddenSize),
            ("model.layers.0.mlp.up_proj.weight", IntermediateSize, HiddenSize),
            ("model.layers.0.mlp.down_proj.weight", HiddenSize, IntermediateSize),
            ("model.layers.0.input_layernorm.weight", 1, HiddenSize), ("model.layers.0.post_attention_layernorm.weight", 1, HiddenSize),
            ("model.norm.weight", 1, HiddenSize),
        ];
        Random random = new(9);
        using (SafetensorsWriter writer = SafetensorsWriter.Create(
            _folder.File("model.safetensors"),
            [],
            [.. tensors.Select(t => t.Rows == 1 ? new SafetensorsLayout(t.Name, "F32") : new SafetensorsLayout(t.Name, "F32", t.Columns))]))
        {
            foreach ((string name, int rows, int columns) in tensors)
                writer.Append<float>(
                    name, [.. Enumerable.Range(0, rows * columns).Select(_ => (float)((rows == 1 ? 1 : 0) + (random.NextDouble() - 0.5) / 4))]);
            writer.Commit();
        }
        return Checkpoint.Open(_folder.Path);
    }
}
