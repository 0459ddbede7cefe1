using System.IO.Hashing;
using System.Runtime.InteropServices;
using LlmEmbed.Checkpoints;
using LlmEmbed.Files;

namespace LlmEmbed.Reading;

/// <summary>
/// One file of a store, never changed once it is written: <c>key</c> U8 [n,16], <c>embedding</c> F32 [n,D,H] and a checksum over both in the
/// metadata.
/// It is written as F32 because hidden states of language models exceed the 65,504 of F16; F16 is read as well.
/// </summary>
internal sealed class EmbeddingShard : IDisposable
{
    private const string KeyTensor = "key";
    private const string EmbeddingTensor = "embedding";
    private const string ChecksumKey = "xxh128";

    private readonly SafetensorsFile _file;
    private readonly SafetensorsTensor _keys;
    private readonly SafetensorsTensor _embeddings;
    private readonly Weight _rows;
    private bool _isVerified;

    private EmbeddingShard(SafetensorsFile file, int viewCount, int hiddenSize)
    {
        _file = file;
        _embeddings = file.Require(EmbeddingTensor, [-1, viewCount, hiddenSize], "F32", "F16"); // [n,D,H]
        _keys = file.Require(KeyTensor, [_embeddings.Shape[0], TextKey.ByteCount], "U8"); // [n,16]
        long rowLength = checked(_embeddings.Shape[1] * _embeddings.Shape[2]);
        _rows = new Weight(_embeddings.File, _embeddings.Offset, EmbeddingTensor, _embeddings.Format!, [_embeddings.Shape[0], rowLength]);
    }

    public string Path => _file.Path;

    public int Count => checked((int)_keys.Shape[0]);

    /// <summary>
    /// Opens a shard and checks its layout; -1 stands for any size. The checksum is left to <see cref="Verify"/>, which reads every byte.
    /// </summary>
    public static EmbeddingShard Open(string path, int viewCount = -1, int hiddenSize = -1)
    {
        SafetensorsFile file = SafetensorsFile.Open(path);
        try
        {
            return new EmbeddingShard(file, viewCount, hiddenSize);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    public static void Write(string path, ReadOnlySpan<TextKey> keys, ReadOnlySpan<float> embeddings, int viewCount, int hiddenSize)
    {
        byte[] keyBytes = new byte[keys.Length * TextKey.ByteCount]; // [n,16]
        for (int i = 0; i < keys.Length; i++) keys[i].Write(keyBytes.AsSpan(i * TextKey.ByteCount));
        XxHash128 hash = new();
        hash.Append(keyBytes);
        hash.Append(MemoryMarshal.AsBytes(embeddings));
        using SafetensorsWriter writer = SafetensorsWriter.Create(
            path,
            [new(ChecksumKey, Convert.ToHexStringLower(hash.GetCurrentHash()))],
            new SafetensorsLayout(KeyTensor, "U8", TextKey.ByteCount),
            new SafetensorsLayout(EmbeddingTensor, "F32", viewCount, hiddenSize));
        writer.Append<byte>(KeyTensor, keyBytes);
        writer.Append(EmbeddingTensor, embeddings);
        writer.Commit();
    }

    public TextKey Key(int row) => TextKey.Read(_keys.File.Span(_keys.Offset + (long)row * TextKey.ByteCount, TextKey.ByteCount));

    public void Read(int row, Span<float> destination) => _rows.CopyRow(row, destination);

    /// <summary>Reads every byte, the first time it is called.</summary>
    /// <exception cref="LlmEmbedException">The bytes are not those that were written.</exception>
    public void Verify()
    {
        const int PieceBytes = 1 << 26;
        if (_isVerified) return;
        XxHash128 hash = new();
        foreach (SafetensorsTensor tensor in (SafetensorsTensor[])[_keys, _embeddings])
            for (long position = 0; position < tensor.ByteLength; position += PieceBytes)
                hash.Append(tensor.File.Span(tensor.Offset + position, (int)Math.Min(PieceBytes, tensor.ByteLength - position)));
        string found = Convert.ToHexStringLower(hash.GetCurrentHash());
        string? expected = _file.Metadata.GetValueOrDefault(ChecksumKey);
        if (found != expected)
            throw new LlmEmbedException($"{Path}: the checksum is {found}, expected {expected ?? "one in the metadata"}.") { FilePath = Path };
        _isVerified = true;
    }

    public void Dispose() => _file.Dispose();
}
