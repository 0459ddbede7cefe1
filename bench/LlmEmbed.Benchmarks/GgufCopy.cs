using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// The starter's GGUF file with its matrices in another format of llama.cpp, so that a comparison can have more than the one format that is in
/// models. The values are those of the Q4_1 file, so that the copy says nothing about quality: only speed is compared.
/// </summary>
internal static class GgufCopy
{
    private const int Alignment = 32, BlockSize = 32;

    /// <summary>A format of numbers.</summary>
    /// <param name="Number">GGUF's number for it.</param>
    /// <param name="Values">The values of a block.</param>
    /// <param name="Bytes">The bytes of a block.</param>
    /// <param name="Read">Reads a row; null if the format is not read.</param>
    /// <param name="Write">Writes a row; null if the format is not written.</param>
    private sealed record Format(uint Number, int Values, int Bytes, Action<byte[], float[]>? Read = null, Action<float[], Stream>? Write = null)
    {
        public long BytesOf(long values) => values / Values * Bytes;
    }

    private sealed record GgufTensor(string Name, long[] Dimensions, Format Format, long Offset)
    {
        public long Count => Dimensions.Aggregate(1L, (product, size) => product * size);
    }

    /// <summary>What the starter's file has in it.</summary>
    private static readonly Format[] Sources =
    [
        new(0, 1, 4, Read: (bytes, row) => MemoryMarshal.Cast<byte, float>(bytes).CopyTo(row)),
        new(3, BlockSize, 20, Read: ReadQ4_1),
        new(8, BlockSize, 34, Read: ReadQ8_0),
    ];

    /// <summary>By name what can be written, and llama.cpp's number for such a file.</summary>
    private static readonly Dictionary<string, (Format Format, uint FileType)> Targets = new(StringComparer.OrdinalIgnoreCase)
    {
        ["F16"] = (new(1, 1, 2, Write: WriteF16), 1),
        ["Q4_0"] = (new(2, BlockSize, 18, Write: (row, stream) => WriteBlocks(row, stream, 4)), 2),
        ["Q8_0"] = (new(8, BlockSize, 34, Write: WriteQ8_0), 7),
        ["Q5_0"] = (new(6, BlockSize, 22, Write: (row, stream) => WriteBlocks(row, stream, 5)), 8),
    };

    public static int Write(string formatName, string target)
    {
        if (!Targets.TryGetValue(formatName, out (Format Format, uint FileType) chosen))
            throw new ArgumentException($"The format is '{formatName}', expected one of {string.Join(", ", Targets.Keys)}.", nameof(formatName));
        using (FileStream source = File.OpenRead(Bench.StarterGguf()))
        using (FileStream copy = File.Create(target))
        {
            (byte[] metadata, ulong entries, GgufTensor[] tensors, long start) = ReadHeader(source, chosen.FileType);
            // Vectors stay as they are, as llama.cpp's own quantization leaves them.
            Format FormatOf(GgufTensor tensor) => tensor.Dimensions.Length > 1 ? chosen.Format : tensor.Format;
            WriteHeader(copy, metadata, entries, [.. tensors.Select(tensor => (tensor, FormatOf(tensor)))]);
            foreach (GgufTensor tensor in tensors)
            {
                Pad(copy);
                source.Position = start + tensor.Offset;
                byte[] bytes = new byte[tensor.Format.BytesOf(tensor.Dimensions[0])];
                float[] row = new float[tensor.Dimensions[0]];
                for (long i = 0; i < tensor.Count / row.Length; i++)
                {
                    source.ReadExactly(bytes);
                    if (FormatOf(tensor) == tensor.Format)
                    {
                        copy.Write(bytes);
                        continue;
                    }
                    tensor.Format.Read!(bytes, row);
                    chosen.Format.Write!(row, copy);
                }
            }
        }
        double megabytes = new FileInfo(target).Length / 1e6;
        Console.WriteLine($"{target}: {megabytes:0} MB, hidden states off by {RelativeError(target):0.0000} (root mean square, relative)");
        return 0;
    }

    /// <summary>Everything before the numbers.</summary>
    /// <returns>
    /// The bytes of the metadata with another type of file in it, the number of its entries, the tensors with offsets from the place where the
    /// numbers start, and that place.
    /// </returns>
    private static (byte[] Metadata, ulong Entries, GgufTensor[] Tensors, long Start) ReadHeader(FileStream file, uint fileType)
    {
        using BinaryReader reader = new(file, Encoding.UTF8, leaveOpen: true);
        const uint Magic = 0x46554747, Version = 3;
        if (reader.ReadUInt32() != Magic || reader.ReadUInt32() != Version)
            throw new InvalidDataException($"{file.Name} is no GGUF file of version 3.");
        GgufTensor[] tensors = new GgufTensor[reader.ReadUInt64()];
        ulong entries = reader.ReadUInt64();
        long first = file.Position, place = 0;
        for (ulong entry = 0; entry < entries; entry++)
        {
            string key = ReadText(reader);
            uint type = reader.ReadUInt32();
            if (key == "general.file_type") place = file.Position - first;
            SkipValue(reader, type);
        }
        byte[] metadata = new byte[file.Position - first];
        file.Position = first;
        file.ReadExactly(metadata);
        BinaryPrimitives.WriteUInt32LittleEndian(metadata.AsSpan((int)place), fileType);
        for (int i = 0; i < tensors.Length; i++)
        {
            string name = ReadText(reader);
            long[] dimensions = new long[reader.ReadUInt32()];
            for (int axis = 0; axis < dimensions.Length; axis++) dimensions[axis] = reader.ReadInt64();
            uint number = reader.ReadUInt32();
            tensors[i] = new GgufTensor(name, dimensions, Sources.Single(format => format.Number == number), reader.ReadInt64());
        }
        return (metadata, entries, tensors, RoundUp(file.Position));
    }

