using System.Buffers;
using System.Text;

namespace LlmEmbed.Tokenization;

/// <summary>A step that cuts text into pieces from left to right.</summary>
internal abstract class SplittingStage(TextStage next) : TextStage
{
    public sealed override void Process(ReadOnlySpan<char> text, int atStart, IdSink ids)
    {
        for (int start = 0; start < text.Length && !ids.IsFull;)
        {
            int length = NextPiece(text[start..], out bool isDropped);
            if (!isDropped) next.Process(text.Slice(start, length), StartWithin(atStart, start, length), ids);
            start += length;
        }
    }

    /// <summary>The length (at least 1) of the piece at the front, and whether it is dropped.</summary>
    protected abstract int NextPiece(ReadOnlySpan<char> rest, out bool isDropped);

    /// <summary>How many UTF-16 units at the front belong to characters of a class.</summary>
    protected static int RunLength(ReadOnlySpan<char> text, Func<Rune, bool> isInClass)
    {
        int end = 0;
        while (end < text.Length && isInClass(Utf16.First(text[end..], out int length))) end += length;
        return end;
    }
}

/// <summary>BERT's words: split at white space, every punctuation character by itself.</summary>
internal sealed class BertSplit(TextStage next) : SplittingStage(next)
{
    protected override int NextPiece(ReadOnlySpan<char> rest, out bool isDropped)
    {
        Rune first = Utf16.First(rest, out int length);
        isDropped = CharacterClass.IsWhiteSpace(first);
        return isDropped || CharacterClass.IsPunctuation(first) ? length : RunLength(rest, IsInWord);
    }

    private static bool IsInWord(Rune rune) => !CharacterClass.IsWhiteSpace(rune) && !CharacterClass.IsPunctuation(rune);
}

/// <summary><c>\w+|[^\w\s]+</c>, white space dropped.</summary>
internal sealed class WordSplit(TextStage next) : SplittingStage(next)
{
    protected override int NextPiece(ReadOnlySpan<char> rest, out bool isDropped)
    {
        Rune first = Utf16.First(rest, out int length);
        isDropped = CharacterClass.IsWhiteSpace(first);
        return isDropped ? length : RunLength(rest, CharacterClass.IsWord(first) ? CharacterClass.IsWord : IsOther);
    }

    private static bool IsOther(Rune rune) => !CharacterClass.IsWord(rune) && !CharacterClass.IsWhiteSpace(rune);
}

/// <summary>What becomes of a delimiter. The names are those of tokenizer.json.</summary>
internal enum DelimiterBehavior
{
    /// <summary>It is dropped.</summary>
    Removed,

    /// <summary>It is a piece by itself.</summary>
    Isolated,

    /// <summary>It ends the piece before it, unless that piece ends with a delimiter already.</summary>
    MergedWithPrevious,

    /// <summary>It begins the piece after it, unless that piece begins with another delimiter.</summary>
    MergedWithNext,

    /// <summary>A run of delimiters is one piece.</summary>
    Contiguous,
}

/// <summary>Splits at the characters of a class.</summary>
internal sealed class DelimiterSplit(Func<Rune, bool> isDelimiter, DelimiterBehavior behavior, TextStage next) : SplittingStage(next)
{
    protected override int NextPiece(ReadOnlySpan<char> rest, out bool isDropped)
    {
        bool startsWithDelimiter = isDelimiter(Utf16.First(rest, out int delimiter));
        isDropped = startsWithDelimiter && behavior == DelimiterBehavior.Removed;
        return (startsWithDelimiter, behavior) switch
        {
            (true, DelimiterBehavior.MergedWithNext) => delimiter + OtherRun(rest[delimiter..]),
            (true, DelimiterBehavior.Contiguous) => RunLength(rest, isDelimiter),
            (true, _) => delimiter,
            (false, DelimiterBehavior.MergedWithPrevious) => WithDelimiterBehind(rest, OtherRun(rest)),
            (false, _) => OtherRun(rest),
        };
    }

    private int OtherRun(ReadOnlySpan<char> text) => RunLength(text, rune => !isDelimiter(rune));

