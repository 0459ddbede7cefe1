using System.Text;

namespace LlmEmbed.Tokenization;

/// <summary>Rewrites text before it is split. It may return the text itself if nothing changes.</summary>
internal abstract class TextNormalizer
{
    /// <summary>Whether it is the step that does nothing but lower a text, or has it among its steps. BERT's, which can lower too, is none.</summary>
    public virtual bool Lowers => false;

    public abstract ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text);

    /// <summary>Rewrites a text and keeps track of its first character, as the tokenizers library does with its alignments.</summary>
    /// <param name="text">The text.</param>
    /// <param name="atStart">As in <see cref="TextStage.Process"/>, of the text and then of the result.</param>
    public virtual ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text, scoped ref int atStart)
    {
        // Most normalizers rewrite each character by itself.
        if (atStart > 0) atStart = Normalize(text[..atStart]).Length;
        ReadOnlySpan<char> normalized = Normalize(text);
        atStart = Math.Min(atStart, normalized.Length);
        return normalized;
    }
}

/// <summary>The step of the chain that normalizes text.</summary>
internal sealed class NormalizerStage(TextNormalizer normalizer, TextStage next) : TextStage
{
    public override void Process(ReadOnlySpan<char> text, int atStart, IdSink ids)
    {
        ReadOnlySpan<char> normalized = normalizer.Normalize(text, ref atStart);
        if (!normalized.IsEmpty) next.Process(normalized, atStart, ids);
    }
}

internal sealed class SequenceNormalizer(IReadOnlyList<TextNormalizer> normalizers) : TextNormalizer
{
    public override bool Lowers => normalizers.Any(normalizer => normalizer.Lowers);

    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
    {
        foreach (TextNormalizer normalizer in normalizers) text = normalizer.Normalize(text);
        return text;
    }

    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text, scoped ref int atStart)
    {
        foreach (TextNormalizer normalizer in normalizers) text = normalizer.Normalize(text, ref atStart);
        return text;
    }
}

/// <summary>NFC, NFD, NFKC or NFKD.</summary>
internal sealed class UnicodeFormNormalizer(NormalizationForm form) : TextNormalizer
{
    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text) => UnicodeNormalization.Normalize(text, form);
}

/// <summary>Lowers each character by itself: no rule looks at its neighbours, so that a sigma at the end of a word becomes σ too.</summary>
internal sealed class LowercaseNormalizer : TextNormalizer
{
    public override bool Lowers => true;

    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
    {
        using CharBuffer lower = new(text.Length);
        while (!text.IsEmpty)
        {
            Rune rune = Utf16.First(text, out int length);
            lower.Append(Rune.ToLowerInvariant(rune));
            // The one character whose lower case is two characters. .NET leaves it as it is, the tokenizers library writes i and a dot above.
            if (rune.Value == 'İ')
            {
                lower.Text[^1] = 'i';
                lower.Append('\u0307');
            }
            text = text[length..];
        }
        return lower.ToArray();
    }
}

/// <summary>Removes the characters for which <paramref name="isRemoved"/> is true.</summary>
internal sealed class RemovingNormalizer(Func<Rune, bool> isRemoved) : TextNormalizer
{
    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
    {
        using CharBuffer kept = new(text.Length);
        while (!text.IsEmpty)
        {
            Rune rune = Utf16.First(text, out int length);
            if (!isRemoved(rune)) kept.Append(rune);
            text = text[length..];
        }
        return kept.ToArray();
    }
}

/// <summary>Removes white space at the ends.</summary>
internal sealed class StripNormalizer(bool left, bool right) : TextNormalizer
{
    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
    {
        if (left) text = text.TrimStart();
        return right ? text.TrimEnd() : text;
    }

    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text, scoped ref int atStart)
    {
        int removed = left ? text.Length - text.TrimStart().Length : 0;
        ReadOnlySpan<char> stripped = Normalize(text);
        atStart = Math.Clamp(atStart - removed, 0, stripped.Length);
        return stripped;
    }
}

