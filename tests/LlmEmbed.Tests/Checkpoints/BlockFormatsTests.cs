using LlmEmbed.Checkpoints;
using LlmEmbed.Files;
using Xunit;

namespace LlmEmbed.Tests.Checkpoints;

public sealed class BlockFormatsTests
{
    public static TheoryData<string> Names => [.. GgmlType.Formats.Values.Select(format => format.Name).Except(["F32", "F16", "F64"])];

    [Theory]
    [MemberData(nameof(Names))]
    public void Random_blocks_widen_to_bit_equal_values(string name)
    {
        NumberFormat format = GgmlType.Formats.Values.Single(format => format.Name == name);
        using SafetensorsFile golden = SafetensorsFile.Open(Repository.Fixture("gguf", "gguf-blocks.safetensors"));
        ReadOnlySpan<byte> blocks = golden.Require($"{name}.blocks", [10, -1], "U8").Span<byte>();
        float[] expected = golden.ReadFloat32($"{name}.values", 10, -1);
        Assert.Equal(blocks.Length, format.ByteLength(expected.Length));
        float[] actual = new float[expected.Length];
        format.Widen(blocks, actual);
        Assert.Equal(expected.Select(BitConverter.SingleToInt32Bits), actual.Select(BitConverter.SingleToInt32Bits));
    }

    [Fact]
    public void All_half_precision_values_widen_as_the_runtime_converts_them()
    {
        ushort[] halves = [.. Enumerable.Range(0, 1 << 16).Select(bits => (ushort)bits)];
        float[] values = new float[halves.Length];
        NumberFormat.F16.Widen(System.Runtime.InteropServices.MemoryMarshal.AsBytes<ushort>(halves), values);
        Assert.Equal(halves.Select(bits => (float)BitConverter.UInt16BitsToHalf(bits)), values);
    }

    [Fact]
    public void Bfloat16_is_widened_in_vectors_and_in_the_remainder_alike()
    {
        ushort[] stored = [.. Enumerable.Range(0, 77).Select(i => (ushort)(0x3f80 + i * 31))];
        float[] values = new float[stored.Length];
        NumberFormat.BF16.Widen(System.Runtime.InteropServices.MemoryMarshal.AsBytes<ushort>(stored), values);
        Assert.Equal(stored.Select(bits => BitConverter.Int32BitsToSingle(bits << 16)), values);
    }
}
