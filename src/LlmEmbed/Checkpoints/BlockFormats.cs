using System.Buffers.Binary;
using LlmEmbed.Files;

namespace LlmEmbed.Checkpoints;

/// <summary>
/// GGUF's quantized formats. A block holds small whole numbers and the scales (and minima) that turn them into weights. The K formats give each of
/// 8 or 16 groups of a block a scale of its own. Products are rounded to fp32 in the order of the reference implementation, so that values are
/// bit-equal.
/// </summary>
internal static class BlockFormats
{
    private const int Block = 32;
    private const int SuperBlock = 256;
    private const int HalfBytes = 2;

    /// <summary>The 16 levels of the IQ4 formats, which lie denser around zero, as weights do.</summary>
    private static readonly sbyte[] UnevenLevels = [-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113];

    private delegate void BlockWidener(ReadOnlySpan<byte> block, Span<float> values);

    public static NumberFormat Q4_0 { get; } = Create("Q4_0", Block, 18, WidenQ4_0);

    public static NumberFormat Q4_1 { get; } = Create("Q4_1", Block, 20, WidenQ4_1);

    public static NumberFormat Q5_0 { get; } = Create("Q5_0", Block, 22, WidenQ5_0);

    public static NumberFormat Q5_1 { get; } = Create("Q5_1", Block, 24, WidenQ5_1);

    public static NumberFormat Q8_0 { get; } = Create("Q8_0", Block, 34, WidenQ8_0);

    public static NumberFormat Q2_K { get; } = Create("Q2_K", SuperBlock, 84, WidenQ2_K);

    public static NumberFormat Q3_K { get; } = Create("Q3_K", SuperBlock, 110, WidenQ3_K);

    public static NumberFormat Q4_K { get; } = Create("Q4_K", SuperBlock, 144, WidenQ4_K);

    public static NumberFormat Q5_K { get; } = Create("Q5_K", SuperBlock, 176, WidenQ5_K);

    public static NumberFormat Q6_K { get; } = Create("Q6_K", SuperBlock, 210, WidenQ6_K);

    public static NumberFormat IQ4_NL { get; } = Create("IQ4_NL", Block, 18, WidenIQ4_NL);

    public static NumberFormat IQ4_XS { get; } = Create("IQ4_XS", SuperBlock, 136, WidenIQ4_XS);

    private static NumberFormat Create(string name, int blockValues, int blockBytes, BlockWidener widen)
    {
        return new NumberFormat(name, blockValues, blockBytes, WidenBlocks);

        void WidenBlocks(ReadOnlySpan<byte> stored, Span<float> values)
        {
            for (int i = 0; i < stored.Length / blockBytes; i++)
                widen(stored.Slice(i * blockBytes, blockBytes), values.Slice(i * blockValues, blockValues));
        }
    }

    /// <summary>A scale, then 16 bytes: value j is the low half of byte j, value j + 16 its high half, each minus 8.</summary>
    private static void WidenQ4_0(ReadOnlySpan<byte> block, Span<float> values)
    {
        float scale = Half(block);
        ReadOnlySpan<byte> quants = block.Slice(HalfBytes, 16);
        for (int j = 0; j < 16; j++)
        {
            values[j] = ((quants[j] & 15) - 8) * scale;
            values[j + 16] = ((quants[j] >> 4) - 8) * scale;
        }
    }

    /// <summary>As Q4_0 with a minimum in place of the 8.</summary>
    private static void WidenQ4_1(ReadOnlySpan<byte> block, Span<float> values)
    {
        float scale = Half(block);
        float minimum = Half(block[HalfBytes..]);
        ReadOnlySpan<byte> quants = block.Slice(2 * HalfBytes, 16);
        for (int j = 0; j < 16; j++)
        {
            values[j] = (quants[j] & 15) * scale + minimum;
            values[j + 16] = (quants[j] >> 4) * scale + minimum;
        }
    }

    /// <summary>As Q4_0, with the fifth bits of the 32 values in one word.</summary>
    private static void WidenQ5_0(ReadOnlySpan<byte> block, Span<float> values)
    {
        float scale = Half(block);
        uint fifthBits = BinaryPrimitives.ReadUInt32LittleEndian(block[HalfBytes..]);
        ReadOnlySpan<byte> quants = block.Slice(6, 16);
        for (int j = 0; j < 16; j++)
        {
            values[j] = (((quants[j] & 15) | FifthBit(fifthBits, j)) - 16) * scale;
            values[j + 16] = (((quants[j] >> 4) | FifthBit(fifthBits, j + 16)) - 16) * scale;
        }
    }

