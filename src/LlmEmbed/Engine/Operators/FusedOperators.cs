using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace LlmEmbed.Engine;

/// <summary>
/// Operators that compute, row by row (a row is a token), everything between two matrix products in one pass over memory. ONNX Runtime has each step
/// as an operator with a pass of its own, and between two small int8 products such passes take longer than the products. Operators that quantize
/// rotate a row (<see cref="Rotation"/>) and scale it by its own largest value, so that a text's result does not depend on the other texts of its
/// batch.
/// </summary>
internal static unsafe class FusedOperators
{
    /// <summary>The quantized value that stands for 0: quantized values are 128 ± 127.</summary>
    public const byte ZeroPoint = 128;

    private const float Steps = 127;

    private const OnnxType F = OnnxType.Float, Q = OnnxType.UInt8, I = OnnxType.Int32;

    public static readonly FusedOperator[] All =
    [
        new("QuantizeRows", [F, F], [new(Q, LikeInput), new(F, One)], &QuantizeRows),
        new("SplitRows", [F, F, F, F, F], [new(F, a => a.InputWidths[2]), new(F, a => a.InputWidths[3]), new(F, a => a.InputWidths[4])], &SplitRows),
        new("AddRows", [F, F, F, F], [new(F, LikeInput)], &AddRows),
        new("RmsNormQuantize", [F, F, F], [new(Q, LikeInput), new(F, One)], &RmsNormQuantize),
        new("AddRmsNormQuantize", [F, F, F, F, F, F], [new(Q, LikeInput), new(F, One), new(F, LikeInput)], &AddRmsNormQuantize),
        new("AddLayerNormQuantize", [F, F, F, F, F, F, F, F], [new(Q, LikeInput), new(F, One), new(F, LikeInput)], &AddLayerNormQuantize),
        new("AddPreLayerNormQuantize", [F, F, F, F, F, F, F], [new(Q, LikeInput), new(F, One), new(F, LikeInput)], &AddPreLayerNormQuantize),
        .. OperatorsOf<Silu>(Activation.Silu),
        .. OperatorsOf<Gelu>(Activation.Gelu),
        .. OperatorsOf<TanhGelu>(Activation.TanhGelu),
        .. OperatorsOf<Relu>(Activation.Relu),
        new("AddLayerNorm", [F, F, F, F, F, F], [new(F, LikeInput)], &AddLayerNorm),
        new("GeluRows", [F, F], [new(F, LikeInput)], &GeluRows),
        new(
            "Attention",
            [F, F, F, F, F, F, I, F, F, F, F],
            [new(F, AttentionOperator.Width)],
            &AttentionOperator.OfParts,
            AttentionOperator.Units),
        new(
            "AttentionOfProduct",
            [F, F, F, F, F, I, F, F, F, F],
            [new(F, AttentionOperator.Width)],
            &AttentionOperator.OfProduct,
            AttentionOperator.Units),
    ];

    /// <summary>The operator that applies a function to what a linear layer computed and quantizes the result.</summary>
    public static string ActivateQuantize(Activation function) => $"{function}Quantize";

    /// <summary>The operator that multiplies a function of a gate by another value and quantizes the product.</summary>
    public static string GateQuantize(Activation function) => $"{function}GateQuantize";

    private static FusedOperator[] OperatorsOf<TActivation>(Activation function)
        where TActivation : IActivation =>
        [
            new(ActivateQuantize(function), [F, F, F, F], [new(Q, LikeInput), new(F, One)], &ActivateQuantize<TActivation>),
            new(GateQuantize(function), [F, F, F, F, F], [new(Q, a => a.InputWidths[4]), new(F, One)], &GateQuantize<TActivation>),
        ];

    private static int LikeInput(RowArguments arguments) => arguments.InputWidths[0];

    private static int One(RowArguments arguments) => 1;

