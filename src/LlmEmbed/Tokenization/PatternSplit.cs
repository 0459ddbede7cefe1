using System.Text;

namespace LlmEmbed.Tokenization;

/// <summary>
/// The regular expressions that published byte-level tokenizers split by, as scans over characters: .NET's Regex sees UTF-16 halves, for which
/// <c>\p{L}</c> never holds. Every one of them covers the whole text, so the matches are the pieces.
/// </summary>
internal abstract class PatternSplit(TextStage next) : SplittingStage(next)
{
    private const string Gpt2 = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    private const string Llama3 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Qwen2 = @"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+";

    /// <summary>The scan for a pattern as tokenizer.json writes it, null where it is none of the three.</summary>
    public static PatternSplit? For(string pattern, TextStage next) => pattern switch
    {
        Gpt2 => new Gpt2Split(next),
        Llama3 => new Llama3Split(maxDigits: 3, next),
        Qwen2 => new Llama3Split(maxDigits: 1, next),
        _ => null,
    };

    protected static bool IsOther(Rune rune) => !CharacterClass.IsWhiteSpace(rune) && !CharacterClass.IsLetter(rune) && !CharacterClass.IsNumber(rune);

    /// <summary><c>\s+(?!\S)|\s+</c>: the last white space before a word stays with the word, where there is more than one.</summary>
    protected static int WhiteSpaceLength(ReadOnlySpan<char> rest, int run) => run == rest.Length || run == 1 ? run : run - 1;

    /// <summary>The length of an English contraction's ending at the front (<c>'s</c>, <c>'re</c>, ...), 0 where there is none.</summary>
    protected static int ContractionLength(ReadOnlySpan<char> rest, bool ignoreCase)
    {
        if (rest.Length < 2 || rest[0] != '\'') return 0;
        char first = Fold(rest[1], ignoreCase);
        if (first is 's' or 't' or 'm' or 'd') return 2;
        if (rest.Length < 3) return 0;
        return (first, Fold(rest[2], ignoreCase)) is ('r', 'e') or ('v', 'e') or ('l', 'l') ? 3 : 0;
    }

    /// <summary>Of the letters at hand only s has a partner beyond ASCII: ſ, the long s.</summary>
    private static char Fold(char value, bool ignoreCase) => !ignoreCase ? value : value == 'ſ' ? 's' : char.ToLowerInvariant(value);
}

/// <summary>GPT-2's pattern, which ByteLevel uses too.</summary>
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

/// <summary>LLaMA-3's pattern; Qwen2's is the same with every digit by itself.</summary>
internal sealed class Llama3Split(int maxDigits, TextStage next) : PatternSplit(next)
{
    protected override int NextPiece(ReadOnlySpan<char> rest, out bool isDropped)
    {
        isDropped = false;
        if (ContractionLength(rest, ignoreCase: true) is > 0 and int contraction) return contraction;

        Rune first = Utf16.First(rest, out int length);
        if (CharacterClass.IsLetter(first)) return RunLength(rest, CharacterClass.IsLetter);
        if (CharacterClass.IsNumber(first)) return NumberLength(rest);

        // [^\r\n\p{L}\p{N}]?\p{L}+ : any one character but a line break goes with the word behind it.
        if (first.Value is not ('\r' or '\n') && RunLength(rest[length..], CharacterClass.IsLetter) is > 0 and int letters) return length + letters;

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
