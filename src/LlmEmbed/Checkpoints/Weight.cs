namespace LlmEmbed.Checkpoints;

/// <summary>One named tensor of a checkpoint, read from a memory map and widened to fp32 on demand.</summary>
internal abstract class Weight
{
    /// <summary>The Hugging Face name, for GGUF files too.</summary>
    public abstract string Name { get; }

    /// <summary>The stored type as its format calls it: F32, F16, BF16, Q4_1, ...</summary>
    public abstract string Type { get; }

    /// <summary>The shape in Hugging Face order: a linear layer is [out, in].</summary>
    public abstract IReadOnlyList<long> Shape { get; }

    /// <summary>Bytes that the tensor takes in its file.</summary>
    public abstract long ByteLength { get; }

    /// <summary>Rows are counted over all leading dimensions, a row is the last one.</summary>
    public int RowLength => checked((int)Shape[^1]);

    public long ElementCount => Shape.Aggregate(1L, (product, size) => checked(product * size));

    /// <summary>Widens row <paramref name="row"/> to fp32.</summary>
    /// <exception cref="LlmEmbedException">The row holds NaN or infinity.</exception>
    public abstract void CopyRow(long row, Span<float> destination);

    /// <summary>Widens the whole tensor to fp32, row after row.</summary>
    /// <exception cref="LlmEmbedException">The tensor holds NaN or infinity.</exception>
    public abstract void CopyTo(Span<float> destination);

    /// <summary>True where the stored bytes are already what an fp32 graph wants: then <paramref name="address"/> points into the map, valid until the checkpoint is disposed.</summary>
    public abstract bool TryGetMappedFloat32(out nint address);
}
