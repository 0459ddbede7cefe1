using System.Text;

namespace LlmEmbed.Tokenization;

/// <summary>
/// The regular expressions by which published byte-level tokenizers split, as scans over characters. .NET's Regex sees the halves of characters
/// beyond U+FFFF, for which <c>\p{L}</c> never holds. Each of the expressions covers the whole text, so its matches are the pieces.
/// </summary>
internal abstract class PatternSplit(TextStage next) : SplittingStage(next)
{
    private static readonly Dictionary<string, Func<TextStage, PatternSplit>> Patterns = new(StringComparer.Ordinal)
    {
        [@"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"] = next => new Gpt2Split(next),
        [@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"] =
            next => new Llama3Split(maxDigits: 3, next),
        [@"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"] =
            next => new Llama3Split(maxDigits: 1, next),
    };

    /// <summary>The scan for a pattern as tokenizer.json writes it, or null if it is none of GPT-2's, LLaMA-3's and Qwen2's.</summary>
    public static PatternSplit? For(string pattern, TextStage next) => Patterns.GetValueOrDefault(pattern)?.Invoke(next);

    protected static bool IsOther(Rune rune) =>
        !CharacterClass.IsWhiteSpace(rune) && !CharacterClass.IsLetter(rune) && !CharacterClass.IsNumber(rune);

    /// <summary><c>\s+(?!\S)|\s+</c>: of several white space characters before a word, the last one stays with the word.</summary>
    protected static int WhiteSpaceLength(ReadOnlySpan<char> rest, int run) => run == rest.Length || run == 1 ? run : run - 1;

    /// <summary>The length of the ending of an English contraction (such as <c>'s</c> or <c>'re</c>) at the front, or 0 if there is none.</summary>
    protected static int ContractionLength(ReadOnlySpan<char> rest, bool ignoreCase)
    {
        if (rest.Length < 2 || rest[0] != '\'') return 0;
        char first = Fold(rest[1], ignoreCase);
        if (first is 's' or 't' or 'm' or 'd') return 2;
        if (rest.Length < 3) return 0;
        return (first, Fold(rest[2], ignoreCase)) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    /// <summary>Of the letters of the contractions, only s has a second lower-case form beyond ASCII: ſ, the long s.</summary>
    private static char Fold(char value, bool ignoreCase) => !ignoreCase ? value : value == 'ſ' ? 's' : char.ToLowerInvariant(value);
}

/// <summary>GPT-2's pattern, which the pre-tokenizer ByteLevel uses too.</summary>
internal sealed class Gpt2Split(TextStage next) : PatternSplit(next)
{
    protected override int NextPiece(ReadOnlySpan<char> rest, out bool isDropped)
    {
        isDropped = false;
        if (ContractionLength(rest, ignoreCase: false) is > 0 and int contraction) return contraction;

        int space = rest[0] == ' ' ? 1 : 0;
        ReadOnlySpan<char> word = rest[space..];
        if (!word.IsEmpty)
        {
            Rune first = Utf16.First(word, out _);
            if (CharacterClass.IsLetter(first)) return space + RunLength(word, CharacterClass.IsLetter);
            if (CharacterClass.IsNumber(first)) return space + RunLength(word, CharacterClass.IsNumber);
            if (IsOther(first)) return space + RunLength(word, IsOther);
        }
        return WhiteSpaceLength(rest, RunLength(rest, CharacterClass.IsWhiteSpace));
    }
}

/// <summary>LLaMA-3's pattern, with up to three digits in a piece. Qwen2's is the same with each digit by itself.</summary>
internal sealed class Llama3Split(int maxDigits, TextStage next) : PatternSplit(next)
{
    protected override int NextPiece(ReadOnlySpan<char> rest, out bool isDropped)
    {
        isDropped = false;
        if (ContractionLength(rest, ignoreCase: true) is > 0 and int contraction) return contraction;

        Rune first = Utf16.First(rest, out int length);
        if (CharacterClass.IsLetter(first)) return RunLength(rest, CharacterClass.IsLetter);
        if (CharacterClass.IsNumber(first)) return NumberLength(rest);

        // [^\r\n\p{L}\p{N}]?\p{L}+ : one character that is not a line break goes with the word behind it.
        bool isLineBreak = first.Value is '\r' or '\n';
        if (!isLineBreak && RunLength(rest[length..], CharacterClass.IsLetter) is > 0 and int letters) return length + letters;

        int space = first.Value == ' ' ? 1 : 0;
        if (RunLength(rest[space..], IsOther) is > 0 and int others) return space + others + LineBreaks(rest[(space + others)..]);

        int run = RunLength(rest, CharacterClass.IsWhiteSpace);
        int lastLineBreak = rest[..run].LastIndexOfAny('\r', '\n');
        return lastLineBreak >= 0 ? lastLineBreak + 1 : WhiteSpaceLength(rest, run);
    }

    private int NumberLength(ReadOnlySpan<char> rest)
    {
        int end = 0;
        for (int count = 0; count < maxDigits && end < rest.Length; count++)
        {
            if (!CharacterClass.IsNumber(Utf16.First(rest[end..], out int length))) break;
            end += length;
        }
        return end;
    }

    private static int LineBreaks(ReadOnlySpan<char> text)
    {
        int end = text.IndexOfAnyExcept('\r', '\n');
        return end < 0 ? text.Length : end;
    }
}