    private static int WithDelimiterBehind(ReadOnlySpan<char> text, int end)
    {
        if (end == text.Length) return end;
        Utf16.First(text[end..], out int delimiter);
        return end + delimiter;
    }
}

/// <summary>SentencePiece's treatment of white space: spaces become a visible character, and one more is put in front.</summary>
internal sealed class MetaspaceStage(char replacement, MetaspacePrefix prefix, TextStage next) : TextStage
{
    public override void Process(ReadOnlySpan<char> text, int atStart, IdSink ids)
    {
        using CharBuffer replaced = new(text.Length + 1);
        bool isPrefixed = prefix == MetaspacePrefix.Always || (prefix == MetaspacePrefix.First && atStart > 0);
        isPrefixed &= text[0] != ' ' && text[0] != replacement;
        if (isPrefixed) replaced.Append(replacement);
        replaced.Append(text);
        replaced.Text.Replace(' ', replacement);
        next.Process(replaced.Text, atStart > 0 && isPrefixed ? atStart + 1 : atStart, ids);
    }
}

/// <summary>Where <see cref="MetaspaceStage"/> puts its character in front. The names are those of tokenizer.json.</summary>
internal enum MetaspacePrefix
{
    /// <summary>In front of every part of the text, also behind an added token.</summary>
    Always,

    /// <summary>Only where the text begins with its first character: not behind blanks that a normalizer has removed.</summary>
    First,

    /// <summary>Nowhere.</summary>
    Never,
}

/// <summary>Puts a space in front of a part that does not begin with one.</summary>
internal sealed class PrefixSpaceStage(TextStage next) : TextStage
{
    public override void Process(ReadOnlySpan<char> text, int atStart, IdSink ids) =>
        next.Process(text[0] == ' ' ? text : string.Concat(" ", text), atStart > 0 && text[0] != ' ' ? atStart + 1 : atStart, ids);
}

/// <summary>Writes every byte of the UTF-8 form as one printable character, as GPT-2's vocabulary does.</summary>
internal sealed class ByteLevelStage(TextStage next) : TextStage
{
    private const int OnStack = 512;

    private static readonly char[] Alphabet = BuildAlphabet();

    /// <summary>The bytes that a token stands for. A character outside of the alphabet stands for itself.</summary>
    public static byte[] BytesOf(string token) =>
        [.. token.SelectMany(c => Array.IndexOf(Alphabet, c) is >= 0 and int value ? [(byte)value] : Encoding.UTF8.GetBytes([c]))];

    public override void Process(ReadOnlySpan<char> text, int atStart, IdSink ids)
    {
        int byteCount = Encoding.UTF8.GetByteCount(text);
        if (atStart > 0) atStart = Encoding.UTF8.GetByteCount(text[..atStart]);
        if (byteCount <= OnStack)
        {
            ProcessBytes(text, stackalloc byte[byteCount], stackalloc char[byteCount], atStart, ids);
            return;
        }
        byte[] bytes = ArrayPool<byte>.Shared.Rent(byteCount);
        char[] chars = ArrayPool<char>.Shared.Rent(byteCount);
        ProcessBytes(text, bytes.AsSpan(0, byteCount), chars.AsSpan(0, byteCount), atStart, ids);
        ArrayPool<byte>.Shared.Return(bytes);
        ArrayPool<char>.Shared.Return(chars);
    }

    private void ProcessBytes(ReadOnlySpan<char> text, Span<byte> bytes, Span<char> chars, int atStart, IdSink ids)
    {
        Encoding.UTF8.GetBytes(text, bytes);
        for (int index = 0; index < bytes.Length; index++) chars[index] = Alphabet[bytes[index]];
        next.Process(chars, atStart, ids);
    }

    /// <summary>Printable Latin-1 characters stand for themselves. The other 68 bytes take the characters from U+0100 on, in order.</summary>
    private static char[] BuildAlphabet()
    {
        char[] alphabet = new char[256];
        char nextFree = '\u0100';
        for (int value = 0; value < alphabet.Length; value++)
            alphabet[value] = value is (>= '!' and <= '~') or (>= 0xA1 and <= 0xAC) or (>= 0xAE and <= 0xFF) ? (char)value : nextFree++;
        return alphabet;
    }
}
