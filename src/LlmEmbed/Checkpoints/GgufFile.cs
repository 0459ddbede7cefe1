using System.Buffers.Binary;
using System.Numerics;
using System.Text;
using LlmEmbed.Files;

namespace LlmEmbed.Checkpoints;

/// <summary>
/// One tensor of a GGUF file. <paramref name="Dimensions"/> are in the order of the file, innermost first; <paramref name="Offset"/> counts from the
/// start of the file.
/// </summary>
internal sealed record GgufTensor(string Name, NumberFormat Format, IReadOnlyList<long> Dimensions, long Offset)
{
    public long ByteLength => Format.ByteLength(Dimensions.Aggregate(1L, (product, size) => checked(product * size)));
}

/// <summary>
/// A GGUF file of version 2 or 3, little endian, memory-mapped: magic, version, counts, metadata, tensor descriptions, then the tensors' aligned
/// bytes. Everything is checked on opening, in the order of the bytes.
/// </summary>
internal sealed class GgufFile : IDisposable
{
    private const uint Magic = 0x46554747; // "GGUF"
    private const int MaxDimensions = 4;
    private const int MaxKeyBytes = ushort.MaxValue;
    private const int MaxStringBytes = 1 << 26;
    private const uint DefaultAlignment = 32;

    /// <summary>Strict, because a replaced character would silently change a token.</summary>
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private readonly Dictionary<string, object> _metadata = new(StringComparer.Ordinal);
    private readonly Dictionary<string, GgufTensor> _tensors = new(StringComparer.Ordinal);
    private long _position;

    private GgufFile(MappedFile file)
    {
        File = file;
        ReadMagicAndVersion();
        long tensorCount = ReadCount("tensors", minimumBytes: 8 + 4 + 8 + 4 + 8);
        long metadataCount = ReadCount("metadata entries", minimumBytes: 8 + 4 + 1);
        for (long i = 0; i < metadataCount; i++) ReadMetadataEntry();
        long alignment = ReadAlignment();
        for (long i = 0; i < tensorCount; i++) ReadTensor();
        PlaceTensors(checked((_position + alignment - 1) / alignment * alignment), alignment);
    }

    private enum ValueType : uint
    {
        UInt8 = 0,
        Int8 = 1,
        UInt16 = 2,
        Int16 = 3,
        UInt32 = 4,
        Int32 = 5,
        Float32 = 6,
        Bool = 7,
        String = 8,
        Array = 9,
        UInt64 = 10,
        Int64 = 11,
        Float64 = 12,
    }

    public string Path => File.Path;

    public uint Version { get; private set; }

    /// <summary>The metadata by key: numbers as the .NET type of the same width, bool, string, and arrays of these.</summary>
    public IReadOnlyDictionary<string, object> Metadata => _metadata;

    public IReadOnlyDictionary<string, GgufTensor> Tensors => _tensors;

    public MappedFile File { get; }

    public static GgufFile Open(string path) => MappedFile.Open(path, file => new GgufFile(file));

    public void Dispose() => File.Dispose();

    private void ReadMagicAndVersion()
    {
        uint magic = ReadUInt32("the magic");
        if (magic != Magic) throw Wrong($"the file begins with 0x{magic:x8}, expected the letters GGUF: this is no GGUF file.");
        Version = ReadUInt32("the version");
        if (Version is not (2 or 3))
        {
            bool isBigEndian = BinaryPrimitives.ReverseEndianness(Version) is 1 or 2 or 3;
            string found = isBigEndian ? "the file is big endian" : $"the file has GGUF version {Version}";
            throw Wrong($"{found}, expected version 2 or 3, little endian. Convert it with a current llama.cpp.");
        }
    }

    /// <summary>
    /// Reads a number of entries of at least <paramref name="minimumBytes"/> each, which is checked before anything is allocated for them.
    /// </summary>
    private long ReadCount(string entries, int minimumBytes)
    {
        ulong count = ReadUInt64($"the number of {entries}");
        long rest = File.Length - _position;
        if (count > (ulong)Math.Min(rest / minimumBytes, Array.MaxLength))
            throw Wrong($"the file claims {count} {entries} at byte {_position - sizeof(ulong)}, more than the remaining {rest} bytes can hold.");
        return (long)count;
    }

