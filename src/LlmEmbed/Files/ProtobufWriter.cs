using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace LlmEmbed.Files;

/// <summary>Writes one message of Protocol Buffers field by field: the four wire forms that an ONNX model needs.</summary>
internal sealed class ProtobufWriter
{
    private readonly ArrayBufferWriter<byte> _buffer = new();

    public ReadOnlySpan<byte> Written => _buffer.WrittenSpan;

    public void Int(int field, long value)
    {
        Tag(field, wireType: 0);
        Varint((ulong)value);
    }

    public void Float(int field, float value)
    {
        Tag(field, wireType: 5);
        BinaryPrimitives.WriteSingleLittleEndian(_buffer.GetSpan(sizeof(float)), value);
        _buffer.Advance(sizeof(float));
    }

    public void Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    public void Bytes(int field, ReadOnlySpan<byte> value)
    {
        Tag(field, wireType: 2);
        Varint((ulong)value.Length);
        _buffer.Write(value);
    }

    /// <summary>A nested message. It is written into a buffer of its own first, because its length comes before its bytes.</summary>
    public void Message(int field, Action<ProtobufWriter> write)
    {
        ProtobufWriter nested = new();
        write(nested);
        Bytes(field, nested.Written);
    }

    private void Tag(int field, int wireType) => Varint((ulong)((field << 3) | wireType));

    private void Varint(ulong value)
    {
        Span<byte> bytes = _buffer.GetSpan(10);
        int count = 0;
        for (; value >= 0x80; value >>= 7) bytes[count++] = (byte)(value | 0x80);
        bytes[count++] = (byte)value;
        _buffer.Advance(count);
    }
}
