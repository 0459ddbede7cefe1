using System.Buffers.Binary;
using System.Text;

namespace LlmEmbed.Files;

/// <summary>Reads one message of Protocol Buffers field by field: as much of the format as SentencePiece's message types need.</summary>
/// <param name="file">The file, for messages.</param>
/// <param name="content">What the file should hold, for messages, such as "a SentencePiece model".</param>
/// <param name="message">The bytes of the message.</param>
internal ref struct ProtobufReader(string file, string content, ReadOnlySpan<byte> message)
{
    private const int VarintType = 0, Fixed64Type = 1, BytesType = 2, Fixed32Type = 5;

    /// <summary>Strict, because a replaced character would silently change a token.</summary>
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    private ReadOnlySpan<byte> _rest = message;
    private int _wireType;

    /// <summary>Moves to the next field; the value must then be read or skipped.</summary>
    public bool TryReadField(out int number)
    {
        number = 0;
        if (_rest.IsEmpty) return false;
        ulong tag = ReadVarint();
        (number, _wireType) = ((int)(tag >> 3), (int)(tag & 7));
        return tag >> 3 is > 0 and <= int.MaxValue ? true : throw Damaged("a field number is out of range");
    }

    public int ReadInt32() => _wireType == VarintType ? unchecked((int)ReadVarint()) : throw WrongType("a number");

    public bool ReadBool() => ReadInt32() != 0;

    public float ReadFloat() =>
        _wireType == Fixed32Type ? BinaryPrimitives.ReadSingleLittleEndian(Take(sizeof(float))) : throw WrongType("a float");

    public ReadOnlySpan<byte> ReadBytes()
    {
        if (_wireType != BytesType) throw WrongType("bytes");
        ulong length = ReadVarint();
        return length <= (ulong)_rest.Length ? Take((int)length) : throw Damaged($"a field of {length} bytes has only {_rest.Length} left");
    }

    public string ReadText()
    {
        ReadOnlySpan<byte> bytes = ReadBytes();
        try
        {
            return Utf8.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw Damaged("a text is not UTF-8");
        }
    }

    public ProtobufReader ReadMessage() => new(file, content, ReadBytes());

    public void Skip()
    {
        switch (_wireType)
        {
            case VarintType: ReadVarint(); break;
            case Fixed64Type: Take(sizeof(long)); break;
            case BytesType: ReadBytes(); break;
            case Fixed32Type: Take(sizeof(int)); break;
            default: throw Damaged($"a field has the wire type {_wireType}");
        }
    }

    private ulong ReadVarint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            byte next = Take(1)[0];
            value |= (ulong)(next & 0x7F) << shift;
            if (next < 0x80) return value;
        }
        throw Damaged("a number has more than 64 bits");
    }

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > _rest.Length) throw Damaged("it ends in the middle of a field");
        ReadOnlySpan<byte> taken = _rest[..count];
        _rest = _rest[count..];
        return taken;
    }

    private readonly LlmEmbedException WrongType(string expected) => Damaged($"a field has the wire type {_wireType}, expected {expected}");

    private readonly LlmEmbedException Damaged(string what) =>
        FileProblem.In(file, $"the file is not {content}, or damaged: {what}. Fetch the file again.");
}
