using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace LlmEmbed.Tests;

/// <summary>
/// The tensors of a fixture's safetensors file, read without the library's own reader so that neither can hide the other's mistake.
/// </summary>
internal sealed class GoldenTensors
{
    private readonly byte[] _file;
    private readonly int _dataStart;
    private readonly JsonElement _header;

    public GoldenTensors(params string[] fixture)
    {
        _file = File.ReadAllBytes(Repository.Fixture(fixture));
        int headerBytes = checked((int)BinaryPrimitives.ReadInt64LittleEndian(_file));
        _header = JsonDocument.Parse(_file.AsMemory(8, headerBytes)).RootElement;
        _dataStart = 8 + headerBytes;
    }

    public IEnumerable<string> Names => _header.EnumerateObject().Select(entry => entry.Name).Where(name => name != "__metadata__");

    public long[] Shape(string name) => [.. _header.GetProperty(name).GetProperty("shape").EnumerateArray().Select(size => size.GetInt64())];

    /// <summary>Values of the type the tensor is stored in.</summary>
    public T[] Values<T>(string name)
        where T : unmanaged
    {
        JsonElement[] offsets = [.. _header.GetProperty(name).GetProperty("data_offsets").EnumerateArray()];
        return MemoryMarshal.Cast<byte, T>(_file.AsSpan(_dataStart)[offsets[0].GetInt32()..offsets[1].GetInt32()]).ToArray();
    }

    public int[] Labels(string name) => [.. Values<long>(name).Select(label => (int)label)];

    public float[] Narrowed(string name) => [.. Values<double>(name).Select(value => (float)value)];
}
