using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;

namespace LlmEmbed.Reading;

/// <summary>
/// What a text is found by in a store: the XxHash128 of its UTF-8 bytes, stored in the canonical order (big endian) that other languages print.
/// </summary>
internal readonly record struct TextKey(UInt128 Hash)
{
    public const int ByteCount = 16;

    public static TextKey Of(string text) => Read(XxHash128.Hash(Encoding.UTF8.GetBytes(text)));

    /// <summary>One token of the text.</summary>
    public TextKey Token(int position) => new(unchecked(Hash + (UInt128)(uint)(position + 1)));

    public static TextKey Read(ReadOnlySpan<byte> bytes) => new(BinaryPrimitives.ReadUInt128BigEndian(bytes));

    public void Write(Span<byte> bytes) => BinaryPrimitives.WriteUInt128BigEndian(bytes, Hash);
}
