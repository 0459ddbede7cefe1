using System.Numerics.Tensors;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;
using LlmEmbed.Files;

namespace LlmEmbed.Models;

/// <summary>
/// A backbone's weights in int8, one scale per output, smoothed: before anything is quantized, input channel j is divided by s_j = max|x_j|^0.6 / max|W_:j|^0.4 and
/// column j of the weights multiplied by it, so that the few channels that are far larger than the rest in a decoder do not take all steps of a row's scale
/// (SmoothQuant, arXiv 2211.10438). The maxima of x are those of a dozen sentences, first tokens included (<see cref="Calibration"/>). Then inputs and weights are
/// rotated (<see cref="Rotation"/>): what smoothing leaves standing out, in some tokens only, is spread over 64 channels.
/// </summary>
internal sealed class Int8Weights : IDisposable
{
    /// <summary>The share of the smoothing that inputs get; 0.3, 0.5 and 0.7 keep less of SmolLM2's states.</summary>
    private const float Exponent = 0.6f;

    /// <summary>Changes with everything that changes the quantized weights or what is computed with them.</summary>
    public const string Scheme = "3";

    private const string SmoothingSuffix = ".smoothing", ScaleSuffix = ".scale", ValuesSuffix = ".int8";

    private readonly Dictionary<string, Int8Matrix> _matrices = new(StringComparer.Ordinal);
    private readonly List<SafetensorsFile> _files = [];

    private Int8Weights()
    {
    }

    /// <summary>
    /// Largest magnitude of a weight. Where the processor adds pairs of products in 16 bits (x86 before VNNI), sums of larger weights would not fit.
    /// </summary>
    public static int Steps { get; } = AddsExactly() ? 127 : 63;

    public Int8Matrix this[ProjectionGroup group] => _matrices[group.Name];

    /// <summary>Measures and quantizes the first <paramref name="depth"/> blocks.</summary>
    /// <param name="checkpoint">Where the weights are.</param>
    /// <param name="backbone">The architecture over it.</param>
    /// <param name="depth">How many blocks.</param>
    /// <param name="sentences">What the blocks are measured on.</param>
    /// <param name="threads">Engine threads, 0 for one per physical core.</param>
    /// <param name="pathOf">The file of a block, which is then mapped; null keeps the weights in memory.</param>
    public static Int8Weights Quantize(Checkpoint checkpoint, Backbone backbone, int depth, IReadOnlyList<int[]> sentences, int threads, Func<int, string>? pathOf = null)
    {
        Int8Weights weights = new();
        foreach ((int block, IReadOnlyList<(ProjectionGroup Group, float[] Largest)> inputs) in Calibration.Measure(checkpoint, backbone, depth, sentences, threads))
        {
            // An encoder's block names its first group again for what leaves it.
            KeyValuePair<string, Int8Matrix>[] matrices =
                [.. inputs.DistinctBy(input => input.Group.Name).Select(input => KeyValuePair.Create(input.Group.Name, Quantize(checkpoint, input.Group, input.Largest)))];
            if (pathOf is null)
            {
                foreach ((string name, Int8Matrix matrix) in matrices) weights._matrices.Add(name, matrix);
                continue;
            }
            Save(pathOf(block), matrices);
            foreach ((_, Int8Matrix matrix) in matrices) matrix.Dispose();
            weights.Map(pathOf(block));
        }
        return weights;
    }

