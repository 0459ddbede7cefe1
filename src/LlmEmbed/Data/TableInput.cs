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

    /// <summary>Opens the text from its beginning, unpacked and checked to be UTF-8. The second time the input must be able to restart.</summary>
    /// <param name="keepsOpen">Whether <see cref="Raw"/> stays open when the text is closed.</param>
    /// <exception cref="LlmEmbedException">The input is not text, nor text in a known compression.</exception>
    public Utf8Stream OpenText(bool keepsOpen = false)
    {
        if (CanRestart) Raw.Position = _start;
        (Stream content, string? compression) = Compression.Unpack(Raw, Source, keepsOpen);
        return new Utf8Stream(content, Source) { Compression = compression };
    }
}
