using System.Globalization;
using System.Text;

namespace LlmEmbed.Tokenization;

/// <summary>The classes of characters by which tokenizers are defined, for whole characters instead of their UTF-16 halves.</summary>
internal static class CharacterClass
{
    /// <summary><c>\p{L}</c></summary>
    public static bool IsLetter(Rune rune) => rune.IsAscii ? char.IsAsciiLetter((char)rune.Value) : Rune.IsLetter(rune);

    /// <summary><c>\p{N}</c>: digits of all scripts, letter numbers and other numbers.</summary>
    public static bool IsNumber(Rune rune) => rune.IsAscii ? char.IsAsciiDigit((char)rune.Value) : Rune.IsNumber(rune);

    /// <summary><c>\s</c></summary>
    public static bool IsWhiteSpace(Rune rune) => Rune.IsWhiteSpace(rune);

    /// <summary><c>\p{P}</c> and the ASCII symbols, which BERT counts as punctuation too.</summary>
    public static bool IsPunctuation(Rune rune) =>
        rune.IsAscii ? char.IsPunctuation((char)rune.Value) || char.IsSymbol((char)rune.Value) : Rune.IsPunctuation(rune);

    /// <summary><c>\w</c>: alphabetic characters, marks, decimal digits, connectors and the two joiners.</summary>
    public static bool IsWord(Rune rune) => Rune.GetUnicodeCategory(rune) switch
    {
        UnicodeCategory.UppercaseLetter or UnicodeCategory.LowercaseLetter or UnicodeCategory.TitlecaseLetter
            or UnicodeCategory.ModifierLetter or UnicodeCategory.OtherLetter or UnicodeCategory.LetterNumber
            or UnicodeCategory.DecimalDigitNumber or UnicodeCategory.ConnectorPunctuation => true,
        UnicodeCategory.OtherSymbol => IsCircledLetter(rune.Value),
        UnicodeCategory.Format => rune.Value is 0x200C or 0x200D,
        _ => IsMark(rune),
    };

    /// <summary><c>\p{M}</c></summary>
    public static bool IsMark(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.SpacingCombiningMark or UnicodeCategory.EnclosingMark;

    /// <summary><c>\p{Mn}</c></summary>
    public static bool IsNonSpacingMark(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark;

    /// <summary>The characters that BERT removes as controls: <c>\p{Cc}</c>, <c>\p{Cf}</c> and private use, but not unassigned code points.</summary>
    public static bool IsControl(Rune rune) =>
        Rune.GetUnicodeCategory(rune) is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.PrivateUse;

    /// <summary>The blocks of CJK ideographs that BERT's original code lists. Newer extensions are not among them.</summary>
    public static bool IsIdeograph(Rune rune) => rune.Value >= 0x3400 && rune.Value is (>= 0x4E00 and <= 0x9FFF) or (>= 0x3400 and <= 0x4DBF)
        or (>= 0x20000 and <= 0x2A6DF) or (>= 0x2A700 and <= 0x2B73F) or (>= 0x2B740 and <= 0x2B81F) or (>= 0x2B920 and <= 0x2CEAF)
        or (>= 0xF900 and <= 0xFAFF) or (>= 0x2F800 and <= 0x2FA1F);

    /// <summary>The scripts that put no spaces between words: Thai, Lao, Burmese, Khmer, Japanese and Chinese.</summary>
    public static bool IsUnspaced(Rune rune) => rune.Value is (>= 0x0E00 and <= 0x0EFF) or (>= 0x1000 and <= 0x109F) or (>= 0x1780 and <= 0x17FF)
        or (>= 0x3040 and <= 0x30FF) || IsIdeograph(rune);

    /// <summary>The symbols that Unicode counts as alphabetic (its property Other_Alphabetic).</summary>
    private static bool IsCircledLetter(int codePoint) =>
        codePoint is (>= 0x24B6 and <= 0x24E9) or (>= 0x1F130 and <= 0x1F149) or (>= 0x1F150 and <= 0x1F169) or (>= 0x1F170 and <= 0x1F189);
}