    /// <summary>As Q5_0 with a minimum in place of the 16.</summary>
    private static void WidenQ5_1(ReadOnlySpan<byte> block, Span<float> values)
    {
        float scale = Half(block);
        float minimum = Half(block[HalfBytes..]);
        uint fifthBits = BinaryPrimitives.ReadUInt32LittleEndian(block[(2 * HalfBytes)..]);
        ReadOnlySpan<byte> quants = block.Slice(8, 16);
        for (int j = 0; j < 16; j++)
        {
            values[j] = ((quants[j] & 15) | FifthBit(fifthBits, j)) * scale + minimum;
            values[j + 16] = ((quants[j] >> 4) | FifthBit(fifthBits, j + 16)) * scale + minimum;
        }
    }

    private static void WidenQ8_0(ReadOnlySpan<byte> block, Span<float> values)
    {
        float scale = Half(block);
        ReadOnlySpan<byte> quants = block.Slice(HalfBytes, Block);
        for (int j = 0; j < Block; j++) values[j] = (sbyte)quants[j] * scale;
    }

    /// <summary>
    /// 16 bytes of scales (low half) and minima (high half) for groups of 16 values, 64 bytes of 2-bit values, the scale of the scales, that of the
    /// minima.
    /// </summary>
    private static void WidenQ2_K(ReadOnlySpan<byte> block, Span<float> values)
    {
        float scale = Half(block[80..]);
        float minimumScale = Half(block[82..]);
        for (int group = 0; group < 16; group++)
        {
            float groupScale = scale * (block[group] & 15);
            float minimum = minimumScale * (block[group] >> 4);
            ReadOnlySpan<byte> quants = block.Slice(16 + TwoBitByte(group), 16);
            Span<float> target = values.Slice(16 * group, 16);
            for (int j = 0; j < 16; j++) target[j] = groupScale * TwoBits(quants[j], group) - minimum;
        }
    }

    /// <summary>
    /// 32 bytes of third bits, 64 bytes of 2-bit values, 12 bytes of 16 scales of 6 bits, the scale of the scales. A third bit that is not set
    /// takes 4 away.
    /// </summary>
    private static void WidenQ3_K(ReadOnlySpan<byte> block, Span<float> values)
    {
        ReadOnlySpan<byte> scales = block.Slice(96, 12);
        float scale = Half(block[108..]);
        for (int group = 0; group < 16; group++)
        {
            int low = (scales[group % 8] >> (group / 8 * 4)) & 15;
            int high = (scales[8 + group % 4] >> (group / 4 * 2)) & 3;
            float groupScale = scale * ((low | (high << 4)) - 32);
            ReadOnlySpan<byte> thirdBits = block.Slice(group % 2 * 16, 16);
            ReadOnlySpan<byte> quants = block.Slice(32 + TwoBitByte(group), 16);
            Span<float> target = values.Slice(16 * group, 16);
            for (int j = 0; j < 16; j++)
            {
                int offset = (thirdBits[j] >> (group / 2) & 1) == 0 ? 4 : 0;
                target[j] = groupScale * (TwoBits(quants[j], group) - offset);
            }
        }
    }

    /// <summary>
    /// The scale of the scales, that of the minima, 12 bytes of 8 scales and 8 minima of 6 bits, 128 bytes of 4-bit values for groups of 32 values.
    /// </summary>
    private static void WidenQ4_K(ReadOnlySpan<byte> block, Span<float> values)
    {
        for (int group = 0; group < 8; group++)
        {
            (float scale, float minimum) = ScaleAndMinimum(block, group);
            ReadOnlySpan<byte> quants = block.Slice(16 + group / 2 * 32, 32);
            Span<float> target = values.Slice(32 * group, 32);
            for (int j = 0; j < 32; j++) target[j] = scale * FourBits(quants[j], group) - minimum;
        }
    }