internal sealed class PrependNormalizer(string prefix) : TextNormalizer
{
    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text) => text.IsEmpty ? text : string.Concat(prefix, text);

    /// <summary>The prefix belongs to the character before which it stands.</summary>
    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text, scoped ref int atStart)
    {
        if (atStart > 0) atStart += prefix.Length;
        return Normalize(text);
    }
}

/// <summary>Puts <paramref name="content"/> in the place of parts of the text.</summary>
internal abstract class ReplacingNormalizer(string content) : TextNormalizer
{
    protected string Content { get; } = content;

    /// <summary>The length of the part at the front that is replaced; 0 if the first character stays.</summary>
    protected abstract int MatchLength(ReadOnlySpan<char> rest);

    /// <summary>What takes the place of a part belongs to the last character of that part.</summary>
    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text, scoped ref int atStart)
    {
        int result = 0;
        for (int position = 0; position < atStart;)
        {
            int match = MatchLength(text[position..]);
            position += Math.Max(match, 1);
            if (position > atStart) break;
            result += match > 0 ? Content.Length : 1;
        }
        atStart = result;
        return Normalize(text);
    }
}

internal sealed class ReplaceNormalizer(string pattern, string content) : ReplacingNormalizer(content)
{
    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text) =>
        text.Contains(pattern, StringComparison.Ordinal) ? text.ToString().Replace(pattern, Content, StringComparison.Ordinal) : text;

    protected override int MatchLength(ReadOnlySpan<char> rest) => rest.StartsWith(pattern, StringComparison.Ordinal) ? pattern.Length : 0;
}

/// <summary>Replaces every run of at least <paramref name="minimum"/> characters of one class.</summary>
internal sealed class ReplaceRunsNormalizer(Func<char, bool> isInRun, int minimum, string content) : ReplacingNormalizer(content)
{
    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
    {
        using CharBuffer replaced = new(text.Length);
        while (!text.IsEmpty)
        {
            int run = RunLength(text);
            if (run >= minimum) replaced.Append(Content);
            else replaced.Append(text[..run]);
            if (run < text.Length) replaced.Append(text[run++]);
            text = text[run..];
        }
        return replaced.ToArray();
    }

    protected override int MatchLength(ReadOnlySpan<char> rest) => RunLength(rest) is var run && run >= minimum ? run : 0;

    private int RunLength(ReadOnlySpan<char> text)
    {
        int run = 0;
        while (run < text.Length && isInRun(text[run])) run++;
        return run;
    }
}

/// <summary>
/// BERT's normalization. It removes control characters, turns all white space into spaces, puts spaces around CJK ideographs, strips accents and
/// lowers the text; each of these can be switched off.
/// </summary>
internal sealed class BertNormalizer(bool cleanText, bool handleChineseCharacters, bool stripAccents, bool lowercase) : TextNormalizer
{
    private static readonly RemovingNormalizer NonSpacingMarks = new(CharacterClass.IsNonSpacingMark);
    private static readonly LowercaseNormalizer Lower = new();

    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
    {
        text = Clean(text, out bool isAscii);
        if (stripAccents && !isAscii) text = NonSpacingMarks.Normalize(UnicodeNormalization.Normalize(text, NormalizationForm.FormD));
        return lowercase ? Lower.Normalize(text) : text;
    }

    private char[] Clean(ReadOnlySpan<char> text, out bool isAscii)
    {
        isAscii = true;
        using CharBuffer clean = new(text.Length);
        while (!text.IsEmpty)
        {
            Rune rune = Utf16.First(text, out int length);
            text = text[length..];
            isAscii &= rune.IsAscii;
            if (cleanText)
            {
                if (IsRemoved(rune)) continue;
                if (CharacterClass.IsWhiteSpace(rune)) rune = new Rune(' ');
            }
            bool isolate = handleChineseCharacters && CharacterClass.IsIdeograph(rune);
            if (isolate) clean.Append(' ');
            clean.Append(rune);
            if (isolate) clean.Append(' ');
        }
        return clean.ToArray();
    }

    private static bool IsRemoved(Rune rune) =>
        rune.IsAscii ? rune.Value is < ' ' and not ('\t' or '\n' or '\r') or 0x7F : rune.Value == 0xFFFD || CharacterClass.IsControl(rune);
}
