using System.Runtime.InteropServices;

namespace LlmEmbed.Engine;

/// <summary>
/// A weight in memory that the garbage collector does not move: either allocated here and filled by the caller, or a view of a memory-mapped
/// checkpoint (whose owner must outlive the session that uses it).
/// </summary>
internal sealed unsafe class WeightBuffer : IDisposable
{
    private readonly bool _owned;
    private bool _disposed;

    private WeightBuffer(OnnxType type, long[] shape, nint address, long byteLength, bool owned)
    {
        Type = type;
        Shape = shape;
        Address = address;
        ByteLength = byteLength;
        _owned = owned;
    }

    public OnnxType Type { get; }

    public long[] Shape { get; }

    public nint Address { get; }

    public long ByteLength { get; }

    public static WeightBuffer Allocate<T>(params long[] shape)
        where T : unmanaged
    {
        long byteLength = checked(shape.Aggregate(1L, (product, size) => checked(product * size)) * sizeof(T));
        // 64 bytes: whole cache lines for the engine's vector loads.
        return new WeightBuffer(OnnxGraph.TypeOf<T>(), shape, (nint)NativeMemory.AlignedAlloc((nuint)byteLength, 64), byteLength, owned: true);
    }

    public static WeightBuffer View<T>(nint address, params long[] shape)
        where T : unmanaged =>
        new(OnnxGraph.TypeOf<T>(), shape, address, shape.Aggregate(1L, (product, size) => product * size) * sizeof(T), owned: false);

    /// <summary>The same memory for one more graph; whoever owns it must outlive that graph's session.</summary>
    public WeightBuffer Share() => new(Type, Shape, Address, ByteLength, owned: false);

    public Span<T> Span<T>()
        where T : unmanaged
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        return new Span<T>((void*)Address, checked((int)(ByteLength / sizeof(T))));
    }

    public void Dispose()
    {
        if (_disposed) return;
        _disposed = true;
        if (_owned) NativeMemory.AlignedFree((void*)Address);
    }
}
