using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;

namespace LlmEmbed.Files;

/// <summary>Widens whole blocks of stored values to fp32.</summary>
internal delegate void Widener(ReadOnlySpan<byte> stored, Span<float> values);

/// <summary>
/// A format in which files store floating-point numbers: <paramref name="BlockBytes"/> bytes hold <paramref name="BlockValues"/> values.
/// A plain format has blocks of one value.
/// </summary>
internal sealed record NumberFormat(string Name, int BlockValues, int BlockBytes, Widener Widen)
{
    public static NumberFormat F64 { get; } = new("F64", 1, 8, static (stored, values) =>
        TensorPrimitives.ConvertTruncating(MemoryMarshal.Cast<byte, double>(stored), values));

    public static NumberFormat F32 { get; } = new("F32", 1, 4, static (stored, values) =>
        MemoryMarshal.Cast<byte, float>(stored).CopyTo(values));

    public static NumberFormat F16 { get; } = new("F16", 1, 2, static (stored, values) =>
        TensorPrimitives.ConvertToSingle(MemoryMarshal.Cast<byte, Half>(stored), values));

    public static NumberFormat BF16 { get; } = new("BF16", 1, 2, WidenBFloat16);

    /// <summary>Bytes that <paramref name="values"/> values take; the count must fill whole blocks.</summary>
    public long ByteLength(long values) => checked(values / BlockValues * BlockBytes);

    /// <summary>A bfloat16 is the upper half of an fp32.</summary>
    private static void WidenBFloat16(ReadOnlySpan<byte> stored, Span<float> values)
    {
        ReadOnlySpan<ushort> halves = MemoryMarshal.Cast<byte, ushort>(stored);
        Span<uint> bits = MemoryMarshal.Cast<float, uint>(values)[..halves.Length];
        int i = 0;
        for (; i <= halves.Length - Vector<ushort>.Count; i += Vector<ushort>.Count)
        {
            Vector.Widen(new Vector<ushort>(halves[i..]), out Vector<uint> lower, out Vector<uint> upper);
            (lower << 16).CopyTo(bits[i..]);
            (upper << 16).CopyTo(bits[(i + Vector<uint>.Count)..]);
        }
        for (; i < halves.Length; i++) bits[i] = (uint)halves[i] << 16;
    }
}