    /// <summary>Maps files that <see cref="Quantize(Checkpoint, Backbone, int, IReadOnlyList{int[]}, int, Func{int, string}?)"/> wrote.</summary>
    /// <exception cref="LlmEmbedException">A file is missing or damaged.</exception>
    public static Int8Weights Open(IEnumerable<string> paths)
    {
        Int8Weights weights = new();
        try
        {
            foreach (string path in paths) weights.Map(path);
            return weights;
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>Frees matrices and mapped files, which every session that uses them must not outlive.</summary>
    public void Dispose()
    {
        foreach (Int8Matrix matrix in _matrices.Values) matrix.Dispose();
        _files.ForEach(file => file.Dispose());
    }

    private void Map(string path)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        _files.Add(file);
        foreach (SafetensorsTensor values in file.Tensors.Values.Where(tensor => tensor.Name.EndsWith(ValuesSuffix, StringComparison.Ordinal)))
        {
            string name = values.Name[..^ValuesSuffix.Length];
            (long parts, long inputs, long outputs) = (values.Shape[0], values.Shape[1], values.Shape[2]);
            IEnumerable<WeightBuffer> views =
                Enumerable.Range(0, (int)parts).Select(part => WeightBuffer.View<sbyte>(values.File.Address(values.Offset + part * inputs * outputs, inputs * outputs), inputs, outputs));
            _matrices.Add(name, new Int8Matrix(file.ReadFloat32(name + SmoothingSuffix, inputs), file.ReadFloat32(name + ScaleSuffix, parts * outputs), [.. views]));
        }
    }

    private static void Save(string path, KeyValuePair<string, Int8Matrix>[] matrices)
    {
        using SafetensorsWriter writer = SafetensorsWriter.Create(
            path,
            [],
            [
                .. matrices.Select(pair => new SafetensorsLayout(pair.Key + SmoothingSuffix, "F32")),
                .. matrices.Select(pair => new SafetensorsLayout(pair.Key + ScaleSuffix, "F32")),
                .. matrices.Select(pair => new SafetensorsLayout(pair.Key + ValuesSuffix, "I8", pair.Value.Values[0].Shape)),
            ]);
        foreach ((string name, Int8Matrix matrix) in matrices) writer.Append<float>(name + SmoothingSuffix, matrix.Smoothing);
        foreach ((string name, Int8Matrix matrix) in matrices) writer.Append<float>(name + ScaleSuffix, matrix.Scales);
        foreach ((string name, Int8Matrix matrix) in matrices)
            foreach (WeightBuffer part in matrix.Values) writer.Append<sbyte>(name + ValuesSuffix, part.Span<sbyte>());
        writer.Commit();
    }

    private static bool AddsExactly()
    {
        if (!X86Base.IsSupported) return AdvSimd.IsSupported;
        if (X86Base.CpuId(0, 0).Eax < 7) return false;
        const int Avx512Vnni = 1 << 11, AvxVnni = 1 << 4;
        return (X86Base.CpuId(7, 0).Ecx & Avx512Vnni) != 0 || (X86Base.CpuId(7, 1).Eax & AvxVnni) != 0;
    }

    private static Int8Matrix Quantize(Checkpoint checkpoint, ProjectionGroup group, float[] largestInput)
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
        int columns = group.IsSplit ? outputs / group.Parts.Count : outputs;
        WeightBuffer[] values = [.. Enumerable.Range(0, outputs / columns).Select(_ => WeightBuffer.Allocate<sbyte>(inputs, columns))];
        Parallel.For(0, outputs, output =>
        {
            Span<float> row = rows.AsSpan(output * inputs, inputs);
            TensorPrimitives.Divide(row, smoothing, row);
            _ = Rotation.Apply(row);
            TensorPrimitives.Divide(row, Rotation.BlockSize(inputs), row);
            float largest = MathF.Abs(TensorPrimitives.MaxMagnitude<float>(row));
            scales[output] = largest / Steps;
            float inverse = largest > 0 ? Steps / largest : 0;
            Span<sbyte> destination = values[output / columns].Span<sbyte>()[(output % columns)..];
            for (int input = 0; input < inputs; input++) destination[input * columns] = (sbyte)MathF.Round(row[input] * inverse);
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
/// <param name="Smoothing">1 / s [in], by which inputs are multiplied before they are rotated.</param>
/// <param name="Scales">[out].</param>
/// <param name="Values">[in,out], rotated along the inputs; of a group that is split [in,out/2] for each part.</param>
internal sealed record Int8Matrix(float[] Smoothing, float[] Scales, IReadOnlyList<WeightBuffer> Values) : IDisposable
{
    public ReadOnlySpan<float> ScalesOf(int part) => Scales.AsSpan(part * (Scales.Length / Values.Count), Scales.Length / Values.Count);

    public void Dispose()
    {
        foreach (WeightBuffer part in Values) part.Dispose();
    }
}
