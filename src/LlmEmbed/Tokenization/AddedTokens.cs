using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace LlmEmbed.Tokenization;

/// <summary>A token that is cut out of the text before the model sees the rest. Its properties are called as in tokenizer.json.</summary>
internal sealed record AddedToken(int Id, string Content)
{
    /// <summary>A token whose id the vocabulary knows.</summary>
    public static AddedToken Of(string content) => new(-1, content);

    /// <summary>The token is found only where no word character touches it.</summary>
    public bool SingleWord { get; init; }

    /// <summary>The white space on its left belongs to it.</summary>
    public bool StripLeft { get; init; }

    /// <summary>The white space on its right belongs to it.</summary>
    public bool StripRight { get; init; }

    /// <summary>The token says something about a text (where it ends, what is padding) and is no part of one.</summary>
    public bool Special { get; init; }

    /// <summary>The token is normalized and then looked for in the normalized text instead of the user's text.</summary>
    public bool Normalized { get; init; }
}

/// <summary>Finds added tokens, the leftmost first and of those the longest, and hands the text between them on to the next step.</summary>
internal sealed class AddedTokenStage : TextStage
{
    private readonly TextStage _next;
    private readonly AddedToken[] _tokens;
    private readonly CharTrie _trie = new();
    private readonly SearchValues<char> _firstCharacters;

    private AddedTokenStage(TextStage next, AddedToken[] tokens, string[] contents)
    {
        _next = next;
        _tokens = tokens;
        for (int index = 0; index < tokens.Length; index++) _trie.Add(contents[index], index);
        _firstCharacters = SearchValues.Create([.. contents.Select(content => content[0])]);
    }

    /// <summary>A step that finds these tokens before <paramref name="next"/>; <paramref name="next"/> itself if there are none.</summary>
    public static TextStage Before(TextStage next, IEnumerable<AddedToken> tokens, TextNormalizer? normalizer)
    {
        // A token of which the normalizer leaves nothing can never be found.
        (AddedToken Token, string Content)[] found =
        [
            .. tokens.Select(token => (token, Content: normalizer is null ? token.Content : normalizer.Normalize(token.Content).ToString()))
                .Where(pair => pair.Content.Length > 0),
        ];
        return found.Length == 0 ? next : new AddedTokenStage(next, [.. found.Select(pair => pair.Token)], [.. found.Select(pair => pair.Content)]);
    }

    public override void Process(ReadOnlySpan<char> text, int atStart, IdSink ids)
    {
        int rest = 0;
        for (int search = 0; !ids.IsFull && TryFind(text, ref search, out int start, out AddedToken? token);)
        {
            int end = search;
            if (token.SingleWord && TouchesWord(text, start, end)) continue;
            if (token.StripLeft) start = Math.Max(text[..start].TrimEnd().Length, rest);
            if (token.StripRight) end = text.Length - text[end..].TrimStart().Length;
            if (rest < start) _next.Process(text[rest..start], StartWithin(atStart, rest, start - rest), ids);
            ids.Add(token.Id);
            // The search goes on directly behind the token, even inside white space that belongs to it, as it does in the tokenizers library.
            rest = end;
        }
        if (rest < text.Length && !ids.IsFull) _next.Process(text[rest..], StartWithin(atStart, rest, text.Length - rest), ids);
    }

    private bool TryFind(ReadOnlySpan<char> text, ref int search, out int start, [NotNullWhen(true)] out AddedToken? token)
    {
        for (start = search; start < text.Length; start++)
        {
            int skip = text[start..].IndexOfAny(_firstCharacters);
            if (skip < 0) break;
            start += skip;
            if (!_trie.TryMatchLongest(text[start..], out int length, out int index)) continue;
            search = start + length;
            token = _tokens[index];
            return true;
        }
        token = null;
        return false;
    }

    private static bool TouchesWord(ReadOnlySpan<char> text, int start, int end)
    {
        Rune.DecodeLastFromUtf16(text[..start], out Rune before, out _);
        Rune.DecodeFromUtf16(text[end..], out Rune after, out _);
        return (start > 0 && CharacterClass.IsWord(before)) || (end < text.Length && CharacterClass.IsWord(after));
    }
}
