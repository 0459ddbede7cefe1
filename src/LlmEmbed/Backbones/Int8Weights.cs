using System.Numerics.Tensors;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using LlmEmbed.Checkpoints;
using LlmEmbed.Graphs;

namespace LlmEmbed.Backbones;

/// <summary>
/// A backbone's weights in int8, one scale per output, smoothed: before anything is quantized, input channel j is divided by s_j = max|x_j|^0.6 / max|W_:j|^0.4 and
/// column j of the weights multiplied by it, so that the few channels that are far larger than the rest in a decoder do not take all steps of a row's scale
/// (SmoothQuant, arXiv 2211.10438). The maxima of x are those of a dozen sentences, first tokens included (<see cref="Calibration"/>).
/// </summary>
internal sealed class Int8Weights : IDisposable
{
    /// <summary>The share of the smoothing that inputs get; 0.5 and 0.7 keep less of SmolLM2's states.</summary>
    private const float Exponent = 0.6f;

    /// <summary>Largest to 99th percentile of the channels; in SmolLM2's one MLP that writes massive activations it is over 500, in all others under 30.</summary>
    private const float MassiveRatio = 50;

    private const string SmoothingSuffix = ".smoothing", ScaleSuffix = ".scale", ValuesSuffix = ".int8";

    private readonly Dictionary<string, Int8Matrix> _matrices;
    private readonly SafetensorsFile? _file;

    private Int8Weights(Dictionary<string, Int8Matrix> matrices, SafetensorsFile? file) => (_matrices, _file) = (matrices, file);

    /// <summary>
    /// Largest magnitude of a weight. Where the processor adds pairs of products in 16 bits (x86 before VNNI), sums of larger weights would not fit.
    /// </summary>
    public static int Steps { get; } = AddsExactly() ? 127 : 63;

    /// <summary>The group's matrix; null where it stays in fp32.</summary>
    public Int8Matrix? Find(ProjectionGroup group) => _matrices.GetValueOrDefault(group.Name);

    /// <summary>Measures and quantizes the first <paramref name="depth"/> blocks.</summary>
    public static Int8Weights Quantize(Checkpoint checkpoint, Backbone backbone, int depth, IReadOnlyList<int[]> sentences, int threads)
    {
        Dictionary<string, Int8Matrix> matrices = new(StringComparer.Ordinal);
        IReadOnlyList<(ProjectionGroup Group, float[] Largest)> measured = Calibration.Measure(checkpoint, backbone, depth, sentences, threads);
        for (int i = 0; i < measured.Count; i++)
        {
            // An MLP is its input and its output projections, which follow each other.
            bool isKept = IsMassive(measured[i].Largest) || (i + 1 < measured.Count && IsMassive(measured[i + 1].Largest));
            (ProjectionGroup group, float[] largest) = measured[i];
            if (!isKept && !matrices.ContainsKey(group.Name)) matrices.Add(group.Name, Quantize(checkpoint, group, largest));
        }
        return new Int8Weights(matrices, file: null);
    }

