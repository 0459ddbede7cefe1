using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Text;
using LlmEmbed.Checkpoints;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// The starter's GGUF file with its matrices in another format of llama.cpp, so that a comparison need not stop at the one that lies in models. The values are those
/// of the Q4_1 file, so nothing is said about quality: only speed is compared.
/// </summary>
internal static class GgufCopy
{
    private const int Alignment = 32;

    /// <summary>By name: GGUF's number of the tensor type, llama.cpp's number of the file type, and what makes a row of it.</summary>
    private static readonly Dictionary<string, (WeightFormat Format, uint FileType, Action<float[], Stream> Write)> Formats = new(StringComparer.OrdinalIgnoreCase)
    {
        ["F16"] = (WeightFormat.F16, 1, WriteF16),
        ["Q4_0"] = (BlockFormats.Q4_0, 2, (row, stream) => WriteBlocks(row, stream, 4)),
        ["Q8_0"] = (BlockFormats.Q8_0, 7, WriteQ8_0),
        ["Q5_0"] = (BlockFormats.Q5_0, 8, (row, stream) => WriteBlocks(row, stream, 5)),
    };

    public static int Write(string formatName, string target)
    {
        if (!Formats.TryGetValue(formatName, out (WeightFormat Format, uint FileType, Action<float[], Stream> Write) chosen))
            throw new ArgumentException($"The format is '{formatName}', expected one of {string.Join(", ", Formats.Keys)}.", nameof(formatName));
        using GgufFile source = GgufFile.Open(Bench.StarterGguf());
        uint number = GgmlType.Formats.Single(pair => pair.Value == chosen.Format).Key;
        // Vectors stay as they are, as llama.cpp's own quantization leaves them.
        (GgufTensor Tensor, WeightFormat Format)[] tensors = [.. source.Tensors.Values.Select(tensor => (tensor, tensor.Dimensions.Count > 1 ? chosen.Format : tensor.Format))];

        using (FileStream stream = File.Create(target))
        using (BinaryWriter writer = new(stream))
        {
            WriteHeader(writer, source, tensors, chosen.FileType, number);
            foreach ((GgufTensor tensor, WeightFormat format) in tensors)
            {
                Pad(writer);
                if (format == tensor.Format) writer.Write(source.File.Span(tensor.Offset, (int)tensor.ByteLength));
                else foreach (float[] row in Rows(source, tensor)) chosen.Write(row, stream);
            }
        }
        Console.WriteLine($"{target}: {new FileInfo(target).Length / 1e6:0} MB, values off by {RelativeError(source, target):0.00000} (root mean square, relative)");
        return 0;
    }

    private static void WriteHeader(BinaryWriter writer, GgufFile source, (GgufTensor Tensor, WeightFormat Format)[] tensors, uint fileType, uint number)
    {
        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write((ulong)tensors.Length);
        writer.Write((ulong)source.Metadata.Count);
        foreach ((string key, object value) in source.Metadata)
        {
            WriteText(writer, key);
            WriteValue(writer, key == "general.file_type" ? fileType : value);
        }
        long offset = 0;
        foreach ((GgufTensor tensor, WeightFormat format) in tensors)
        {
            WriteText(writer, tensor.Name);
            writer.Write((uint)tensor.Dimensions.Count);
            foreach (long size in tensor.Dimensions) writer.Write((ulong)size);
            writer.Write(format == tensor.Format ? GgmlType.Formats.Single(pair => pair.Value == format).Key : number);
            writer.Write((ulong)offset);
            offset += (format.ByteLength(tensor.Dimensions.Aggregate(1L, (product, size) => product * size)) + Alignment - 1) / Alignment * Alignment;
        }
    }

    private static void WriteValue(BinaryWriter writer, object value)
    {
        writer.Write(TypeOf(value.GetType().IsArray ? typeof(Array) : value.GetType()));
        if (value is not Array array)
        {
            WriteScalar(writer, value);
            return;
        }
        writer.Write(TypeOf(array.GetType().GetElementType()!));
        writer.Write((ulong)array.Length);
        foreach (object element in array) WriteScalar(writer, element);
    }

