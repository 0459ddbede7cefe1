using System.Buffers;
using System.Globalization;
using System.Text;

namespace LlmEmbed.Tokenization;

/// <summary>How a vocabulary shows where words begin.</summary>
internal enum WordMarks
{
    /// <summary>It does not: each token counts as a word.</summary>
    None,

    /// <summary>A token that goes on with a word has <see cref="TokenizerParts.ContinuationPrefix"/>, as <c>##ing</c>.</summary>
    Continuations,

    /// <summary>A space is written as U+2581, as in <c>▁the</c>, and bytes may be tokens, as <c>&lt;0xE4&gt;</c>.</summary>
    Spaces,

    /// <summary>Each byte is a character of GPT-2's alphabet, in which a space is Ġ, as in <c>Ġthe</c>.</summary>
    Bytes,
}

/// <summary>A word of a text, as the tokens show it to a model.</summary>
/// <param name="Word">For people: without the spaces around it. White space that belongs to no word is a word too and is shown as ␣ or ↵.</param>
/// <param name="FirstToken">The position of its first token.</param>
/// <param name="TokenCount">At least 1.</param>
/// <param name="IsSpecial">Whether it is a special token such as <c>[SEP]</c>, which is no word of the text.</param>
internal readonly record struct TokenWord(string Word, int FirstToken, int TokenCount, bool IsSpecial = false);

/// <summary>
/// Token ids → words, each token in one of them. Tokens are never cut, so what a word is follows from the vocabulary: of neighbours that are not
/// parted by a mark of the vocabulary, letters and digits belong together, and so do all other characters; a text without spaces, such as a Chinese
/// one, has a word for each token.
/// </summary>
internal sealed class TokenWords(Tokenizer tokenizer)
{
    private const char VisibleSpace = '\u2581';

    public IReadOnlyList<TokenWord> Of(ReadOnlySpan<int> ids)
    {
        Piece[] pieces = new Piece[ids.Length];
        int[] starts = new int[ids.Length + 1]; // of each token among all bytes
        ArrayBufferWriter<byte> written = new();
        for (int token = 0; token < ids.Length; token++)
        {
            pieces[token] = PieceOf(ids[token]);
            written.Write(pieces[token].Utf8);
            starts[token + 1] = written.WrittenCount;
        }
        ReadOnlySpan<byte> utf8 = written.WrittenSpan;
        List<TokenWord> words = [];
        for (int first = 0, end; first < ids.Length; first = end)
        {
            for (end = first + 1; end < ids.Length && !BeginsWord(utf8, starts[end], pieces[end - 1], pieces[end]);) end++;
            words.Add(new TokenWord(Shown(utf8[starts[first]..starts[end]]), first, end - first, pieces[first].IsSpecial));
        }
        return words;
    }

    /// <summary>The words of a part of the tokens, counted from its first one. A word that lies partly in it keeps its tokens there.</summary>
    public IReadOnlyList<TokenWord> Of(ReadOnlySpan<int> ids, Range part)
    {
        (int start, int length) = part.GetOffsetAndLength(ids.Length);
        List<TokenWord> words = [];
        foreach (TokenWord word in Of(ids))
        {
            int first = Math.Max(word.FirstToken, start), end = Math.Min(word.FirstToken + word.TokenCount, start + length);
            if (first < end) words.Add(word with { FirstToken = first - start, TokenCount = end - first });
        }
        return words;
    }

    private Piece PieceOf(int id)
    {
        string token = tokenizer.TokenText(id);
        if (tokenizer.IsSpecial(id)) return new Piece(Encoding.UTF8.GetBytes(token)) { IsSpecial = true };
        string prefix = tokenizer.ContinuationPrefix;
        return tokenizer.WordMarks switch
        {
            WordMarks.Continuations when token.StartsWith(prefix, StringComparison.Ordinal) && token.Length > prefix.Length =>
                new Piece(Encoding.UTF8.GetBytes(token[prefix.Length..])) { IsContinuation = true },
            WordMarks.Bytes when !tokenizer.IsAdded(id) => new Piece(ByteLevelStage.BytesOf(token)),
            WordMarks.Spaces when ByteTokens.ValueOf(token) is byte value => new Piece([value]),
            WordMarks.Spaces => new Piece(Encoding.UTF8.GetBytes(token.Replace(VisibleSpace, ' '))),
            _ => new Piece(Encoding.UTF8.GetBytes(token)),
        };
    }

    /// <param name="utf8">All pieces.</param>
    /// <param name="start">Where a piece begins among them.</param>
    /// <param name="before">The piece that ends there.</param>
    /// <param name="piece">The piece that begins there.</param>
    private bool BeginsWord(ReadOnlySpan<byte> utf8, int start, in Piece before, in Piece piece)
    {
        if (before.IsSpecial || piece.IsSpecial) return true;
        if (tokenizer.WordMarks is WordMarks.None or WordMarks.Continuations) return !piece.IsContinuation;
        // Within a character both are U+FFFD and so of the same kind.
        Rune.DecodeLastFromUtf8(utf8[..start], out Rune last, out _);
        Rune.DecodeFromUtf8(utf8[start..], out Rune first, out _);
        if (CharacterClass.IsMark(first) || IsFormat(first) || IsFormat(last)) return false; // é in two parts, emoji that are joined
        if (before.Utf8 is [(byte)' ']) return CharacterClass.IsWhiteSpace(first); // the space before a word may have its own token
        if (StandsAlone(last) || StandsAlone(first)) return true;
        return IsLetterOrDigit(last) != IsLetterOrDigit(first);
    }

    private static bool StandsAlone(Rune rune) => CharacterClass.IsWhiteSpace(rune) || CharacterClass.IsUnspaced(rune);

    private static bool IsLetterOrDigit(Rune rune) => CharacterClass.IsWord(rune) || CharacterClass.IsNumber(rune);

    private static bool IsFormat(Rune rune) => Rune.GetUnicodeCategory(rune) == UnicodeCategory.Format;

    private static string Shown(ReadOnlySpan<byte> utf8)
    {
        string text = Encoding.UTF8.GetString(utf8);
        string word = text.Trim();
        return word.Length > 0 ? word : text.AsSpan().ContainsAny('\n', '\r') ? "↵" : "␣";
    }

    /// <summary>What a token stands for.</summary>
    private readonly record struct Piece(byte[] Utf8)
    {
        public bool IsSpecial { get; init; }

        public bool IsContinuation { get; init; }
    }
}