    /// <summary>(x [.,K], smoothing [K]) → u8 [.,K], scale [.,1].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void QuantizeRows(in RowArguments a, int begin, int end)
    {
        int width = a.InputWidths[0];
        Span<float> scratch = new float[width];
        for (int row = begin; row < end; row++)
        {
            Scale(a.Row(0, row), 1, a.Vector(1), scratch);
            Quantize(scratch, a.Bytes(0, row), out a.Scalar(1, row));
        }
    }

    /// <summary>(product [.,N₀+N₁+N₂], scale [.,1], bias₀, bias₁, bias₂) → three parts, scaled and biased.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void SplitRows(in RowArguments a, int begin, int end)
    {
        for (int row = begin; row < end; row++)
        {
            float scale = a.Row(1, row)[0];
            ReadOnlySpan<float> product = a.Row(0, row);
            for (int part = 0; part < 3; part++)
            {
                Span<float> output = a.Output(part, row);
                TensorPrimitives.MultiplyAdd(product[..output.Length], scale, a.Vector(2 + part), output);
                product = product[output.Length..];
            }
        }
    }

    /// <summary>(product [.,H], scale [.,1], bias [H], residual [.,H]) → their sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddRows(in RowArguments a, int begin, int end)
    {
        for (int row = begin; row < end; row++) Sum(a.Row(0, row), a.Row(1, row)[0], a.Vector(2), a.Row(3, row), a.Output(0, row));
    }

    /// <summary>(x [.,H], weight / smoothing [H], epsilon [1]) → u8 [.,H], scale [.,1].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RmsNormQuantize(in RowArguments a, int begin, int end)
    {
        Span<float> scratch = new float[a.InputWidths[0]];
        for (int row = begin; row < end; row++)
            RmsNormQuantize(a.Row(0, row), a.Vector(1), a.Vector(2)[0], scratch, a.Bytes(0, row), out a.Scalar(1, row));
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void RmsNormQuantize(
        ReadOnlySpan<float> values, ReadOnlySpan<float> weight, float epsilon, Span<float> scratch, Span<byte> destination, out float scale)
    {
        float norm = 1 / MathF.Sqrt(TensorPrimitives.SumOfSquares(values) / values.Length + epsilon);
        Scale(values, norm, weight, scratch);
        Quantize(scratch, destination, out scale);
    }

    /// <summary>
    /// (product [.,H], scale [.,1], bias [H], residual [.,H], weight / smoothing [H], epsilon [1]) → u8 [.,H], scale [.,1], residual sum [.,H].
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddRmsNormQuantize(in RowArguments a, int begin, int end)
    {
        int width = a.InputWidths[0];
        Span<float> scratch = new float[width];
        float epsilon = a.Vector(5)[0];
        for (int row = begin; row < end; row++)
        {
            Span<float> sum = a.Output(2, row);
            Sum(a.Row(0, row), a.Row(1, row)[0], a.Vector(2), a.Row(3, row), sum);
            RmsNormQuantize(sum, a.Vector(4), epsilon, scratch, a.Bytes(0, row), out a.Scalar(1, row));
        }
    }

    /// <summary>
    /// (product [.,H], scale [.,1], bias [H], residual [.,H], weight [H], bias of the norm [H], smoothing [H], epsilon [1]) → u8 [.,H], scale [.,1],
    /// normalized sum [.,H].
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddLayerNormQuantize(in RowArguments a, int begin, int end)
    {
        int width = a.InputWidths[0];
        Span<float> scratch = new float[width];
        float epsilon = a.Vector(7)[0];
        for (int row = begin; row < end; row++)
        {
            Span<float> output = a.Output(2, row);
            float mean = Sum(a.Row(0, row), a.Row(1, row)[0], a.Vector(2), a.Row(3, row), output) / width;
            LayerNorm(output, mean, a.Vector(4), a.Vector(5), epsilon, output);
            Scale(output, 1, a.Vector(6), scratch);
            Quantize(scratch, a.Bytes(0, row), out a.Scalar(1, row));
        }
    }

    /// <summary>
    /// (product [.,H], scale [.,1], bias [H], residual [.,H], weight · smoothing [H], bias of the norm · smoothing [H], epsilon [1]) → u8 [.,H],
    /// scale [.,1], residual sum [.,H].
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddPreLayerNormQuantize(in RowArguments a, int begin, int end)
    {
        int width = a.InputWidths[0];
        Span<float> scratch = new float[width];
        float epsilon = a.Vector(6)[0];
        for (int row = begin; row < end; row++)
        {
            Span<float> sum = a.Output(2, row);
            float mean = Sum(a.Row(0, row), a.Row(1, row)[0], a.Vector(2), a.Row(3, row), sum) / width;
            LayerNorm(sum, mean, a.Vector(4), a.Vector(5), epsilon, scratch);
            Quantize(scratch, a.Bytes(0, row), out a.Scalar(1, row));
        }
    }

    /// <summary>The layer norm of a row. Both rows may be the same one.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void LayerNorm(
        ReadOnlySpan<float> values, float mean, ReadOnlySpan<float> weight, ReadOnlySpan<float> bias, float epsilon, Span<float> destination)
    {
        Vector512<float> means = Vector512.Create(mean), squares = Vector512<float>.Zero;
        int i = 0;
        for (; i <= values.Length - Lanes; i += Lanes)
        {
            Vector512<float> deviation = Load(values, i) - means;
            squares = Vector512.FusedMultiplyAdd(deviation, deviation, squares);
        }
        float sum = Vector512.Sum(squares);
        for (; i < values.Length; i++) sum += (values[i] - mean) * (values[i] - mean);
        float norm = 1 / MathF.Sqrt(sum / values.Length + epsilon);
        for (i = 0; i <= values.Length - Lanes; i += Lanes)
            Vector512.FusedMultiplyAdd((Load(values, i) - means) * norm, Load(weight, i), Load(bias, i)).StoreUnsafe(ref destination[i]);
        for (; i < values.Length; i++) destination[i] = MathF.FusedMultiplyAdd((values[i] - mean) * norm, weight[i], bias[i]);
    }

