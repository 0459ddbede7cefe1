using System.Numerics.Tensors;
using System.Runtime.Intrinsics.Arm;
using System.Runtime.Intrinsics.X86;
using LlmEmbed.Checkpoints;
using LlmEmbed.Files;

namespace LlmEmbed.Engine;

/// <summary>
/// A backbone's weights in int8, with one scale per output. Before anything is quantized, both factors of each product are changed in two ways that
/// leave the product as it is. Smoothing: input channel j is divided by s_j = max|x_j|^0.6 / max|W_:j|^0.4 and column j of the weights is multiplied
/// by it. A decoder has a few channels that are far larger than the rest, which would otherwise be rounded away (SmoothQuant, arXiv 2211.10438). The
/// maxima of x are those of a dozen sentences, first tokens included (<see cref="CalibrationLowering"/>). Rotation: what is still large, in some
/// tokens only, is spread over 64 channels (<see cref="Rotation"/>).
/// </summary>
internal sealed class Int8Weights : IDisposable
{
    /// <summary>The exponent of the inputs' maxima. With 0.3, 0.5 and 0.7, SmolLM2's states in int8 are less like those in fp32.</summary>
    private const float Exponent = 0.6f;

    /// <summary>Changes with everything that changes the quantized weights or what is computed with them.</summary>
    public const string Scheme = "4";

    private const string SmoothingSuffix = ".smoothing", ScaleSuffix = ".scale", ValuesSuffix = ".int8";

    private readonly Dictionary<string, Int8Matrix> _matrices = new(StringComparer.Ordinal);
    private readonly List<SafetensorsFile> _files = [];

    /// <summary>
    /// Largest magnitude of a quantized weight. It is 63 if the processor adds pairs of products in 16 bits (x86 before VNNI), in which sums of
    /// larger products would not fit.
    /// </summary>
    public static int Steps { get; } = AddsExactly() ? 127 : 63;

    /// <summary>The weights of a group of linear layers.</summary>
    /// <exception cref="LlmEmbedException">They are not there, or have another shape than the layers.</exception>
    public Int8Matrix Of(LinearGroup group)
    {
        int parts = group.IsSplit ? 2 : 1;
        bool Fits(WeightBuffer values) => values.Shape is [long inputs, long outputs] && inputs == group.Inputs && outputs == group.Outputs / parts;
        if (_matrices.TryGetValue(group.Name, out Int8Matrix? matrix) && matrix.Values.Count == parts && matrix.Values.All(Fits)) return matrix;
        throw new LlmEmbedException(
            $"The int8 weights of {group.Name} are missing or have another shape than the layer. Delete them, so that they are made again.");
    }

    /// <summary>Quantizes groups of linear layers and adds them.</summary>
    /// <param name="checkpoint">Where the weights are.</param>
    /// <param name="inputs">For each group the largest magnitude of each of its input channels.</param>
    /// <param name="path">A file that the weights are written to and mapped from; null keeps them in memory.</param>
    public void Add(Checkpoint checkpoint, IEnumerable<(LinearGroup Group, float[] Largest)> inputs, string? path)
    {
        KeyValuePair<string, Int8Matrix>[] matrices =
            [.. inputs.Select(input => KeyValuePair.Create(input.Group.Name, Quantize(checkpoint, input.Group, input.Largest)))];
        if (path is null)
        {
            foreach ((string name, Int8Matrix matrix) in matrices) _matrices.Add(name, matrix);
            return;
        }
        Save(path, matrices);
        foreach ((_, Int8Matrix matrix) in matrices) matrix.Dispose();
        Map(path);
    }

    /// <summary>Maps files that <see cref="Add"/> wrote.</summary>
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
            nint AddressOf(int part) => values.File.Address(values.Offset + part * inputs * outputs, inputs * outputs);
            WeightBuffer[] views = [.. Enumerable.Range(0, (int)parts).Select(part => WeightBuffer.View<sbyte>(AddressOf(part), inputs, outputs))];
            float[] smoothing = file.ReadFloat32(name + SmoothingSuffix, inputs), scales = file.ReadFloat32(name + ScaleSuffix, parts * outputs);
            _matrices.Add(name, new Int8Matrix(smoothing, scales, views));
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

    private static Int8Matrix Quantize(Checkpoint checkpoint, LinearGroup group, float[] largestInput)
    {
        int inputs = group.Inputs, outputs = group.Outputs;
        float[] rows = new float[checked(outputs * inputs)]; // [out,in]
        int offset = 0;
        foreach (LinearLayer layer in group.Layers)
        {
            int count = layer.Outputs * inputs;
            layer.CopyWeight(checkpoint, rows.AsSpan(offset, count));
            offset += count;
        }
        float[] smoothing = SmoothingOf(rows, largestInput);
        float[] scales = new float[outputs];
        int columns = group.IsSplit ? outputs / 2 : outputs;
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

    /// <summary>1 / s for each input channel. Maxima are at least 1e-5, so that a channel that is always zero is not divided by zero.</summary>
    private static float[] SmoothingOf(float[] rows, float[] largestInput)
    {
        const float Floor = 1e-5f;
        float[] largestWeight = new float[largestInput.Length];
        for (int start = 0; start < rows.Length; start += largestWeight.Length)
            TensorPrimitives.MaxMagnitude(largestWeight, rows.AsSpan(start, largestWeight.Length), largestWeight);
        return [.. largestInput.Zip(largestWeight, Inverse)];

        static float Inverse(float x, float w) =>
            MathF.Pow(MathF.Max(MathF.Abs(w), Floor), 1 - Exponent) / MathF.Pow(MathF.Max(x, Floor), Exponent);
    }
}

/// <summary>The weights of a group of linear layers in int8.</summary>
/// <param name="Smoothing">1 / s [in], by which inputs are multiplied before they are rotated.</param>
/// <param name="Scales">[out].</param>
/// <param name="Values">[in,out], rotated along the inputs; of a group that is split [in,out/2] for each layer.</param>
internal sealed record Int8Matrix(float[] Smoothing, float[] Scales, IReadOnlyList<WeightBuffer> Values) : IDisposable
{
    public ReadOnlySpan<float> ScalesOf(int part) => Scales.AsSpan(part * (Scales.Length / Values.Count), Scales.Length / Values.Count);

    public void Dispose()
    {
        foreach (WeightBuffer part in Values) part.Dispose();
    }
}