    /// <summary>Maps what <see cref="Save"/> wrote.</summary>
    public static Int8Weights Open(string path)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        Dictionary<string, Int8Matrix> matrices = new(StringComparer.Ordinal);
        foreach (SafetensorsTensor values in file.Tensors.Values.Where(tensor => tensor.Name.EndsWith(ValuesSuffix, StringComparison.Ordinal)))
        {
            string name = values.Name[..^ValuesSuffix.Length];
            WeightBuffer view = WeightBuffer.View<sbyte>(values.File.Address(values.Offset, values.ByteLength), [.. values.Shape]);
            matrices.Add(name, new Int8Matrix(file.ReadFloat32(name + SmoothingSuffix, values.Shape[0]), file.ReadFloat32(name + ScaleSuffix, values.Shape[1]), view));
        }
        return new Int8Weights(matrices, file);
    }

    /// <summary>Writes a file that another start maps instead of quantizing again.</summary>
    public void Save(string path)
    {
        KeyValuePair<string, Int8Matrix>[] matrices = [.. _matrices.OrderBy(pair => pair.Key, StringComparer.Ordinal)];
        using SafetensorsWriter writer = SafetensorsWriter.Create(
            path,
            [],
            [
                .. matrices.Select(pair => new SafetensorsLayout(pair.Key + SmoothingSuffix, "F32")),
                .. matrices.Select(pair => new SafetensorsLayout(pair.Key + ScaleSuffix, "F32")),
                .. matrices.Select(pair => new SafetensorsLayout(pair.Key + ValuesSuffix, "I8", pair.Value.Values.Shape[1])),
            ]);
        foreach ((string name, Int8Matrix matrix) in matrices) writer.Append<float>(name + SmoothingSuffix, matrix.Smoothing);
        foreach ((string name, Int8Matrix matrix) in matrices) writer.Append<float>(name + ScaleSuffix, matrix.Scales);
        foreach ((string name, Int8Matrix matrix) in matrices) writer.Append<sbyte>(name + ValuesSuffix, matrix.Values.Span<sbyte>());
        writer.Commit();
    }

    /// <summary>Frees the mapped file. Matrices that are in memory belong to the graph that uses them.</summary>
    public void Dispose() => _file?.Dispose();

    private static bool AddsExactly()
    {
        if (!X86Base.IsSupported) return AdvSimd.IsSupported;
        if (X86Base.CpuId(0, 0).Eax < 7) return false;
        const int Avx512Vnni = 1 << 11, AvxVnni = 1 << 4;
        return (X86Base.CpuId(7, 0).Ecx & Avx512Vnni) != 0 || (X86Base.CpuId(7, 1).Eax & AvxVnni) != 0;
    }

    /// <summary>
    /// Whether a few channels are so far above the others that this is where a decoder writes its massive activations. Their size must be right to a fraction of a
    /// percent, or the error drowns every other channel of a mean; so that MLP stays in fp32.
    /// </summary>
    private static bool IsMassive(float[] largest)
    {
        float[] sorted = [.. largest.Order()];
        return sorted[^1] > MassiveRatio * sorted[(int)(sorted.Length * 0.99)];
    }

    private static unsafe Int8Matrix Quantize(Checkpoint checkpoint, ProjectionGroup group, float[] largestInput)
    {
        int inputs = group.InputWidth, outputs = group.Width;
        float[] rows = new float[checked(outputs * inputs)]; // [out,in]
        int offset = 0;
        foreach (Projection part in group.Parts)
        {
            using WeightBuffer weight = group.ReadWeight(checkpoint, part);
            weight.Span<float>().CopyTo(rows.AsSpan(offset));
            offset += part.Width * inputs;
        }
        float[] smoothing = SmoothingOf(rows, largestInput);
        float[] scales = new float[outputs];
        WeightBuffer values = WeightBuffer.Allocate<sbyte>(inputs, outputs);
        nint address = values.Address;
        Parallel.For(0, outputs, output =>
        {
            Span<float> row = rows.AsSpan(output * inputs, inputs);
            TensorPrimitives.Divide(row, smoothing, row);
            float largest = MathF.Abs(TensorPrimitives.MaxMagnitude<float>(row));
            scales[output] = largest / Steps;
            float inverse = largest > 0 ? Steps / largest : 0;
            Span<sbyte> destination = new((void*)address, inputs * outputs);
            for (int input = 0; input < inputs; input++) destination[input * outputs + output] = (sbyte)MathF.Round(row[input] * inverse);
        });
        return new Int8Matrix(smoothing, scales, values);
    }

    /// <summary>1 / s, with a floor under maxima so that a channel that is always zero does no harm.</summary>
    private static float[] SmoothingOf(float[] rows, float[] largestInput)
    {
        const float Floor = 1e-5f;
        float[] largestWeight = new float[largestInput.Length];
        for (int start = 0; start < rows.Length; start += largestWeight.Length)
            TensorPrimitives.MaxMagnitude(largestWeight, rows.AsSpan(start, largestWeight.Length), largestWeight);
        return [.. largestInput.Zip(largestWeight, (x, w) => MathF.Pow(MathF.Max(MathF.Abs(w), Floor), 1 - Exponent) / MathF.Pow(MathF.Max(x, Floor), Exponent))];
    }
}

/// <summary>The weights of a group of projections in int8.</summary>
/// <param name="Smoothing">1 / s [in], by which inputs are multiplied.</param>
/// <param name="Scales">[out].</param>
/// <param name="Values">[in,out].</param>
internal sealed record Int8Matrix(float[] Smoothing, float[] Scales, WeightBuffer Values);
