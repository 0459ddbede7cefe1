namespace LlmEmbed.Data;

/// <summary>An open input and what is known of it, for the reader of its format.</summary>
/// <param name="Raw">The bytes as they lie in the file.</param>
/// <param name="Source">The input, as errors name it.</param>
/// <param name="Options">How it is to be read.</param>
internal sealed record TableInput(Stream Raw, TableSource Source, TableOptions Options)
{
    private readonly long _start = Raw.CanSeek ? Raw.Position : 0;

    /// <summary>Whether the input can be read a second time.</summary>
    public bool CanRestart => Raw.CanSeek;

    /// <summary>
    /// Opens the text from its beginning, unpacked and checked to be UTF-8. The second time the input must be able to restart. <see cref="Raw"/>
    /// stays open when the text is closed.
    /// </summary>
    /// <exception cref="LlmEmbedException">The input is not text, nor text in a known compression.</exception>
    public Utf8Stream OpenText()
    {
        if (CanRestart) Raw.Position = _start;
        (Stream content, string? compression) = Compression.Unpack(Raw, Source);
        return new Utf8Stream(content, Source) { Compression = compression };
    }

    /// <summary>
    /// Opens the text from a row onwards. What is before the row is not read, unless the file is compressed: then it is unpacked and left aside.
    /// </summary>
    /// <param name="position">The row.</param>
    /// <param name="beginning">The text as it was opened from its beginning and read up to the first row.</param>
    /// <exception cref="LlmEmbedException">The file ends before the position.</exception>
    public Utf8Stream OpenText(TablePosition position, Utf8Stream beginning)
    {
        bool isSought = beginning.Compression is null;
        Raw.Position = isSought ? _start + position.Offset : _start;
        Stream content = isSought ? Compression.KeepOpen(Raw) : Compression.Unpack(Raw, Source).Content;
        Utf8Stream text = new(content, Source) { Compression = beginning.Compression };
        bool isThere = isSought ? Raw.Position <= Raw.Length : text.TrySkipUnread(position.Offset);
        if (!isThere)
        {
            throw Source.Error(
                $"the file ends before byte {position.Offset:N0}, where row {position.Row + 1:N0} was found before. Has it been replaced?");
        }
        text.GoOn(position, beginning);
        return text;
    }
}