    /// <summary>(product [.,H], bias [H], residual [.,H], weight [H], bias of the norm [H], epsilon [1]) → the layer norm of their sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddLayerNorm(in RowArguments a, int begin, int end)
    {
        for (int row = begin; row < end; row++)
        {
            Span<float> output = a.Output(0, row);
            float mean = Sum(a.Row(0, row), 1, a.Vector(1), a.Row(2, row), output) / output.Length;
            LayerNorm(output, mean, a.Vector(3), a.Vector(4), a.Vector(5)[0], output);
        }
    }

    /// <summary>(product [.,I], bias [I]) → GELU of their sum.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void GeluRows(in RowArguments a, int begin, int end)
    {
        ReadOnlySpan<float> bias = a.Vector(1);
        for (int row = begin; row < end; row++)
        {
            ReadOnlySpan<float> product = a.Row(0, row);
            Span<float> output = a.Output(0, row);
            int i = 0;
            for (; i <= output.Length - Lanes; i += Lanes) Gelu.Of(Load(product, i) + Load(bias, i)).StoreUnsafe(ref output[i]);
            for (; i < output.Length; i++) output[i] = Gelu.Of(Vector512.Create(product[i] + bias[i]))[0];
        }
    }

    /// <summary>
    /// (product whose first I columns are gate, product whose last I columns are up, scale [.,1], bias [2I], smoothing [I]) → f(gate) · up as
    /// u8 [.,I], scale [.,1]. Both products may be the same one [.,2I], or be [.,I] each.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void GateQuantize<TActivation>(in RowArguments a, int begin, int end)
        where TActivation : IActivation
    {
        int width = a.OutputWidths[0];
        Span<float> scratch = new float[width];
        ReadOnlySpan<float> gateBias = a.Vector(3)[..width], upBias = a.Vector(3)[width..], smoothing = a.Vector(4);
        for (int row = begin; row < end; row++)
        {
            Vector512<float> scale = Vector512.Create(a.Row(2, row)[0]);
            ReadOnlySpan<float> gate = a.Row(0, row)[..width], up = a.Row(1, row)[^width..];
            int i = 0;
            for (; i <= width - Lanes; i += Lanes)
            {
                Vector512<float> gates = Vector512.FusedMultiplyAdd(Load(gate, i), scale, Load(gateBias, i));
                Vector512<float> ups = Vector512.FusedMultiplyAdd(Load(up, i), scale, Load(upBias, i));
                TActivation.Gate(gates, ups, Load(smoothing, i)).StoreUnsafe(ref scratch[i]);
            }
            for (; i < width; i++)
            {
                Vector512<float> gates = Vector512.Create(gate[i] * scale[0] + gateBias[i]), ups = Vector512.Create(up[i] * scale[0] + upBias[i]);
                scratch[i] = TActivation.Gate(gates, ups, Vector512.Create(smoothing[i]))[0];
            }
            Quantize(scratch, a.Bytes(0, row), out a.Scalar(1, row));
        }
    }

