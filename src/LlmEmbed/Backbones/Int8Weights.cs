using System.Numerics.Tensors;
using LlmEmbed.Checkpoints;
using LlmEmbed.Graphs;

namespace LlmEmbed.Backbones;

/// <summary>
/// A backbone's weights in int8, one scale per output, smoothed: before it is quantized, input channel j is divided by
/// s_j = max|x_j|^α / max|W_:j|^(1-α) and column j of the weights multiplied by it, so that the few channels that are far larger than the rest in a decoder do not take
/// all steps of a row's scale (SmoothQuant, arXiv 2211.10438). The maxima of x are those of a dozen sentences, first tokens included.
/// </summary>
internal abstract class Int8Weights : IDisposable
{
    /// <summary>1 / s [in].</summary>
    public abstract ReadOnlySpan<float> Smoothing(ProjectionGroup group);

    /// <summary>The smoothed weights of all parts side by side.</summary>
    public abstract Int8Matrix Matrix(ProjectionGroup group);

    public virtual void Dispose()
    {
    }

    /// <summary>Measures and quantizes the first <paramref name="depth"/> blocks.</summary>
    public static QuantizedWeights Quantize(Checkpoint checkpoint, Backbone backbone, int depth, IReadOnlyList<int[]> sentences, int threads)
    {
        Dictionary<string, QuantizedGroup> groups = new(StringComparer.Ordinal);
        IReadOnlyList<(ProjectionGroup Group, float[] Largest)> measured = Calibration.Measure(checkpoint, backbone, depth, sentences, threads);
        for (int i = 0; i < measured.Count; i++)
        {
            // An MLP is its input and its output projections, which follow each other.
            bool isMassive = IsMassive(measured[i].Largest) || (i + 1 < measured.Count && IsMassive(measured[i + 1].Largest));
            if (!isMassive && !groups.ContainsKey(measured[i].Group.Name)) groups.Add(measured[i].Group.Name, Quantize(checkpoint, measured[i].Group, measured[i].Largest));
        }
        return new QuantizedWeights(groups);
    }

    /// <summary>
    /// Whether a few channels are so far above the others that this is where a decoder writes its massive activations (design: thousands against one). Their size must be
    /// right to a fraction of a percent, or the error drowns every other channel of a mean; so that MLP stays in fp32.
    /// </summary>
    private static bool IsMassive(float[] largest)
    {
        float[] sorted = [.. largest.Order()];
        return sorted[^1] > MassiveRatio * sorted[(int)(sorted.Length * 0.99)];
    }

    private static readonly float MassiveRatio = float.Parse(Environment.GetEnvironmentVariable("RATIO") ?? "50");

    /// <summary>Whether the group stays in fp32.</summary>
    public abstract bool IsKept(ProjectionGroup group);

    private static unsafe QuantizedGroup Quantize(Checkpoint checkpoint, ProjectionGroup group, float[] largestInput)
    {
        int inputs = group.InputWidth, outputs = group.Width;
        float[] rows = new float[(long)outputs * inputs]; // [out,in]
        int offset = 0;
        foreach (Projection part in group.Parts)
        {
            using WeightBuffer weight = group.ReadWeight(checkpoint, part);
            weight.Span<float>().CopyTo(rows.AsSpan(offset));
            offset += part.Width * inputs;
        }
        float[] smoothing = SmoothingOf(rows, largestInput, inputs, outputs);
        float[] scales = new float[outputs];
        WeightBuffer values = WeightBuffer.Allocate<sbyte>(inputs, outputs);
        nint address = values.Address;
        Parallel.For(0, outputs, output =>
        {
            Span<float> row = rows.AsSpan(output * inputs, inputs);
            TensorPrimitives.Divide(row, smoothing, row); // multiplied by s
            float largest = MathF.Abs(TensorPrimitives.MaxMagnitude<float>(row));
            scales[output] = largest / sbyte.MaxValue;
            float inverse = largest > 0 ? sbyte.MaxValue / largest : 0;
            Span<sbyte> destination = new((void*)address, inputs * outputs);
            for (int input = 0; input < inputs; input++) destination[input * outputs + output] = (sbyte)MathF.Round(row[input] * inverse);
        });
        return new QuantizedGroup(smoothing, scales, values);
    }

    /// <summary>1 / s, within bounds that keep a channel that is always zero from becoming infinite.</summary>
    private static float[] SmoothingOf(float[] rows, float[] largestInput, int inputs, int outputs)
    {
        float[] largestWeight = new float[inputs];
        for (int output = 0; output < outputs; output++)
            TensorPrimitives.MaxMagnitude(largestWeight, rows.AsSpan(output * inputs, inputs), largestWeight);
        float[] smoothing = new float[inputs];
        for (int i = 0; i < inputs; i++)
        {
            float x = MathF.Max(largestInput[i], 1e-5f), w = MathF.Max(MathF.Abs(largestWeight[i]), 1e-5f);
            smoothing[i] = MathF.Pow(w, 1 - Alpha) / MathF.Pow(x, Alpha);
        }
        return smoothing;
    }

    private static readonly float Alpha = float.Parse(Environment.GetEnvironmentVariable("ALPHA") ?? "0.6");
}

internal sealed record QuantizedGroup(float[] Smoothing, float[] Scales, WeightBuffer Values);

/// <param name="values">[in,out].</param>
/// <param name="scales">[out].</param>
internal readonly ref struct Int8Matrix(WeightBuffer values, ReadOnlySpan<float> scales)
{
    public WeightBuffer Values { get; } = values;

    public ReadOnlySpan<float> Scales { get; } = scales;
}

/// <summary>Weights that were just quantized. Each matrix goes to one graph, which frees it.</summary>
internal sealed class QuantizedWeights(IReadOnlyDictionary<string, QuantizedGroup> groups) : Int8Weights
{
    public IReadOnlyDictionary<string, QuantizedGroup> Groups => groups;

    public override bool IsKept(ProjectionGroup group) => !groups.ContainsKey(group.Name);

    public override ReadOnlySpan<float> Smoothing(ProjectionGroup group) => groups[group.Name].Smoothing;

    public override Int8Matrix Matrix(ProjectionGroup group) => new(groups[group.Name].Values, groups[group.Name].Scales);
}
