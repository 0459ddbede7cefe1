using System.Buffers;
using System.Text;
using System.Text.Unicode;

namespace LlmEmbed.Data;

/// <summary>
/// Hands on bytes that are proved to be UTF-8 text, and stops at the first byte that is not, with its line. Decoders that follow would replace that
/// byte silently or know only its offset. It reads forward in blocks, so that it can read standard input.
/// </summary>
/// <remarks>
/// A file has one kind of line end: LF, with or without CR before it, or CR alone if its first 64 KiB hold no LF. In a file of the first kind a CR
/// without LF is a character. It is handed on as <see cref="LoneReturn"/>, because the readers that follow would end a line at it.
/// </remarks>
internal sealed class Utf8Stream(Stream input, TableSource source) : ForwardStream
{
    /// <summary>
    /// The longest line. No text to classify is longer, so a file with longer lines is no table of texts; and a line is read into memory whole.
    /// </summary>
    public const int MaxLineBytes = 64 << 20;

    /// <summary>With which the text may begin.</summary>
    public static ReadOnlySpan<byte> ByteOrderMark => "\uFEFF"u8;

    /// <summary>Stands for a carriage return that ends no line. No text holds it, since a NUL byte is refused.</summary>
    private const char LoneReturn = '\0';

    private readonly byte[] _block = new byte[1 << 16];
    private int _next; // the first byte that has not been handed on
    private int _validEnd; // the end of the bytes that are proved
    private int _end; // the end of the bytes that are read; behind _validEnd lies at most one unfinished character or line end
    private long _blockOffset; // where the block begins in the file
    private long _lineNumber = 1;
    private int _lineBytes;
    private bool? _endsLinesWithReturn; // null until the first block is read

    /// <summary>How the bytes were compressed, for example <c>gzip</c>; null if they were not.</summary>
    public string? Compression { get; init; }

    /// <summary>Where the next byte lies in the unpacked file, counted from its beginning with the byte order mark.</summary>
    public long Offset => _blockOffset + _next;

    public override int Read(Span<byte> buffer)
    {
        while (_next == _validEnd)
            if (!ReadBlock()) return 0;
        int count = Math.Min(buffer.Length, _validEnd - _next);
        _block.AsSpan(_next, count).CopyTo(buffer);
        _next += count;
        return count;
    }

    /// <summary>The text as it stands in the file, of text that this stream has handed on.</summary>
    public static string Restore(string text) => text.Replace(LoneReturn, '\r');

    /// <summary>The line breaks in a piece of text: LF, CR LF and CR, as the readers behind this stream count them.</summary>
    public static int LineBreaks(ReadOnlySpan<byte> text) => text.Count((byte)'\n') + text.Count((byte)'\r') - text.Count("\r\n"u8);

    protected override void Dispose(bool disposing)
    {
        if (disposing) input.Dispose();
        base.Dispose(disposing);
    }

    /// <summary>What comes next, without taking it. At the beginning: the first line at least, if it is no longer than 64 KiB.</summary>
    public ReadOnlySpan<byte> Peek()
    {
        while (_next == _validEnd && ReadBlock())
        {
        }
        return _block.AsSpan(_next, _validEnd - _next);
    }

    /// <summary>Takes bytes of those that <see cref="Peek"/> gave.</summary>
    public void Skip(int count) => _next += count;

    /// <summary>Reads bytes of the input, before any other is read, and leaves them aside unseen.</summary>
    /// <returns>Whether there are that many.</returns>
    public bool TrySkipUnread(long count)
    {
        while (count > 0 && ReadInput(_block.AsSpan(0, (int)Math.Min(count, _block.Length))) is > 0 and int read) count -= read;
        return count == 0;
    }

    /// <summary>Makes this the text from a row onwards, at whose first byte the input is, of a file whose beginning was read before.</summary>
    public void GoOn(TablePosition position, Utf8Stream beginning)
    {
        _endsLinesWithReturn = beginning._endsLinesWithReturn;
        _lineNumber = position.LineNumber;
        // The readers behind take a byte order mark for that of the file. With one before it, a row that begins with this character keeps it.
        ByteOrderMark.CopyTo(_block);
        _end = _validEnd = ByteOrderMark.Length;
        _blockOffset = position.Offset - ByteOrderMark.Length;
    }

    private bool ReadBlock()
    {
        _blockOffset += _validEnd;
        int carried = _end - _validEnd;
        _block.AsSpan(_validEnd, carried).CopyTo(_block);
        (_next, _end) = (0, carried);
        bool isLast;
        do
        {
            int read = ReadInput(_block.AsSpan(_end));
            _end += read;
            isLast = read == 0;
        }
        while (!isLast && _endsLinesWithReturn is null && _end < _block.Length && !_block.AsSpan(0, _end).Contains((byte)'\n'));
        _endsLinesWithReturn ??= _block.AsSpan(0, _end).Contains((byte)'\r') && !_block.AsSpan(0, _end).Contains((byte)'\n');
        _validEnd = isLast ? _end : _end - UnfinishedBytes(_block.AsSpan(0, _end));
        Check(_block.AsSpan(0, _validEnd));
        return !isLast || _validEnd > 0;
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
        catch (Exception exception) when (exception is InvalidDataException or ZstdSharp.ZstdException)
        {
            throw source.Error($"the {Compression} data is damaged or cut off after line {_lineNumber}: {exception.Message}", exception);
        }
    }

    private void Check(Span<byte> block)
    {
        int nul = block.IndexOf((byte)0);
        Span<byte> text = nul < 0 ? block : block[..nul];
        if (_endsLinesWithReturn == false) MarkLoneReturns(text);
        if (!Utf8.IsValid(text)) throw InvalidByte(text);
        if (nul >= 0)
        {
            throw source.Error(
                _lineNumber + LineBreaks(text),
                "the byte 0x00 (NUL) is no character of a text. The file may be UTF-16, which has to be saved as UTF-8, or no text at all; " +
                "stray NUL bytes can be removed with tr -d '\\000'.");
        }
        _lineNumber += LineBreaks(text);

        int lastBreak = text.LastIndexOfAny((byte)'\n', (byte)'\r');
        _lineBytes = lastBreak < 0 ? _lineBytes + text.Length : text.Length - lastBreak - 1;
        if (_lineBytes <= MaxLineBytes) return;
        throw source.Error(
            _lineNumber, $"the line is longer than {MaxLineBytes >> 20} MiB; expected a text per line. Is this the right file and --format?");
    }

    /// <summary>Puts <see cref="LoneReturn"/> in the place of each CR before another byte than LF. A CR at the end of the file ends a line.</summary>
    private static void MarkLoneReturns(Span<byte> text)
    {
        for (int at = text.IndexOf((byte)'\r'), next; at >= 0 && at + 1 < text.Length; at = next < 0 ? -1 : at + 1 + next)
        {
            if (text[at + 1] != '\n') text[at] = (byte)LoneReturn;
            next = text[(at + 1)..].IndexOf((byte)'\r');
        }
    }

    /// <summary>
    /// The number of bytes at the end that are the beginning of a character, or of a line end, which goes on in the next block.
    /// </summary>
    private static int UnfinishedBytes(ReadOnlySpan<byte> block)
    {
        if (block is [.., (byte)'\r']) return 1;
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
        while (Rune.DecodeFromUtf8(text[index..], out _, out int length) == OperationStatus.Done) index += length;
        return source.Error(
            _lineNumber + LineBreaks(text[..index]),
            $"the byte 0x{text[index]:X2} is not UTF-8 text. Save the file as UTF-8 (it may be Windows-1252, UTF-16 or no text at all).");
    }
}