    /// <summary>(product [.,I], scale [.,1], bias [I], smoothing [I]) → f(product) as u8 [.,I], scale [.,1].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void ActivateQuantize<TActivation>(in RowArguments a, int begin, int end)
        where TActivation : IActivation
    {
        int width = a.InputWidths[0];
        Span<float> scratch = new float[width];
        ReadOnlySpan<float> bias = a.Vector(2), smoothing = a.Vector(3);
        Vector512<float> one = Vector512<float>.One;
        for (int row = begin; row < end; row++)
        {
            Vector512<float> scale = Vector512.Create(a.Row(1, row)[0]);
            ReadOnlySpan<float> product = a.Row(0, row);
            int i = 0;
            for (; i <= width - Lanes; i += Lanes)
            {
                Vector512<float> values = Vector512.FusedMultiplyAdd(Load(product, i), scale, Load(bias, i));
                TActivation.Gate(values, one, Load(smoothing, i)).StoreUnsafe(ref scratch[i]);
            }
            for (; i < width; i++)
                scratch[i] = TActivation.Gate(Vector512.Create(product[i] * scale[0] + bias[i]), one, Vector512.Create(smoothing[i]))[0];
            Quantize(scratch, a.Bytes(0, row), out a.Scalar(1, row));
        }
    }

    private const int Lanes = 16;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<float> Load(ReadOnlySpan<float> values, int at) => Vector512.LoadUnsafe(in values[at]);

    /// <summary>product · scale + bias + residual.</summary>
    /// <returns>The sum of the row.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float Sum(
        ReadOnlySpan<float> product, float scale, ReadOnlySpan<float> bias, ReadOnlySpan<float> residual, Span<float> destination)
    {
        int i = 0;
        Vector512<float> scales = Vector512.Create(scale), sums = Vector512<float>.Zero;
        for (; i <= destination.Length - Lanes; i += Lanes)
        {
            Vector512<float> value = Vector512.FusedMultiplyAdd(Load(product, i), scales, Load(residual, i)) + Load(bias, i);
            value.StoreUnsafe(ref destination[i]);
            sums += value;
        }
        float sum = Vector512.Sum(sums);
        for (; i < destination.Length; i++) sum += destination[i] = MathF.FusedMultiplyAdd(product[i], scale, residual[i]) + bias[i];
        return sum;
    }

    /// <summary>values · factor · weights.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Scale(ReadOnlySpan<float> values, float factor, ReadOnlySpan<float> weights, Span<float> destination)
    {
        int i = 0;
        for (; i <= values.Length - Lanes; i += Lanes) (Load(values, i) * factor * Load(weights, i)).StoreUnsafe(ref destination[i]);
        for (; i < values.Length; i++) destination[i] = values[i] * factor * weights[i];
    }

    /// <summary>Rotates a row in place, scales it so that its largest magnitude becomes 127 and rounds to the nearest step.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Quantize(Span<float> values, Span<byte> destination, out float scale)
    {
        float largest = Rotation.Apply(values);
        scale = largest / Steps;
        const float Shift = 12582912f + ZeroPoint; // adding it leaves the rounded number in the low bits
        float inverse = largest > 0 ? Steps / largest : 0;
        int i = 0;
        for (; i <= values.Length - Vector512<byte>.Count; i += Vector512<byte>.Count)
        {
            Vector512<ushort> low = Vector512.Narrow(Rounded(values, i, inverse), Rounded(values, i + 16, inverse));
            Vector512<ushort> high = Vector512.Narrow(Rounded(values, i + 32, inverse), Rounded(values, i + 48, inverse));
            Vector512.Narrow(low, high).StoreUnsafe(ref destination[i]);
        }
        for (; i < values.Length; i++) destination[i] = (byte)BitConverter.SingleToUInt32Bits(values[i] * inverse + Shift);

        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        static Vector512<uint> Rounded(ReadOnlySpan<float> values, int at, float inverse) =>
            (Load(values, at) * inverse + Vector512.Create(Shift)).AsUInt32();
    }
}

