using System.Buffers;
using System.Text;

namespace LlmEmbed.Tokenization;

/// <summary>Walks over UTF-16 by whole characters, because vocabularies hold no halves of surrogate pairs.</summary>
internal static class Utf16
{
    /// <summary>
    /// The text itself if it is well formed; otherwise a copy with U+FFFD for every lone surrogate, which is what UTF-8 encoders write.
    /// </summary>
    public static ReadOnlySpan<char> ReplaceLoneSurrogates(string text)
    {
        int first = text.AsSpan().IndexOfAnyInRange('\uD800', '\uDFFF');
        if (first < 0 || IsWellFormed(text.AsSpan(first))) return text;
        StringBuilder replaced = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes()) replaced.Append(rune.ToString());
        return replaced.ToString();
    }

    /// <summary>The first character of a well-formed, non-empty text and the number of UTF-16 units it takes.</summary>
    public static Rune First(ReadOnlySpan<char> text, out int length)
    {
        Rune.DecodeFromUtf16(text, out Rune rune, out length);
        return rune;
    }

    private static bool IsWellFormed(ReadOnlySpan<char> text)
    {
        while (!text.IsEmpty)
        {
            if (Rune.DecodeFromUtf16(text, out _, out int length) != OperationStatus.Done) return false;
            text = text[length..];
        }
        return true;
    }
}

/// <summary>A text that grows in pooled memory.</summary>
internal sealed class CharBuffer(int capacity) : IDisposable
{
    private char[] _chars = ArrayPool<char>.Shared.Rent(capacity);

    public int Length { get; private set; }

    public Span<char> Text => _chars.AsSpan(0, Length);

    public void Append(char value)
    {
        if (Length == _chars.Length) Grow(1);
        _chars[Length++] = value;
    }

    public void Append(scoped ReadOnlySpan<char> text)
    {
        if (text.Length > _chars.Length - Length) Grow(text.Length);
        text.CopyTo(_chars.AsSpan(Length));
        Length += text.Length;
    }

    public void Append(Rune rune)
    {
        if (rune.IsBmp)
        {
            Append((char)rune.Value);
            return;
        }
        if (_chars.Length - Length < 2) Grow(2);
        Length += rune.EncodeToUtf16(_chars.AsSpan(Length));
    }

    /// <summary>A copy of the text.</summary>
    public char[] ToArray() => Text.ToArray();

    public void Dispose()
    {
        ArrayPool<char>.Shared.Return(_chars);
        _chars = [];
        Length = 0;
    }

    private void Grow(int more)
    {
        char[] larger = ArrayPool<char>.Shared.Rent(Math.Max(checked(Length + more), _chars.Length * 2));
        Text.CopyTo(larger);
        ArrayPool<char>.Shared.Return(_chars);
        _chars = larger;
    }
}
