using System.Numerics.Tensors;
using LlmEmbed.Files;

namespace LlmEmbed.Checkpoints;

/// <summary>
/// One named tensor of a mapped file, widened to fp32 when it is read. That its bytes lie in the file was checked when the file was opened.
/// </summary>
internal sealed unsafe class Weight
{
    private readonly MappedFile _file;
    private readonly long _offset;
    private readonly NumberFormat _format;
    private readonly int _interleavedHead;
    private long _firstRow; // of a slice, for messages
    private float _factor = 1;

    /// <param name="file">The file that holds the bytes.</param>
    /// <param name="offset">Where in the file they begin.</param>
    /// <param name="name">The name that Hugging Face gives to the tensor.</param>
    /// <param name="format">How the values are stored.</param>
    /// <param name="shape">The shape in Hugging Face's order, at least one dimension.</param>
    /// <param name="interleavedHead">
    /// The size of a head, if the outputs of each head are stored in interleaved rotary order (GGUF's architecture llama); 0 otherwise.
    /// </param>
    public Weight(MappedFile file, long offset, string name, NumberFormat format, IReadOnlyList<long> shape, int interleavedHead = 0)
    {
        (_file, _offset, _format, _interleavedHead) = (file, offset, format, interleavedHead);
        (Name, Shape) = (name, shape);
        ByteLength = format.ByteLength(ElementCount);
    }

    /// <summary>The name that Hugging Face gives to the tensor, for GGUF files too.</summary>
    public string Name { get; }

    /// <summary>The stored type as its file format calls it, for example F32, F16, BF16 or Q4_1.</summary>
    public string Type => _format.Name;

    /// <summary>The shape in Hugging Face's order: a linear layer is [out, in].</summary>
    public IReadOnlyList<long> Shape { get; }

    /// <summary>Bytes that the tensor takes in its file.</summary>
    public long ByteLength { get; }

    /// <summary>Values in a row. A row is the last dimension; rows are counted over all dimensions before it.</summary>
    public int RowLength => checked((int)Shape[^1]);

    public long ElementCount => Shape.Aggregate(1L, (product, size) => checked(product * size));

    private bool IsVector => Shape.Count == 1;

    private long RowCount => ElementCount == 0 ? 0 : ElementCount / RowLength;

    /// <summary>The weight that a tensor of a safetensors file is; a scalar becomes a vector of one value.</summary>
    /// <param name="tensor">A tensor whose <see cref="SafetensorsTensor.Format"/> is not null.</param>
    public static Weight Of(SafetensorsTensor tensor) =>
        new(tensor.File, tensor.Offset, tensor.Name, tensor.Format!, tensor.Shape.Count == 0 ? [1] : tensor.Shape);

    /// <summary>Some rows of a matrix, or some values of a vector, as a weight of their own.</summary>
    /// <param name="first">The first row or value; of a tensor with interleaved heads the first one of a head.</param>
    /// <param name="count">How many.</param>
    public Weight Slice(long first, long count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(count, Shape[0] - first);
        long values = first * (ElementCount / Shape[0]);
        return new Weight(_file, _offset + _format.ByteLength(values), Name, _format, [count, .. Shape.Skip(1)], _interleavedHead)
        {
            _firstRow = _firstRow + (IsVector ? 0 : first * (RowCount / Shape[0])),
            _factor = _factor,
        };
    }

    /// <summary>The same weight, whose values are multiplied in fp32 when they are read.</summary>
    public Weight Times(float factor) =>
        factor == 1 ? this : new Weight(_file, _offset, Name, _format, Shape, _interleavedHead) { _firstRow = _firstRow, _factor = _factor * factor };

    /// <summary>Widens row <paramref name="row"/> to fp32.</summary>
    /// <exception cref="LlmEmbedException">The row holds NaN or infinity.</exception>
    public void CopyRow(long row, Span<float> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, RowCount);
        if (!WidenRow(row, destination[..RowLength])) throw NotFinite(row);
    }

    /// <summary>Widens the whole tensor to fp32, row after row.</summary>
    /// <exception cref="LlmEmbedException">The tensor holds NaN or infinity.</exception>
    public void CopyTo(Span<float> destination)
    {
        fixed (float* pinned = destination[..checked((int)ElementCount)])
        {
            nint start = (nint)pinned; // a lambda cannot capture the span
            CheckRows(row => WidenRow(row, new Span<float>((float*)start + row * RowLength, RowLength)));
        }
        _file.Release(_offset, ByteLength); // the caller has a copy now, so the mapped bytes are not needed any more
    }

    /// <summary>
    /// True if the stored bytes are already what an fp32 graph wants. Then <paramref name="address"/> points into the memory map and is valid until
    /// the checkpoint is disposed.
    /// </summary>
    /// <exception cref="LlmEmbedException">The tensor holds NaN or infinity.</exception>
    public bool TryGetMappedFloat32(out nint address)
    {
        address = _file.Address(_offset, ByteLength);
        if (_format != NumberFormat.F32 || _interleavedHead != 0 || _factor != 1 || address % sizeof(float) != 0) return false;
        nint start = address;
        CheckRows(row => TensorPrimitives.IsFiniteAll(new ReadOnlySpan<float>((float*)start + row * RowLength, RowLength)));
        return true;
    }

    /// <summary>Handles every row, on all cores, and refuses the tensor if <paramref name="isFinite"/> says no to one.</summary>
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
        if (_factor != 1) TensorPrimitives.Multiply(values, _factor, values);
        return TensorPrimitives.IsFiniteAll<float>(values);
    }

    /// <summary>
    /// Brings the values of a bias into order. A bias has one value for each output, so its outputs are its elements and not its rows.
    /// </summary>
    private void Deinterleave(Span<float> values)
    {
        float[] stored = values.ToArray();
        for (int i = 0; i < values.Length; i++) values[i] = stored[StoredIndex(i)];
    }

    /// <summary>
    /// Where output <paramref name="index"/> of a query or key projection is stored. Hugging Face rotates the halves of a head against each other
    /// (i with i + head/2), the interleaved order rotates neighbours (2i with 2i + 1).
    /// </summary>
    private long StoredIndex(long index)
    {
        if (_interleavedHead == 0) return index;
        (long head, long within) = Math.DivRem(index, _interleavedHead);
        (long half, long pair) = Math.DivRem(within, _interleavedHead / 2);
        return head * _interleavedHead + 2 * pair + half;
    }

    private LlmEmbedException NotFinite(long row) => TensorNames.NotFinite(_file.Path, Name, Type, _firstRow + row);
}