    /// <summary>As Q4_K with 32 bytes of fifth bits before the 4-bit values: byte j holds those of value j of all eight groups.</summary>
    private static void WidenQ5_K(ReadOnlySpan<byte> block, Span<float> values)
    {
        ReadOnlySpan<byte> fifthBits = block.Slice(16, 32);
        for (int group = 0; group < 8; group++)
        {
            (float scale, float minimum) = ScaleAndMinimum(block, group);
            ReadOnlySpan<byte> quants = block.Slice(48 + group / 2 * 32, 32);
            Span<float> target = values.Slice(32 * group, 32);
            for (int j = 0; j < 32; j++) target[j] = scale * (FourBits(quants[j], group) | (fifthBits[j] >> group & 1) << 4) - minimum;
        }
    }

    /// <summary>128 bytes of low 4 bits, 64 bytes of high 2 bits, 16 signed scales for groups of 16 values, the scale of the scales.</summary>
    private static void WidenQ6_K(ReadOnlySpan<byte> block, Span<float> values)
    {
        float scale = Half(block[208..]);
        for (int group = 0; group < 16; group++)
        {
            // In each half of 128 values, values 0 to 63 are the low halves of 64 bytes and values 64 to 127 their high halves.
            (int half, int inHalf) = Math.DivRem(group, 8);
            float groupScale = scale * (sbyte)block[192 + group];
            ReadOnlySpan<byte> low = block.Slice(half * 64 + inHalf % 4 * 16, 16);
            ReadOnlySpan<byte> high = block.Slice(128 + half * 32 + inHalf % 2 * 16, 16);
            Span<float> target = values.Slice(16 * group, 16);
            for (int j = 0; j < 16; j++)
                target[j] = groupScale * ((FourBits(low[j], inHalf / 4) | TwoBits(high[j], inHalf) << 4) - 32);
        }
    }

    /// <summary>As Q4_0 with uneven levels.</summary>
    private static void WidenIQ4_NL(ReadOnlySpan<byte> block, Span<float> values) =>
        WidenUneven(Half(block), block.Slice(HalfBytes, 16), values);

    /// <summary>
    /// The scale of the scales, the high 2 bits of 8 scales, their low 4 bits, then the levels of groups of 32 values as in IQ4_NL.
    /// </summary>
    private static void WidenIQ4_XS(ReadOnlySpan<byte> block, Span<float> values)
    {
        float scale = Half(block);
        int highBits = BinaryPrimitives.ReadUInt16LittleEndian(block[HalfBytes..]);
        for (int group = 0; group < 8; group++)
        {
            int groupScale = FourBits(block[4 + group / 2], group) | (highBits >> (2 * group) & 3) << 4;
            WidenUneven(scale * (groupScale - 32), block.Slice(8 + 16 * group, 16), values.Slice(32 * group, 32));
        }
    }

    private static void WidenUneven(float scale, ReadOnlySpan<byte> quants, Span<float> values)
    {
        for (int j = 0; j < 16; j++)
        {
            values[j] = scale * UnevenLevels[quants[j] & 15];
            values[j + 16] = scale * UnevenLevels[quants[j] >> 4];
        }
    }

    /// <summary>
    /// The scale and the minimum of a group of Q4_K and Q5_K. Those of groups 4 to 7 have their high bits in the bytes of groups 0 to 3.
    /// </summary>
    private static (float Scale, float Minimum) ScaleAndMinimum(ReadOnlySpan<byte> block, int group)
    {
        ReadOnlySpan<byte> packed = block.Slice(4, 12);
        int scale = group < 4 ? packed[group] & 63 : (packed[group + 4] & 15) | packed[group - 4] >> 6 << 4;
        int minimum = group < 4 ? packed[group + 4] & 63 : packed[group + 4] >> 4 | packed[group] >> 6 << 4;
        return (Half(block) * scale, Half(block[HalfBytes..]) * minimum);
    }

    /// <summary>Where the 2-bit values of a group of 16 begin: four groups, two apart, share their bytes.</summary>
    private static int TwoBitByte(int group) => group / 8 * 32 + group % 2 * 16;

    private static int TwoBits(byte packed, int group) => packed >> (group / 2 % 4 * 2) & 3;

    private static int FourBits(byte packed, int group) => packed >> (group % 2 * 4) & 15;

    private static int FifthBit(uint bits, int index) => (int)(bits >> index & 1) << 4;

    private static float Half(ReadOnlySpan<byte> bytes) => (float)BinaryPrimitives.ReadHalfLittleEndian(bytes);
}
