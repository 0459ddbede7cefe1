using System.Text;

namespace LlmEmbed.Tests.Checkpoints;

/// <summary>Writes small GGUF files, right or wrong, field by field.</summary>
internal sealed class GgufBuilder
{
    private readonly List<byte> _metadata = [];
    private readonly List<byte> _tensors = [];
    private readonly List<byte> _data = [];
    private ulong _metadataCount;
    private ulong _tensorCount;

    public uint Magic { get; init; } = 0x46554747;

    public uint Version { get; init; } = 3;

    public ulong? MetadataCount { get; init; }

    public ulong? TensorCount { get; init; }

    public int Alignment { get; init; } = 32;

    /// <summary>
    /// The keys and tensors of a model with one block, hidden size 4, two query heads and one key head of four values, and three tokens.
    /// </summary>
    /// <param name="architecture">llama.cpp's name of the architecture.</param>
    /// <param name="without">Tensors of the block that are left out.</param>
    public static GgufBuilder TinyModel(string architecture, params string[] without)
    {
        GgufBuilder builder = new();
        builder.Text("general.architecture", architecture);
        (string Key, uint Value)[] sizes =
        [
            ("block_count", 1), ("context_length", 16), ("embedding_length", 4), ("feed_forward_length", 6), ("attention.head_count", 2),
            ("attention.head_count_kv", 1), ("attention.key_length", 4),
        ];
        foreach ((string key, uint value) in sizes) builder.UInt32($"{architecture}.{key}", value);
        builder.Float32($"{architecture}.attention.layer_norm_rms_epsilon", 1e-5f);
        (string Name, long[] Dimensions)[] tensors =
        [
            ("token_embd.weight", [4, 3]), ("output_norm.weight", [4]), ("blk.0.attn_norm.weight", [4]), ("blk.0.attn_q.weight", [4, 8]),
            ("blk.0.attn_k.weight", [4, 4]), ("blk.0.attn_v.weight", [4, 4]), ("blk.0.attn_output.weight", [8, 4]), ("blk.0.ffn_norm.weight", [4]),
            ("blk.0.ffn_gate.weight", [4, 6]), ("blk.0.ffn_up.weight", [4, 6]), ("blk.0.ffn_down.weight", [6, 4]),
        ];
        foreach ((string name, long[] dimensions) in tensors)
            if (!without.Contains(name.Replace("blk.0.", "", StringComparison.Ordinal))) builder.Float32Tensor(name, dimensions);
        return builder;
    }

    public GgufBuilder Text(string key, string value) => Value(key, 8, writer => Write(writer, value));

    public GgufBuilder UInt32(string key, uint value) => Value(key, 4, writer => writer.Write(value));

    public GgufBuilder Float32(string key, float value) => Value(key, 6, writer => writer.Write(value));

    public GgufBuilder Bool(string key, byte value) => Value(key, 7, writer => writer.Write(value));

    public GgufBuilder Array(string key, uint elementType, ulong count, Action<BinaryWriter> elements) => Value(key, 9, writer =>
    {
        writer.Write(elementType);
        writer.Write(count);
        elements(writer);
    });

    public GgufBuilder Texts(string key, params string[] values) => Array(key, 8, (ulong)values.Length, writer =>
    {
        foreach (string value in values) Write(writer, value);
    });

    public GgufBuilder Int32s(string key, params int[] values) => Array(key, 5, (ulong)values.Length, writer =>
    {
        foreach (int value in values) writer.Write(value);
    });

    public GgufBuilder Value(string key, uint type, Action<BinaryWriter> value)
    {
        Append(_metadata, writer =>
        {
            Write(writer, key);
            writer.Write(type);
            value(writer);
        });
        _metadataCount++;
        return this;
    }

    /// <summary>A tensor whose values are 0, 1, 2 and so on, with its data.</summary>
    public GgufBuilder Float32Tensor(string name, params long[] dimensions) =>
        Float32Tensor(name, [.. Enumerable.Range(0, (int)dimensions.Aggregate(1L, (a, b) => a * b)).Select(i => (float)i)], dimensions);

    public GgufBuilder Float32Tensor(string name, float[] values, params long[] dimensions)
    {
        Tensor(name, 0, (ulong)_data.Count, [.. dimensions.Select(size => (ulong)size)]);
        Append(_data, writer =>
        {
            foreach (float value in values) writer.Write(value);
        });
        Pad(_data);
        return this;
    }

    /// <summary>The description of a tensor, without data.</summary>
    public GgufBuilder Tensor(string name, uint type, ulong offset, params ulong[] dimensions)
    {
        Append(_tensors, writer =>
        {
            Write(writer, name);
            writer.Write((uint)dimensions.Length);
            foreach (ulong size in dimensions) writer.Write(size);
            writer.Write(type);
            writer.Write(offset);
        });
        _tensorCount++;
        return this;
    }

    public byte[] Build()
    {
        List<byte> file = [];
        Append(file, writer =>
        {
            writer.Write(Magic);
            writer.Write(Version);
            writer.Write(TensorCount ?? _tensorCount);
            writer.Write(MetadataCount ?? _metadataCount);
        });
        file.AddRange([.. _metadata, .. _tensors]);
        Pad(file);
        return [.. file, .. _data];
    }

    private void Pad(List<byte> bytes)
    {
        while (bytes.Count % Alignment != 0) bytes.Add(0);
    }

    private static void Append(List<byte> bytes, Action<BinaryWriter> write)
    {
        using MemoryStream stream = new();
        using BinaryWriter writer = new(stream);
        write(writer);
        bytes.AddRange(stream.ToArray());
    }

    private static void Write(BinaryWriter writer, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)bytes.Length);
        writer.Write(bytes);
    }
}
