using System.Numerics.Tensors;
using LlmEmbed.Files;

namespace LlmEmbed.Checkpoints;

/// <summary>A weight in a mapped checkpoint file, whose bytes were checked to lie in the file when it was opened.</summary>
internal sealed unsafe class MappedWeight : Weight
{
    private readonly MappedFile _file;
    private readonly long _offset;
    private readonly WeightFormat _format;
    private readonly int _interleavedHead;

    /// <param name="file">The file that holds the bytes.</param>
    /// <param name="offset">Where in the file they begin.</param>
    /// <param name="name">The Hugging Face name.</param>
    /// <param name="format">How the values are stored.</param>
    /// <param name="shape">The shape in Hugging Face order, at least one dimension.</param>
    /// <param name="interleavedHead">The head size, where the outputs of each head are stored in interleaved rotary order (GGUF's arch llama); 0 elsewhere.</param>
    public MappedWeight(MappedFile file, long offset, string name, WeightFormat format, IReadOnlyList<long> shape, int interleavedHead = 0)
    {
        (_file, _offset, _format, _interleavedHead) = (file, offset, format, interleavedHead);
        (Name, Shape) = (name, shape);
        ByteLength = format.ByteLength(ElementCount);
    }

    public override string Name { get; }

    public override string Type => _format.Name;

    public override IReadOnlyList<long> Shape { get; }

    public override long ByteLength { get; }

    private bool IsVector => Shape.Count == 1;

    private long RowCount => ElementCount == 0 ? 0 : ElementCount / RowLength;

    public override void CopyRow(long row, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, RowCount);
        if (!WidenRow(row, destination[..RowLength])) throw NotFinite(row);
    }

    public override void CopyTo(Span<float> destination)
    {
        fixed (float* pinned = destination[..checked((int)ElementCount)])
        {
            nint start = (nint)pinned; // a lambda cannot capture the span
            CheckRows(row => WidenRow(row, new Span<float>((float*)start + row * RowLength, RowLength)));
        }
        _file.Release(_offset, ByteLength); // whoever copies has what it wants
    }

    public override bool TryGetMappedFloat32(out nint address)
    {
        address = _file.Address(_offset, ByteLength);
        if (_format != WeightFormat.F32 || _interleavedHead != 0 || address % sizeof(float) != 0) return false;
        nint start = address;
        CheckRows(row => TensorPrimitives.IsFiniteAll(new ReadOnlySpan<float>((float*)start + row * RowLength, RowLength)));
        return true;
    }

    /// <summary>Handles every row, on all cores, and refuses the tensor where <paramref name="isFinite"/> says no.</summary>
    private void CheckRows(Func<long, bool> isFinite)
    {
        const int ValuesPerTask = 1 << 16;
        long rowsPerTask = Math.Max(1, ValuesPerTask / Math.Max(1, RowLength));
        long badRow = -1;
        Parallel.For(0, (RowCount + rowsPerTask - 1) / rowsPerTask, (task, loop) =>
        {
            long end = Math.Min(RowCount, (task + 1) * rowsPerTask);
            for (long row = task * rowsPerTask; row < end; row++)
            {
                if (isFinite(row)) continue;
                Interlocked.Exchange(ref badRow, row);
                loop.Stop();
                return;
            }
        });
        if (badRow >= 0) throw NotFinite(badRow);
    }

    private bool WidenRow(long row, Span<float> values)
    {
        long rowBytes = _format.ByteLength(RowLength);
        long storedRow = IsVector ? row : StoredIndex(row);
        _format.Widen(_file.Span(_offset + storedRow * rowBytes, checked((int)rowBytes)), values);
        if (IsVector && _interleavedHead != 0) Deinterleave(values);
        return TensorPrimitives.IsFiniteAll<float>(values);
    }

    /// <summary>A bias has one value per output, so the outputs are its elements and not its rows.</summary>
    private void Deinterleave(Span<float> values)
    {
        float[] stored = values.ToArray();
        for (int i = 0; i < values.Length; i++) values[i] = stored[StoredIndex(i)];
    }

    /// <summary>
    /// Where output <paramref name="index"/> of a query or key projection is stored. Hugging Face rotates the halves of a head against each other
    /// (i with i + head/2), the interleaved order neighbours (2i with 2i + 1).
    /// </summary>
    private long StoredIndex(long index)
    {
        if (_interleavedHead == 0) return index;
        (long head, long within) = Math.DivRem(index, _interleavedHead);
        (long half, long pair) = Math.DivRem(within, _interleavedHead / 2);
        return head * _interleavedHead + 2 * pair + half;
    }

    private LlmEmbedException NotFinite(long row) =>
        new($"{_file.Path}: the tensor '{Name}' ({Type}) holds NaN or infinity in row {row}, expected finite weights. The file is damaged or was converted wrongly.")
        { FilePath = _file.Path };
}
