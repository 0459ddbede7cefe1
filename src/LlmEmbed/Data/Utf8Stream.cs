using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace LlmEmbed.Data;

/// <summary>
/// Hands on bytes that are proved to be UTF-8 text, and stops at the first byte that is not, with its line. Decoders that follow would replace that
/// byte silently or know only its offset. It reads forward in blocks, so that it can read standard input.
/// </summary>
internal sealed class Utf8Stream(Stream input, TableSource source) : Stream
{
    /// <summary>
    /// The longest line. No text to classify is longer, so a file with longer lines is no table of texts; and a line is read into memory whole.
    /// </summary>
    public const int MaxLineBytes = 64 << 20;

    private readonly byte[] _block = new byte[1 << 16];
    private int _next; // the first byte that has not been handed on
    private int _validEnd; // the end of the bytes that are proved
    private int _end; // the end of the bytes that are read; behind _validEnd lies at most one unfinished character
    private long _lineNumber = 1;
    private int _lineBytes;
    private bool _endsWithReturn;

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override int Read(Span<byte> buffer)
    {
        while (_next == _validEnd)
            if (!ReadBlock()) return 0;
        int count = Math.Min(buffer.Length, _validEnd - _next);
        _block.AsSpan(_next, count).CopyTo(buffer);
        _next += count;
        return count;
    }

    /// <summary>The line breaks in a piece of text: LF, CR LF and a lone CR, as the readers behind this stream count them.</summary>
    public static int LineBreaks(ReadOnlySpan<byte> text) => text.Count((byte)'\n') + text.Count((byte)'\r') - text.Count("\r\n"u8);

    public override void Flush() => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing) input.Dispose();
        base.Dispose(disposing);
    }

    private bool ReadBlock()
    {
        int carried = _end - _validEnd;
        _block.AsSpan(_validEnd, carried).CopyTo(_block);
        int read = ReadInput(_block.AsSpan(carried));
        if (read == 0 && carried > 0) throw InvalidByte(_block.AsSpan(0, carried));
        _next = 0;
        _end = carried + read;
        _validEnd = _end - UnfinishedBytes(_block.AsSpan(0, _end));
        Check(_block.AsSpan(0, _validEnd));
        return read > 0;
    }

    private int ReadInput(Span<byte> buffer)
    {
        try
        {
            return input.Read(buffer);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw source.Error($"reading failed after line {_lineNumber}: {exception.Message}", exception);
        }
    }

    private void Check(ReadOnlySpan<byte> text)
    {
        if (!Utf8.IsValid(text) || text.Contains((byte)0)) throw InvalidByte(text);
        _lineNumber += LineBreaks(text);
        if (_endsWithReturn && text is [(byte)'\n', ..]) _lineNumber--;
        if (text.Length > 0) _endsWithReturn = text[^1] == '\r';

        int lastBreak = text.LastIndexOfAny((byte)'\n', (byte)'\r');
        _lineBytes = lastBreak < 0 ? _lineBytes + text.Length : text.Length - lastBreak - 1;
        if (_lineBytes <= MaxLineBytes) return;
        throw source.Error(
            _lineNumber, $"the line is longer than {MaxLineBytes >> 20} MiB; expected a text per line. Is this the right file and --format?");
    }

    /// <summary>The number of bytes at the end that are the beginning of a character, which goes on in the next block.</summary>
    private static int UnfinishedBytes(ReadOnlySpan<byte> block)
    {
        for (int count = 1; count <= Math.Min(3, block.Length); count++)
        {
            if ((block[^count] & 0xC0) == 0x80) continue; // a continuation byte, whose character begins further ahead
            return Rune.DecodeFromUtf8(block[^count..], out _, out _) == OperationStatus.NeedMoreData ? count : 0;
        }

        return 0;
    }

    private LlmEmbedException InvalidByte(ReadOnlySpan<byte> text)
    {
        int index = 0;
        while (Rune.DecodeFromUtf8(text[index..], out Rune rune, out int length) == OperationStatus.Done && rune.Value != 0) index += length;
        long line = _lineNumber + LineBreaks(text[..index]) - (_endsWithReturn && index > 0 && text[0] == '\n' ? 1 : 0);
        return source.Error(
            line, $"the byte 0x{text[index]:X2} is not UTF-8 text. Save the file as UTF-8 (it may be Windows-1252, UTF-16 or no text at all).");
    }
}
