using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlmEmbed.Benchmarks;

/// <summary>A tensor of numbers in fp32, row after row.</summary>
internal sealed record Tensor(long[] Shape, float[] Values);

/// <summary>Checkpoint files: the length of a header, the header in JSON, and the tensors behind it.</summary>
internal static class Safetensors
{
    /// <summary>The fp16 and fp32 tensors of a file by name.</summary>
    public static Dictionary<string, Tensor> Read(string path)
    {
        byte[] bytes = File.ReadAllBytes(path);
        int start = 8 + (int)BinaryPrimitives.ReadUInt64LittleEndian(bytes);
        Dictionary<string, Tensor> tensors = [];
        foreach ((string name, JsonNode? entry) in JsonNode.Parse(bytes.AsSpan(8, start - 8))!.AsObject())
        {
            if ((string?)entry!["dtype"] is not ("F16" or "F32")) continue;
            long[] shape = entry["shape"]!.Deserialize<long[]>()!;
            int[] range = entry["data_offsets"]!.Deserialize<int[]>()!;
            ReadOnlySpan<byte> data = bytes.AsSpan(start + range[0], range[1] - range[0]);
            float[] values = (string)entry["dtype"]! == "F32"
                ? MemoryMarshal.Cast<byte, float>(data).ToArray()
                : Array.ConvertAll(MemoryMarshal.Cast<byte, Half>(data).ToArray(), value => (float)value);
            tensors.Add(name, new Tensor(shape, values));
        }
        return tensors;
    }

    /// <summary>Writes tensors in fp16.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tensors">Their names and shapes.</param>
    /// <param name="fillerOf">What fills a tensor, row by row. Null leaves it zero, which takes no space on most file systems.</param>
    public static void Write(string path, IReadOnlyList<(string Name, long[] Shape)> tensors, Func<string, Action<Half[]>?> fillerOf)
    {
        JsonObject header = [];
        long end = 0;
        foreach ((string name, long[] shape) in tensors)
        {
            long start = end;
            end += 2 * shape.Aggregate(1L, (product, size) => product * size);
            header[name] = new JsonObject
            {
                ["dtype"] = "F16",
                ["shape"] = new JsonArray([.. shape.Select(size => (JsonNode)size)]),
                ["data_offsets"] = new JsonArray(start, end),
            };
        }
        string text = header.ToJsonString();
        byte[] json = System.Text.Encoding.UTF8.GetBytes(text.PadRight((text.Length + 7) / 8 * 8)), length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, json.Length);
        using FileStream stream = File.Create(path);
        stream.Write(length);
        stream.Write(json);
        stream.SetLength(stream.Position + end);
        foreach ((string name, long[] shape) in tensors)
        {
            Half[] row = new Half[shape[^1]];
            long rows = shape.Length == 1 ? 1 : shape[0];
            if (fillerOf(name) is not { } fill) stream.Position += 2 * rows * row.Length;
            else for (long i = 0; i < rows; i++)
            {
                fill(row);
                stream.Write(MemoryMarshal.AsBytes<Half>(row));
            }
        }
    }
}