/// <summary>An operator over rows, or over other units of work.</summary>
/// <param name="name">Its name in the graph.</param>
/// <param name="inputs">Types of the inputs. The first one determines the number of rows; every other one is a vector or has as many rows.</param>
/// <param name="outputs">Types and widths of the outputs, which have the first input's leading dimensions.</param>
/// <param name="run">Computes the units from the first number on, up to and without the second number.</param>
/// <param name="units">How many units there are and how many a thread takes at once; null if the units are the rows.</param>
internal sealed unsafe class FusedOperator(
    string name,
    OnnxType[] inputs,
    FusedOutput[] outputs,
    delegate*<in RowArguments, int, int, void> run,
    Func<RowArguments, (int Units, int PerTask)>? units = null)
{
    /// <summary>Values that a thread is given at once: some ten microseconds of work.</summary>
    private const int ValuesPerTask = 32 * 1024;

    public string Name => name;

    public OnnxType[] Inputs => inputs;

    public FusedOutput[] Outputs => outputs;

    public (int Units, int PerTask) UnitsOf(in RowArguments arguments) =>
        units?.Invoke(arguments) ?? (arguments.Rows, Math.Max(1, ValuesPerTask / Math.Max(1, arguments.InputWidths[0])));

    public void Run(in RowArguments arguments, int begin, int end) => run(in arguments, begin, end);
}

internal sealed record FusedOutput(OnnxType Type, Func<RowArguments, int> Width);

/// <summary>What one call of an operator works on.</summary>
internal unsafe struct RowArguments
{
    private const int Most = 11;

    public Addresses Inputs;
    public Addresses Outputs;
    public Widths InputWidths;
    public Widths OutputWidths;
    public int InputCount;
    public int Rows;

    /// <summary>T, if the rows are [B,T].</summary>
    public int Length;

    public int Units;
    public int UnitsPerTask;
    public int Operator;

    /// <summary>B, if the rows are [B,T].</summary>
    public readonly int Texts => Rows / Length;

    public readonly float* Pointer(int input) => (float*)Inputs[input];

    public readonly ReadOnlySpan<float> Row(int input, int row) => new((float*)Inputs[input] + (long)row * InputWidths[input], InputWidths[input]);

    public readonly ReadOnlySpan<float> Vector(int input) => new((float*)Inputs[input], InputWidths[input]);

    public readonly Span<float> Output(int output, int row) => new((float*)Outputs[output] + (long)row * OutputWidths[output], OutputWidths[output]);

    public readonly Span<byte> Bytes(int output, int row) => new((byte*)Outputs[output] + (long)row * OutputWidths[output], OutputWidths[output]);

    public readonly ref float Scalar(int output, int row) => ref ((float*)Outputs[output])[row];

    [InlineArray(Most)]
    public struct Addresses
    {
        private nint _first;
    }

    [InlineArray(Most)]
    public struct Widths
    {
        private int _first;
    }
}
