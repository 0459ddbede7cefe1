using System.Buffers.Binary;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Text.Json;

namespace LlmEmbed.Files;

/// <summary>One tensor of a safetensors file. Its bytes lie in the memory map and are valid until the file is disposed.</summary>
internal sealed record SafetensorsTensor(MappedFile File, string Name, string DType, IReadOnlyList<long> Shape, long Offset, long ByteLength)
{
    public long ElementCount => Shape.Aggregate(1L, (product, size) => checked(product * size));

    /// <summary>The format that widens this tensor to fp32; null for whole numbers and 8-bit floats.</summary>
    public NumberFormat? Format => SafetensorsFile.ElementTypes[DType].Format;

    public ReadOnlySpan<T> Span<T>()
        where T : unmanaged => MemoryMarshal.Cast<byte, T>(File.Span(Offset, checked((int)ByteLength)));
}

/// <summary>
/// A safetensors file, memory-mapped: 8 bytes with the length of the header, a JSON header, then the bytes of the tensors without gaps. Everything
/// that the header claims is checked when the file is opened, in the order of the bytes. Values are only read when they are asked for.
/// </summary>
internal sealed class SafetensorsFile : IDisposable
{
    /// <summary>The limit of the format's reference implementation.</summary>
    private const long MaxHeaderBytes = 100_000_000;

    private const int PrefixBytes = sizeof(ulong);

    private readonly MappedFile _file;
    private readonly Dictionary<string, SafetensorsTensor> _tensors = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string> _metadata = new(StringComparer.Ordinal);

    private SafetensorsFile(MappedFile file)
    {
        _file = file;
        int headerBytes = ReadHeaderLength();
        foreach (JsonProperty entry in ParseHeader(file.Span(PrefixBytes, headerBytes)).EnumerateObject())
        {
            if (entry.NameEquals("__metadata__")) ReadMetadata(entry.Value);
            else _tensors.Add(entry.Name, ReadTensor(entry.Name, entry.Value, PrefixBytes + headerBytes));
        }
        RequireGapless(PrefixBytes + headerBytes);
    }

    /// <summary>
    /// The element types that a header may name: bytes of an element and, for numbers that fp32 can hold, the format that widens them.
    /// </summary>
    public static IReadOnlyDictionary<string, (int Bytes, NumberFormat? Format)> ElementTypes { get; } =
        new Dictionary<string, (int, NumberFormat?)>(StringComparer.Ordinal)
        {
            ["F64"] = (8, NumberFormat.F64),
            ["F32"] = (4, NumberFormat.F32),
            ["F16"] = (2, NumberFormat.F16),
            ["BF16"] = (2, NumberFormat.BF16),
            ["F8_E5M2"] = (1, null),
            ["F8_E4M3"] = (1, null),
            ["I64"] = (8, null),
            ["U64"] = (8, null),
            ["I32"] = (4, null),
            ["U32"] = (4, null),
            ["I16"] = (2, null),
            ["U16"] = (2, null),
            ["I8"] = (1, null),
            ["U8"] = (1, null),
            ["BOOL"] = (1, null),
        };

    public string Path => _file.Path;

    public IReadOnlyDictionary<string, SafetensorsTensor> Tensors => _tensors;

    /// <summary>The strings under <c>__metadata__</c>.</summary>
    public IReadOnlyDictionary<string, string> Metadata => _metadata;

    /// <exception cref="LlmEmbedException">The file cannot be read, is no safetensors file, or is damaged.</exception>
    public static SafetensorsFile Open(string path) => MappedFile.Open(path, file => new SafetensorsFile(file));

    /// <summary>A floating-point tensor, widened to fp32, row after row.</summary>
    /// <param name="name">The tensor.</param>
    /// <param name="expectedShape">The shape, where -1 stands for any size; without it, any shape passes.</param>
    /// <exception cref="LlmEmbedException">The tensor is missing, has another shape or type, or holds NaN or infinity.</exception>
    public float[] ReadFloat32(string name, params ReadOnlySpan<long> expectedShape)
    {
        SafetensorsTensor tensor = Require(name, expectedShape, "F32", "F16", "BF16", "F64");
        NumberFormat format = tensor.Format!;
        float[] values = new float[tensor.ElementCount];
        int rowLength = tensor.Shape.Count == 0 ? 1 : checked((int)tensor.Shape[^1]);
        int rowBytes = checked((int)format.ByteLength(rowLength));
        for (int row = 0, start = 0; start < values.Length; row++, start += rowLength)
        {
            Span<float> widened = values.AsSpan(start, rowLength);
            format.Widen(_file.Span(tensor.Offset + (long)row * rowBytes, rowBytes), widened);
            if (!TensorPrimitives.IsFiniteAll<float>(widened)) throw TensorNames.NotFinite(Path, name, tensor.DType, row);
        }
        return values;
    }

    /// <summary>
    /// The tensor of this name, which must have the expected shape (if one is given; -1 stands for any size) and one of these types.
    /// </summary>
    /// <exception cref="LlmEmbedException">It has not; the message names file, tensor, what was expected and what was found.</exception>
    public SafetensorsTensor Require(string name, ReadOnlySpan<long> expectedShape, params ReadOnlySpan<string> dtypes)
    {
        if (!_tensors.TryGetValue(name, out SafetensorsTensor? tensor))
            throw Wrong($"the tensor '{name}' is missing. {TensorNames.Nearest(name, _tensors.Keys)}");
        if (!dtypes.Contains(tensor.DType))
            throw Wrong($"the tensor '{name}' is stored as {tensor.DType}, expected {string.Join(" or ", dtypes.ToArray())}.");
        if (!expectedShape.IsEmpty && !TensorNames.ShapeFits(tensor.Shape, expectedShape))
        {
            string expected = TensorNames.Show(expectedShape.ToArray());
            throw Wrong($"the tensor '{name}' has the shape {TensorNames.Show(tensor.Shape)}, expected {expected}.");
        }
        return tensor;
    }