    private static uint TypeOf(Type type) => (uint)Array.IndexOf(
        [typeof(byte), typeof(sbyte), typeof(ushort), typeof(short), typeof(uint), typeof(int), typeof(float), typeof(bool), typeof(string), typeof(Array), typeof(ulong), typeof(long), typeof(double)], type);

    private static void WriteScalar(BinaryWriter writer, object value)
    {
        switch (value)
        {
            case byte v: writer.Write(v); break;
            case sbyte v: writer.Write(v); break;
            case ushort v: writer.Write(v); break;
            case short v: writer.Write(v); break;
            case uint v: writer.Write(v); break;
            case int v: writer.Write(v); break;
            case float v: writer.Write(v); break;
            case bool v: writer.Write(v); break;
            case string v: WriteText(writer, v); break;
            case ulong v: writer.Write(v); break;
            case long v: writer.Write(v); break;
            case double v: writer.Write(v); break;
            default: throw new NotSupportedException($"No GGUF type for {value.GetType()}.");
        }
    }

    private static void WriteText(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }

    private static void Pad(BinaryWriter writer)
    {
        writer.Flush();
        while (writer.BaseStream.Position % Alignment != 0) writer.BaseStream.WriteByte(0);
    }

    private static IEnumerable<float[]> Rows(GgufFile file, GgufTensor tensor)
    {
        int width = (int)tensor.Dimensions[0], bytes = (int)tensor.Format.ByteLength(width);
        for (long row = 0; row < tensor.ByteLength / bytes; row++)
        {
            float[] values = new float[width];
            tensor.Format.Widen(file.File.Span(tensor.Offset + row * bytes, bytes), values);
            yield return values;
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
        foreach (float[] values in row.Chunk(32))
        {
            float scale = Math.Abs(TensorPrimitives.MaxMagnitude<float>(values)) / 127;
            BinaryPrimitives.WriteHalfLittleEndian(block, (Half)scale);
            for (int i = 0; i < 32; i++) block[2 + i] = (byte)(sbyte)MathF.Round(scale == 0 ? 0 : values[i] / scale);
            stream.Write(block);
        }
    }

    /// <summary>Q4_0 and Q5_0: the value of largest magnitude becomes the lowest level, the others round to the nearest; the fifth bits stand in front.</summary>
    private static void WriteBlocks(float[] row, Stream stream, int bits)
    {
        int half = 1 << (bits - 1), start = bits == 5 ? 6 : 2;
        byte[] block = new byte[start + 16];
        foreach (float[] values in row.Chunk(32))
        {
            float scale = TensorPrimitives.MaxMagnitude<float>(values) / -half;
            int[] levels = [.. values.Select(value => scale == 0 ? half : Math.Clamp((int)MathF.Round(value / scale) + half, 0, 2 * half - 1))];
            BinaryPrimitives.WriteHalfLittleEndian(block, (Half)scale);
            if (bits == 5) BinaryPrimitives.WriteUInt32LittleEndian(block.AsSpan(2), (uint)levels.Select((level, i) => (long)(level >> 4) << i).Sum());
            for (int i = 0; i < 16; i++) block[start + i] = (byte)((levels[i] & 15) | (levels[i + 16] & 15) << 4);
            stream.Write(block);
        }
    }

    /// <summary>Read back with the library's own reader.</summary>
    private static double RelativeError(GgufFile source, string target)
    {
        using GgufFile copy = GgufFile.Open(target);
        double difference = 0, total = 0;
        foreach (GgufTensor tensor in source.Tensors.Values)
        {
            foreach ((float[] expected, float[] found) in Rows(source, tensor).Zip(Rows(copy, copy.Tensors[tensor.Name])))
            {
                difference += Math.Pow(TensorPrimitives.Distance<float>(expected, found), 2);
                total += TensorPrimitives.SumOfSquares<float>(expected);
            }
        }
        return Math.Sqrt(difference / total);
    }
}