    private static void SkipValue(BinaryReader reader, uint type)
    {
        const uint Text = 8, List = 9;
        switch (type)
        {
            case Text:
                _ = ReadText(reader);
                break;
            case List:
                uint elements = reader.ReadUInt32();
                for (ulong rest = reader.ReadUInt64(); rest > 0; rest--) SkipValue(reader, elements);
                break;
            default:
                // By GGUF's number of the type: 8-, 16- and 32-bit integers, fp32, bool, the two others above, 64-bit integers and fp64.
                reader.BaseStream.Position += ((ReadOnlySpan<int>)[1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8])[(int)type];
                break;
        }
    }

    private static string ReadText(BinaryReader reader) => Encoding.UTF8.GetString(reader.ReadBytes((int)reader.ReadUInt64()));

    private static void WriteHeader(FileStream file, byte[] metadata, ulong entries, (GgufTensor Tensor, Format Format)[] tensors)
    {
        using BinaryWriter writer = new(file, Encoding.UTF8, leaveOpen: true);
        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write((ulong)tensors.Length);
        writer.Write(entries);
        writer.Write(metadata);
        long offset = 0;
        foreach ((GgufTensor tensor, Format format) in tensors)
        {
            byte[] name = Encoding.UTF8.GetBytes(tensor.Name);
            writer.Write((ulong)name.Length);
            writer.Write(name);
            writer.Write((uint)tensor.Dimensions.Length);
            foreach (long size in tensor.Dimensions) writer.Write(size);
            writer.Write(format.Number);
            writer.Write(offset);
            offset += RoundUp(format.BytesOf(tensor.Count));
        }
    }

    private static void Pad(FileStream file)
    {
        while (file.Position % Alignment != 0) file.WriteByte(0);
    }

    private static long RoundUp(long offset) => (offset + Alignment - 1) / Alignment * Alignment;

    private static void ReadQ4_1(byte[] bytes, float[] row)
    {
        for (int block = 0; block < row.Length / BlockSize; block++)
        {
            ReadOnlySpan<byte> stored = bytes.AsSpan(20 * block, 20);
            float scale = (float)BinaryPrimitives.ReadHalfLittleEndian(stored), least = (float)BinaryPrimitives.ReadHalfLittleEndian(stored[2..]);
            for (int i = 0; i < 16; i++)
            {
                row[BlockSize * block + i] = scale * (stored[4 + i] & 15) + least;
                row[BlockSize * block + 16 + i] = scale * (stored[4 + i] >> 4) + least;
            }
        }
    }

    private static void ReadQ8_0(byte[] bytes, float[] row)
    {
        for (int i = 0; i < row.Length; i++)
        {
            ReadOnlySpan<byte> stored = bytes.AsSpan(34 * (i / BlockSize), 34);
            row[i] = (float)BinaryPrimitives.ReadHalfLittleEndian(stored) * (sbyte)stored[2 + i % BlockSize];
        }
    }

    private static void WriteF16(float[] row, Stream stream)
    {
        byte[] bytes = new byte[2 * row.Length];
        for (int i = 0; i < row.Length; i++) BinaryPrimitives.WriteHalfLittleEndian(bytes.AsSpan(2 * i), (Half)row[i]);
        stream.Write(bytes);
    }

    private static void WriteQ8_0(float[] row, Stream stream)
    {
        byte[] block = new byte[34];
        foreach (float[] values in row.Chunk(BlockSize))
        {
            float scale = Math.Abs(TensorPrimitives.MaxMagnitude<float>(values)) / 127;
            BinaryPrimitives.WriteHalfLittleEndian(block, (Half)scale);
            for (int i = 0; i < BlockSize; i++) block[2 + i] = (byte)(sbyte)MathF.Round(scale == 0 ? 0 : values[i] / scale);
            stream.Write(block);
        }
    }

    /// <summary>
    /// Q4_0 and Q5_0: the value of largest magnitude becomes the lowest level, the others are rounded to the nearest one. The fifth bits stand before
    /// the others.
    /// </summary>
    private static void WriteBlocks(float[] row, Stream stream, int bits)
    {
        int half = 1 << (bits - 1), start = bits == 5 ? 6 : 2;
        byte[] block = new byte[start + 16];
        foreach (float[] values in row.Chunk(BlockSize))
        {
            float scale = TensorPrimitives.MaxMagnitude<float>(values) / -half;
            int[] levels = [.. values.Select(value => scale == 0 ? half : Math.Clamp((int)MathF.Round(value / scale) + half, 0, 2 * half - 1))];
            BinaryPrimitives.WriteHalfLittleEndian(block, (Half)scale);
            if (bits == 5)
                BinaryPrimitives.WriteUInt32LittleEndian(block.AsSpan(2), (uint)levels.Select((level, i) => (long)(level >> 4) << i).Sum());
            for (int i = 0; i < 16; i++) block[start + i] = (byte)(levels[i] & 15 | (levels[i + 16] & 15) << 4);
            stream.Write(block);
        }
    }

    /// <summary>
    /// How far the hidden states behind all blocks are from those of the source, which shows that the copy can be read and is of the same model.
    /// </summary>
    private static double RelativeError(string target)
    {
        using TextEncoder source = Bench.Load(Bench.StarterGguf(), Precision.Fp32, "-1"), copy = Bench.Load(target, Precision.Fp32, "-1");
        string[] texts = Bench.Texts(20, 20);
        ReadOnlySpan<float> expected = source.Encode(texts).Values, found = copy.Encode(texts).Values;
        return TensorPrimitives.Distance(expected, found) / TensorPrimitives.Norm(expected);
    }
}