    public void Dispose() => _file.Dispose();

    private int ReadHeaderLength()
    {
        if (_file.Length < PrefixBytes)
            throw Wrong($"the file has {_file.Length} bytes, expected at least the {PrefixBytes} bytes of a safetensors header length.");
        ulong headerBytes = BinaryPrimitives.ReadUInt64LittleEndian(_file.Span(0, PrefixBytes));
        if (headerBytes > MaxHeaderBytes)
            throw Wrong($"the header claims {headerBytes} bytes, expected at most {MaxHeaderBytes}: this is no safetensors file.");
        if ((long)headerBytes > _file.Length - PrefixBytes)
            throw Wrong($"the header claims {headerBytes} bytes, but the file ends after {_file.Length}: it is truncated.");
        return (int)headerBytes;
    }

    private JsonElement ParseHeader(ReadOnlySpan<byte> bytes)
    {
        try
        {
            JsonElement header = StrictJson.Parse(bytes);
            return header.ValueKind == JsonValueKind.Object ? header : throw Wrong("the header is not a JSON object.");
        }
        catch (JsonException exception)
        {
            throw Wrong($"the header is not the JSON of a safetensors file: {StrictJson.Describe(exception)}", exception);
        }
    }

    private void ReadMetadata(JsonElement metadata)
    {
        if (metadata.ValueKind != JsonValueKind.Object) throw Wrong("'__metadata__' is not a JSON object.");
        foreach (JsonProperty entry in metadata.EnumerateObject())
        {
            if (entry.Value.ValueKind != JsonValueKind.String) throw Wrong($"'__metadata__' holds a value for '{entry.Name}' that is not a string.");
            _metadata.Add(entry.Name, entry.Value.GetString()!);
        }
    }

    private SafetensorsTensor ReadTensor(string name, JsonElement entry, long dataStart)
    {
        if (entry.ValueKind != JsonValueKind.Object) throw Wrong($"the entry of tensor '{name}' is not a JSON object.");
        string dtype = entry.TryGetProperty("dtype", out JsonElement text) && text.ValueKind == JsonValueKind.String ? text.GetString()! : "";
        if (!ElementTypes.TryGetValue(dtype, out (int Bytes, NumberFormat? Format) element))
            throw Wrong($"the tensor '{name}' has the dtype '{dtype}', which is not implemented.");
        long[] shape = ReadSizes(name, entry, "shape");
        long[] offsets = ReadSizes(name, entry, "data_offsets");
        if (offsets.Length != 2) throw Wrong($"the tensor '{name}' has {offsets.Length} data_offsets, expected begin and end.");
        (long begin, long end) = (offsets[0], offsets[1]);
        if (begin > end) throw Wrong($"the tensor '{name}' begins at {begin}, behind its end {end}.");
        long dataBytes = _file.Length - dataStart;
        if (end > dataBytes)
        {
            throw Wrong(
                $"the tensor '{name}' ends at byte {end} of the data, but the file holds {dataBytes} bytes of data: it is truncated or damaged.");
        }
        if (TensorNames.ByteLength(shape, element.Bytes) is not { } needed || needed != end - begin)
        {
            string found = $"of shape {TensorNames.Show(shape)} and dtype {dtype}";
            throw Wrong($"the tensor '{name}' {found} does not take the {end - begin} bytes of its data_offsets.");
        }
        return new SafetensorsTensor(_file, name, dtype, shape, dataStart + begin, end - begin);
    }

    private long[] ReadSizes(string name, JsonElement entry, string key)
    {
        if (!entry.TryGetProperty(key, out JsonElement array) || array.ValueKind != JsonValueKind.Array)
            throw Wrong($"the tensor '{name}' has no array '{key}'.");
        long[] sizes = new long[array.GetArrayLength()];
        for (int i = 0; i < sizes.Length; i++)
        {
            if (array[i].ValueKind != JsonValueKind.Number || !array[i].TryGetInt64(out sizes[i]) || sizes[i] < 0)
                throw Wrong($"the tensor '{name}' has {array[i].GetRawText()} in '{key}', expected whole numbers that are not negative.");
        }
        return sizes;
    }

    /// <summary>The format wants every byte of the data to belong to one tensor: no overlaps, no gaps, nothing behind the last tensor.</summary>
    private void RequireGapless(long dataStart)
    {
        long position = dataStart;
        foreach (SafetensorsTensor tensor in _tensors.Values.OrderBy(tensor => tensor.Offset).ThenBy(tensor => tensor.ByteLength))
        {
            string fault = tensor.Offset < position ? "overlaps the one before it" : "leaves a gap before it";
            if (tensor.Offset != position)
                throw Wrong($"the tensor '{tensor.Name}' {fault}: it begins at byte {tensor.Offset}, expected {position}.");
            position += tensor.ByteLength;
        }
        if (position != _file.Length) throw Wrong($"the last tensor ends at byte {position}, but the file has {_file.Length} bytes.");
    }

    private LlmEmbedException Wrong(string problem, Exception? cause = null) => FileProblem.In(Path, problem, cause);
}