    private void ReadMetadataEntry()
    {
        string key = ReadString("a metadata key", MaxKeyBytes);
        ValueType type = (ValueType)ReadUInt32($"the type of '{key}'");
        object value = type == ValueType.Array ? ReadArray(key) : ReadScalar(type, key);
        if (!_metadata.TryAdd(key, value)) throw Wrong($"the metadata key '{key}' occurs twice.");
    }

    private object ReadScalar(ValueType type, string key) => type switch
    {
        ValueType.UInt8 => Take(1, key)[0],
        ValueType.Int8 => (sbyte)Take(1, key)[0],
        ValueType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(Take(2, key)),
        ValueType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(Take(2, key)),
        ValueType.UInt32 => ReadUInt32(key),
        ValueType.Int32 => (int)ReadUInt32(key),
        ValueType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(Take(4, key)),
        ValueType.Bool => ReadBool(key),
        ValueType.String => ReadString(key, MaxStringBytes),
        ValueType.UInt64 => ReadUInt64(key),
        ValueType.Int64 => (long)ReadUInt64(key),
        ValueType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(Take(8, key)),
        _ => throw Wrong($"the metadata key '{key}' has the value type {(uint)type}, which GGUF does not define."),
    };

    private Array ReadArray(string key)
    {
        ValueType type = (ValueType)ReadUInt32($"the element type of '{key}'");
        return type switch
        {
            ValueType.UInt8 => ReadArray<byte>(type, key, 1),
            ValueType.Int8 => ReadArray<sbyte>(type, key, 1),
            ValueType.UInt16 => ReadArray<ushort>(type, key, 2),
            ValueType.Int16 => ReadArray<short>(type, key, 2),
            ValueType.UInt32 => ReadArray<uint>(type, key, 4),
            ValueType.Int32 => ReadArray<int>(type, key, 4),
            ValueType.Float32 => ReadArray<float>(type, key, 4),
            ValueType.Bool => ReadArray<bool>(type, key, 1),
            ValueType.String => ReadArray<string>(type, key, 8),
            ValueType.UInt64 => ReadArray<ulong>(type, key, 8),
            ValueType.Int64 => ReadArray<long>(type, key, 8),
            ValueType.Float64 => ReadArray<double>(type, key, 8),
            ValueType.Array => throw Wrong($"the metadata key '{key}' is an array of arrays, which is not implemented."),
            _ => throw Wrong($"the metadata key '{key}' is an array of the type {(uint)type}, which GGUF does not define."),
        };
    }

    private T[] ReadArray<T>(ValueType type, string key, int minimumBytes)
    {
        T[] values = new T[ReadCount($"elements of '{key}'", minimumBytes)];
        for (int i = 0; i < values.Length; i++) values[i] = (T)ReadScalar(type, key);
        return values;
    }

    private long ReadAlignment()
    {
        const string Key = "general.alignment";
        if (!_metadata.TryGetValue(Key, out object? value)) return DefaultAlignment;
        if (value is uint alignment && BitOperations.IsPow2(alignment)) return alignment;
        throw Wrong($"'{Key}' is {value}, expected a power of two as a 32-bit number without sign.");
    }

