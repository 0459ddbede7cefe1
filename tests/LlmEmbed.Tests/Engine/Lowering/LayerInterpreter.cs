using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Tests.Engine;

/// <summary>Computes a graph of layers, attention left out, node by node in fp64 from their definitions.</summary>
internal static class LayerInterpreter
{
    /// <summary>All values of the graph.</summary>
    /// <param name="graph">The graph of layers, over values of one width.</param>
    /// <param name="checkpoint">Where the weights are.</param>
    /// <param name="inputs">[rows][width] for each input.</param>
    public static Dictionary<string, double[][]> Run(OnnxGraph graph, Checkpoint checkpoint, IReadOnlyDictionary<string, double[][]> inputs)
    {
        Dictionary<string, double[][]> values = new(inputs, StringComparer.Ordinal);
        foreach (OnnxNode node in graph.Nodes)
        {
            double[][] x = values[node.Input];
            values[node.Output] = node.Layer switch
            {
                LinearLayer linear => Linear(x, linear, checkpoint),
                RmsNormLayer norm => [.. x.Select(row => RmsNorm(row, norm, checkpoint))],
                LayerNormLayer norm => [.. x.Select(row => LayerNorm(row, norm, checkpoint))],
                ActivationLayer activation => [.. x.Select(row => row.Select(value => Activate(value, activation.Function)).ToArray())],
                AddLayer => Combined(x, values[node.Inputs[1]], (a, b) => a + b),
                MultiplyLayer => Combined(x, values[node.Inputs[1]], (a, b) => a * b),
                _ => x, // Identity, which names a result
            };
        }
        return values;
    }

    private static double[][] Linear(double[][] x, LinearLayer layer, Checkpoint checkpoint)
    {
        double[] weight = Read(checkpoint, $"{layer.Name}.weight", layer.Outputs, layer.Inputs);
        double[] bias = layer.HasBias ? Read(checkpoint, $"{layer.Name}.bias", layer.Outputs) : new double[layer.Outputs];
        double Output(double[] row, int output) => bias[output] + row.Select((value, i) => value * weight[output * layer.Inputs + i]).Sum();
        return [.. x.Select(row => Enumerable.Range(0, layer.Outputs).Select(output => Output(row, output)).ToArray())];
    }

    private static double[] RmsNorm(double[] row, RmsNormLayer norm, Checkpoint checkpoint)
    {
        double root = Math.Sqrt(row.Average(value => value * value) + norm.Epsilon);
        return [.. row.Zip(Read(checkpoint, norm.Weight, norm.Size), (value, weight) => value / root * weight)];
    }

    private static double[] LayerNorm(double[] row, LayerNormLayer norm, Checkpoint checkpoint)
    {
        double mean = row.Average(), root = Math.Sqrt(row.Average(value => (value - mean) * (value - mean)) + norm.Epsilon);
        double[] bias = norm.Bias is null ? new double[norm.Size] : Read(checkpoint, norm.Bias, norm.Size);
        return [.. row.Zip(Read(checkpoint, norm.Weight, norm.Size), bias).Select(t => (t.First - mean) / root * t.Second + t.Third)];
    }

    public static double Activate(double x, Activation function) => function switch
    {
        Activation.Silu => x / (1 + Math.Exp(-x)),
        Activation.Gelu => x * FusedOperatorsTests.NormalDistribution(x),
        Activation.TanhGelu => x * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))) / 2,
        Activation.Relu => Math.Max(x, 0),
        _ => throw new ArgumentOutOfRangeException(nameof(function)),
    };

    private static double[][] Combined(double[][] x, double[][] y, Func<double, double, double> combine) =>
        [.. x.Zip(y, (a, b) => a.Zip(b, combine).ToArray())];

    private static double[] Read(Checkpoint checkpoint, string name, params long[] shape)
    {
        float[] values = new float[shape.Aggregate(1L, (product, size) => product * size)];
        checkpoint.Require(name, shape).CopyTo(values);
        return [.. values.Select(value => (double)value)];
    }
}
