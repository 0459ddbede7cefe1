using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace LlmEmbed.Files;

/// <summary>
/// A tensor to be written. Only the shape of one row is given; the number of rows follows from the values that are appended. A tensor of shape
/// [C,F] has rows of shape [F], a vector has rows of shape [].
/// </summary>
internal sealed record SafetensorsLayout(string Name, string DType, params long[] RowShape);

/// <summary>
/// Writes a safetensors file row by row, so that a tensor may be larger than the memory and its number of rows need not be known beforehand. Room
/// for the header is kept at the start and filled at the end. The file appears whole or not at all, and equal input gives equal bytes.
/// </summary>
internal sealed class SafetensorsWriter : IDisposable
{
    private const int PrefixBytes = sizeof(ulong);

    private readonly SortedDictionary<string, string> _metadata;
    private readonly SafetensorsLayout[] _tensors;
    private readonly long[] _byteLengths;
    private readonly int _headerBytes;
    private readonly AtomicFile _file;
    private int _current;

    private SafetensorsWriter(string path, IEnumerable<KeyValuePair<string, string>> metadata, SafetensorsLayout[] tensors)
    {
        (_tensors, _byteLengths) = (tensors, new long[tensors.Length]);
        _metadata = new SortedDictionary<string, string>(metadata.ToDictionary(StringComparer.Ordinal), StringComparer.Ordinal);
        _headerBytes = ReserveHeader();
        _file = new AtomicFile(path);
        _file.Seek(PrefixBytes + _headerBytes);
    }

    /// <param name="path">The file to write. A file that exists is replaced when everything is written.</param>
    /// <param name="metadata">The strings of <c>__metadata__</c>.</param>
    /// <param name="tensors">The tensors in the order of their bytes, widest element type first, so that each is aligned.</param>
    public static SafetensorsWriter Create(string path, IEnumerable<KeyValuePair<string, string>> metadata, params SafetensorsLayout[] tensors) =>
        new(path, metadata, tensors);

    /// <summary>Appends values to a tensor. Tensors are filled one after the other, in the order in which they were given.</summary>
    public void Append<T>(string name, ReadOnlySpan<T> values)
        where T : unmanaged
    {
        while (_tensors[_current].Name != name)
            if (++_current == _tensors.Length) throw new InvalidOperationException($"'{name}' is neither the tensor being written nor one after it.");
        ReadOnlySpan<byte> bytes = MemoryMarshal.AsBytes(values);
        _file.Write(bytes);
        _byteLengths[_current] += bytes.Length;
    }

    /// <summary>Writes the header, flushes to disk and gives the file its name.</summary>
    public void Commit()
    {
        byte[] start = new byte[PrefixBytes + _headerBytes];
        ReadOnlySpan<byte> header = RenderHeader();
        BinaryPrimitives.WriteUInt64LittleEndian(start, (ulong)_headerBytes);
        header.CopyTo(start.AsSpan(PrefixBytes));
        start.AsSpan(PrefixBytes + header.Length).Fill((byte)' '); // the format allows spaces behind the header
        _file.Seek(0);
        _file.Write(start);
        _file.Commit();
    }

    /// <summary>Removes what was written, if it was not committed.</summary>
    public void Dispose() => _file.Dispose();

    /// <summary>
    /// Bytes that the header takes at most: every count of rows and every offset may have 19 digits. They are rounded up, so that the data begins
    /// at a multiple of 8 bytes.
    /// </summary>
    private int ReserveHeader()
    {
        const int MoreDigits = 3 * 18;
        int longest = RenderHeader().Length + MoreDigits * _tensors.Length;
        return (longest + PrefixBytes - 1) / PrefixBytes * PrefixBytes;
    }

    private ReadOnlySpan<byte> RenderHeader()
    {
        ArrayBufferWriter<byte> header = new();
        using Utf8JsonWriter json = new(header);
        json.WriteStartObject();
        if (_metadata.Count > 0)
        {
            json.WriteStartObject("__metadata__");
            foreach ((string key, string value) in _metadata) json.WriteString(key, value);
            json.WriteEndObject();
        }
        long begin = 0;
        for (int i = 0; i < _tensors.Length; i++)
        {
            RenderTensor(json, _tensors[i], begin, _byteLengths[i]);
            begin += _byteLengths[i];
        }
        json.WriteEndObject();
        json.Flush();
        return header.WrittenSpan;
    }

    private static void RenderTensor(Utf8JsonWriter json, SafetensorsLayout tensor, long begin, long byteLength)
    {
        int elementBytes = SafetensorsFile.ElementTypes.GetValueOrDefault(tensor.DType).Bytes;
        long rowBytes = TensorNames.ByteLength(tensor.RowShape, elementBytes) ?? 0;
        if (rowBytes <= 0)
        {
            string rows = $"rows of dtype {tensor.DType} and shape {TensorNames.Show(tensor.RowShape)}";
            throw new ArgumentException($"The tensor '{tensor.Name}' has {rows}, which cannot be written.", nameof(tensor));
        }
        if (byteLength % rowBytes != 0)
            throw new InvalidOperationException($"The tensor '{tensor.Name}' got {byteLength} bytes, which are not whole rows of {rowBytes}.");
        if (begin % elementBytes != 0)
        {
            throw new InvalidOperationException(
                $"The tensor '{tensor.Name}' would begin at byte {begin}, which is no multiple of its {elementBytes} bytes per element.");
        }
        json.WriteStartObject(tensor.Name);
        json.WriteString("dtype", tensor.DType);
        json.WriteStartArray("shape");
        json.WriteNumberValue(byteLength / rowBytes);
        foreach (long size in tensor.RowShape) json.WriteNumberValue(size);
        json.WriteEndArray();
        json.WriteStartArray("data_offsets");
        json.WriteNumberValue(begin);
        json.WriteNumberValue(begin + byteLength);
        json.WriteEndArray();
        json.WriteEndObject();
    }
}