    private void ReadTensor()
    {
        string name = ReadString("a tensor name", MaxKeyBytes);
        uint dimensionCount = ReadUInt32($"the number of dimensions of '{name}'");
        if (dimensionCount is 0 or > MaxDimensions)
            throw Wrong($"the tensor '{name}' has {dimensionCount} dimensions, expected 1 to {MaxDimensions}.");
        long[] dimensions = new long[dimensionCount];
        for (int i = 0; i < dimensions.Length; i++)
        {
            dimensions[i] = (long)ReadUInt64($"dimension {i} of '{name}'");
            if (dimensions[i] <= 0)
                throw Wrong($"the tensor '{name}' has {(ulong)dimensions[i]} as dimension {i}, expected 1 to {long.MaxValue}.");
        }
        uint type = ReadUInt32($"the type of '{name}'");
        if (!GgmlType.Formats.TryGetValue(type, out NumberFormat? format))
        {
            string implemented = string.Join(", ", GgmlType.Formats.Values.Select(known => known.Name));
            throw Wrong($"the tensor '{name}' is stored as {GgmlType.Name(type)}, which is not implemented. Implemented are {implemented}.");
        }
        if (TensorNames.ByteLength(dimensions, elementBytes: sizeof(double)) is null)
            throw Wrong($"the tensor '{name}' claims the dimensions {TensorNames.Show(dimensions)}, more than any file can hold.");
        if (dimensions[0] % format.BlockValues != 0)
        {
            string block = $"the {format.BlockValues} values of a {format.Name} block";
            throw Wrong($"the tensor '{name}' has rows of {dimensions[0]} values, expected a multiple of {block}.");
        }
        ulong offset = ReadUInt64($"the offset of '{name}'");
        if (offset > long.MaxValue) throw Wrong($"the tensor '{name}' has the offset {offset}, behind the end of the file.");
        if (!_tensors.TryAdd(name, new GgufTensor(name, format, dimensions, (long)offset)))
            throw Wrong($"the tensor '{name}' is described twice.");
    }

    /// <summary>
    /// Turns offsets from the start of the data into offsets from the start of the file. Every tensor must be aligned, lie in the file and not
    /// overlap another.
    /// </summary>
    private void PlaceTensors(long dataStart, long alignment)
    {
        long dataBytes = File.Length - dataStart;
        long free = dataStart;
        foreach (GgufTensor tensor in _tensors.Values.OrderBy(tensor => tensor.Offset).ToList())
        {
            if (tensor.Offset % alignment != 0)
                throw Wrong($"the tensor '{tensor.Name}' has the offset {tensor.Offset}, expected a multiple of {alignment}.");
            if (tensor.Offset > dataBytes || tensor.ByteLength > dataBytes - tensor.Offset)
            {
                throw Wrong(
                    $"the tensor '{tensor.Name}' takes {tensor.ByteLength} bytes from byte {tensor.Offset} of the data, " +
                    $"but the file holds {dataBytes} bytes of data: it is truncated or damaged.");
            }
            GgufTensor placed = tensor with { Offset = dataStart + tensor.Offset };
            if (placed.Offset < free) throw Wrong($"the tensor '{tensor.Name}' overlaps the one before it.");
            free = placed.Offset + placed.ByteLength;
            _tensors[tensor.Name] = placed;
        }
    }

    private bool ReadBool(string what) => Take(1, what)[0] switch
    {
        0 => false,
        1 => true,
        byte other => throw Wrong($"'{what}' is the byte {other}, expected 0 or 1 as true or false."),
    };

    private string ReadString(string what, int maxBytes)
    {
        ulong length = ReadUInt64(what);
        if (length > (ulong)maxBytes)
            throw Wrong($"{what} claims {length} bytes at byte {_position - sizeof(ulong)}, expected at most {maxBytes}.");
        try
        {
            return Utf8.GetString(Take((long)length, what));
        }
        catch (DecoderFallbackException exception)
        {
            throw Wrong($"{what} is not UTF-8 before byte {_position}.", exception);
        }
    }

    private uint ReadUInt32(string what) => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint), what));

    private ulong ReadUInt64(string what) => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong), what));

    private ReadOnlySpan<byte> Take(long length, string what)
    {
        if (length > File.Length - _position)
        {
            throw Wrong(
                $"the file ends after {File.Length} bytes inside {what}, which needs {length} bytes at byte {_position}: " +
                "it is truncated or damaged.");
        }
        ReadOnlySpan<byte> bytes = File.Span(_position, (int)length);
        _position += length;
        return bytes;
    }

    private LlmEmbedException Wrong(string problem, Exception? cause = null) => FileProblem.In(Path, problem, cause);
}
