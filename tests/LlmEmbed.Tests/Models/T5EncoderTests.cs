using System.Numerics.Tensors;
using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;
using LlmEmbed.Files;
using LlmEmbed.Models;
using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Models;

/// <summary>What the golden checkpoint of T5, whose MLP has a gate, does not show.</summary>
public sealed class T5EncoderTests : IDisposable
{
    private const int HiddenSize = 32, InnerSize = 48, Token = 17;
    private const string Block = "encoder.block.0.layer.";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    /// <summary>The first T5, from which sentence-t5 and gtr come, has no gate. The first block without attention is a short formula.</summary>
    [Fact]
    public void An_mlp_without_a_gate_is_the_formula_of_the_first_T5()
    {
        string folder = WithoutGateAndAttention();
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        Backbone backbone = Backbone.Create(checkpoint);
        using WeightStore store = new();
        using EncoderSession session = new(
            backbone,
            new Layers(new Float32Lowering(checkpoint, store)),
            new BlockRange(0, 1),
            [new View(1, Pooling.First)],
            maxTokens: 1,
            padTo: null,
            threads: 1);
        float[] actual = new float[HiddenSize];
        session.Run([[Token]], actual);
        Vectors.AssertClose(Expected(checkpoint), actual, 1e-5f, "first block");
    }

    /// <summary>x + wo·max(0, wi·n), where n = norm · x / √(mean of x² + 1e-6).</summary>
    private static float[] Expected(Checkpoint checkpoint)
    {
        float[] x = Read(checkpoint, "shared.weight")[(Token * HiddenSize)..((Token + 1) * HiddenSize)];
        float[] norm = Read(checkpoint, $"{Block}1.layer_norm.weight"), sum = [.. x];
        float[] wi = Read(checkpoint, $"{Block}1.DenseReluDense.wi.weight"), wo = Read(checkpoint, $"{Block}1.DenseReluDense.wo.weight");
        float root = MathF.Sqrt(TensorPrimitives.SumOfSquares<float>(x) / HiddenSize + 1e-6f);
        float[] normed = [.. x.Zip(norm, (value, weight) => weight * value / root)];
        float[] inner = [.. wi.Chunk(HiddenSize).Select(row => MathF.Max(0, TensorPrimitives.Dot<float>(row, normed)))];
        return [.. wo.Chunk(InnerSize).Select((row, i) => sum[i] + TensorPrimitives.Dot<float>(row, inner))];
    }

    private string WithoutGateAndAttention()
    {
        string folder = _folder.CopyFixture("t5-encoder");
        using (Checkpoint source = Checkpoint.Open(Repository.Fixture("t5-encoder")))
        {
            (string Name, long Width, float[] Values)[] tensors = [.. source.Weights.Values.Select(weight => (
                weight.Name.Replace("wi_0", "wi", StringComparison.Ordinal),
                weight.Shape.Count == 1 ? 0 : weight.Shape[1],
                weight.Name.EndsWith("SelfAttention.o.weight", StringComparison.Ordinal)
                    ? new float[weight.ElementCount]
                    : Read(source, weight.Name)))];
            SafetensorsLayout[] layouts =
                [.. tensors.Select(tensor => new SafetensorsLayout(tensor.Name, "F32", tensor.Width == 0 ? [] : [tensor.Width]))];
            using SafetensorsWriter writer = SafetensorsWriter.Create(Path.Combine(folder, "model.safetensors"), [], layouts);
            foreach ((string name, _, float[] values) in tensors) writer.Append<float>(name, values);
            writer.Commit();
        }
        TemporaryFolder.EditJson(Path.Combine(folder, "config.json"), config =>
        {
            config["feed_forward_proj"] = "relu";
            config.Remove("is_gated_act");
            config.Remove("dense_act_fn");
        });
        return folder;
    }

    private static float[] Read(Checkpoint checkpoint, string name)
    {
        float[] values = new float[checkpoint.Weights[name].ElementCount];
        checkpoint.Weights[name].CopyTo(values);
        return values;
    }
}
