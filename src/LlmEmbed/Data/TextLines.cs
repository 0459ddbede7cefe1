using System.Buffers;
using System.Text;

namespace LlmEmbed.Data;

/// <summary>Takes a text apart into its lines, and knows where each begins. A byte order mark at the beginning belongs to no line.</summary>
/// <param name="text">The text.</param>
/// <param name="firstLine">The number of its first line, counted from 1.</param>
internal sealed class TextLines(Utf8Stream text, long firstLine = 1) : IDisposable
{
    private readonly ArrayBufferWriter<byte> _begun = new(); // the part of a line that lies in earlier blocks
    private readonly char[] _characters = new char[4096];
    private bool _isBegun;

    /// <summary>The number of the line that <see cref="Next"/> gave last.</summary>
    public long LineNumber { get; private set; } = firstLine - 1;

    /// <summary>The byte at which this line begins in the unpacked file.</summary>
    public long Offset { get; private set; }

    /// <summary>The next line without its end, which is LF, CR LF or CR; null behind the last one.</summary>
    public string? Next()
    {
        if (!_isBegun && text.Peek().StartsWith(Utf8Stream.ByteOrderMark)) text.Skip(Utf8Stream.ByteOrderMark.Length);
        _isBegun = true;
        Offset = text.Offset;
        LineNumber++;
        ReadOnlySpan<byte> block = text.Peek();
        int end = block.IndexOfAny((byte)'\n', (byte)'\r');
        return end < 0 ? NextAcrossBlocks() : Take(block, end, block[..end]);
    }

    public void Dispose() => text.Dispose();

    private string? NextAcrossBlocks()
    {
        _begun.ResetWrittenCount();
        while (text.Peek() is { IsEmpty: false } block)
        {
            int end = block.IndexOfAny((byte)'\n', (byte)'\r');
            _begun.Write(end < 0 ? block : block[..end]);
            if (end >= 0) return Take(block, end, _begun.WrittenSpan);
            text.Skip(block.Length);
        }
        return _begun.WrittenCount == 0 ? null : Decode(_begun.WrittenSpan);
    }

    /// <summary>Takes the end of a line. It lies in one block whole, as <see cref="Utf8Stream"/> hands on CR and LF together.</summary>
    private string Take(ReadOnlySpan<byte> block, int end, ReadOnlySpan<byte> line)
    {
        text.Skip(end + (block[end..].StartsWith("\r\n"u8) ? 2 : 1));
        return Decode(line);
    }

    private string Decode(ReadOnlySpan<byte> line)
    {
        // GetString counts the characters before it decodes them, which a buffer makes needless.
        string decoded = line.Length > _characters.Length
            ? Encoding.UTF8.GetString(line)
            : new string(_characters.AsSpan(0, Encoding.UTF8.GetChars(line, _characters)));
        return Utf8Stream.Restore(decoded);
    }
}
