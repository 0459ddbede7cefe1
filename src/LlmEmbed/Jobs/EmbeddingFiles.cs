using LlmEmbed.Files;

namespace LlmEmbed.Jobs;

/// <summary>
/// Files of embeddings with the number of each row: <c>depths</c> I64 [D], <c>row</c> I64 [n], <c>embeddings</c> F32 [n,D,H]. A unit's file has no
/// depths; a shard's and a merged file have.
/// </summary>
internal static class EmbeddingFiles
{
    public const string States = "embeddings", Rows = "row", Depths = "depths";

    private const int BlockBytes = 1 << 24;

    public static SafetensorsWriter Create(
        string path, IEnumerable<KeyValuePair<string, string>> metadata, long views, long size, bool withDepths)
    {
        SafetensorsLayout[] depths = withDepths ? [new(Depths, "I64")] : [];
        return SafetensorsWriter.Create(path, metadata, [.. depths, new(Rows, "I64"), new(States, "F32", views, size)]);
    }

    /// <summary>Joins files, in their order, in memory that does not grow with them.</summary>
    /// <param name="target">The file to write.</param>
    /// <param name="metadata">Its metadata.</param>
    /// <param name="depths">The depth of each view.</param>
    /// <param name="parts">Files of units or of shards; at least one.</param>
    public static void Join(string target, IReadOnlyDictionary<string, string> metadata, long[] depths, IReadOnlyList<string> parts)
    {
        (long views, long size) = ShapeOf(parts[0]);
        using SafetensorsWriter writer = Create(target, metadata, views, size, withDepths: true);
        writer.Append<long>(Depths, depths);
        foreach (string part in parts) Copy(part, Rows, writer);
        foreach (string part in parts) Copy(part, States, writer);
        writer.Commit();
    }

    /// <summary>D and H of a file.</summary>
    public static (long Views, long Size) ShapeOf(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        IReadOnlyList<long> shape = file.Require(States, [-1, -1, -1], "F32").Shape;
        return (shape[1], shape[2]);
    }

    private static void Copy(string part, string tensor, SafetensorsWriter writer)
    {
        using SafetensorsFile file = SafetensorsFile.Open(part);
        foreach (ReadOnlySpan<byte> block in new Blocks(file.Tensors[tensor])) writer.Append(tensor, block);
    }

    /// <summary>The bytes of a tensor, piece by piece.</summary>
    internal readonly ref struct Blocks(SafetensorsTensor tensor)
    {
        public Enumerator GetEnumerator() => new(tensor);

        public ref struct Enumerator(SafetensorsTensor tensor)
        {
            private long _next;

            public ReadOnlySpan<byte> Current { get; private set; }

            public bool MoveNext()
            {
                if (_next == tensor.ByteLength) return false;
                int length = (int)Math.Min(BlockBytes, tensor.ByteLength - _next);
                Current = tensor.File.Span(tensor.Offset + _next, length);
                _next += length;
                return true;
            }
        }
    }
}
