using System.Buffers;
using System.Globalization;
using System.Text;

namespace LlmEmbed.Tokenization;

/// <summary>Writes text that no token covers as the tokens of its UTF-8 bytes, <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c>.</summary>
internal static class ByteTokens
{
    /// <summary>The byte that a token stands for; null if it is no token of a byte.</summary>
    public static byte? ValueOf(ReadOnlySpan<char> token) =>
        token is ['<', '0', 'x', _, _, '>'] && byte.TryParse(token[3..5], NumberStyles.AllowHexSpecifier, null, out byte value) ? value : null;

    /// <summary>Adds one token for each byte, or nothing if one of the bytes has no token.</summary>
    /// <param name="text">Well-formed UTF-16.</param>
    /// <param name="byteTokenIds">One id for each value of a byte, -1 for a value without a token; empty if bytes are not to be used.</param>
    /// <param name="ids">Where the ids go.</param>
    public static bool TryAdd(ReadOnlySpan<char> text, ReadOnlySpan<int> byteTokenIds, IdSink ids)
    {
        if (byteTokenIds.IsEmpty) return false;
        byte[] bytes = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, bytes);
        foreach (byte value in bytes)
            if (byteTokenIds[value] < 0) return false;
        foreach (byte value in bytes) ids.Add(byteTokenIds[value]);
        return true;
    }
}

/// <summary>
/// SentencePiece's byte-pair encoding: two neighbours merge if their joined text is a piece, and the piece with the highest score merges first.
/// There are no words; spaces are characters like others.
/// </summary>
internal sealed class SentencePieceBpeModel : TextStage
{
    private const int Unknown = -1;

    private readonly PieceRanks _pieces;
    private readonly CharTrie _userDefined = new();
    private readonly int _unknownId;
    private readonly int[] _byteTokenIds;

    /// <param name="vocabulary">All pieces.</param>
    /// <param name="pieces">The pieces that stand for text, with their scores.</param>
    /// <param name="userDefined">The pieces that are always taken whole, before anything merges.</param>
    /// <param name="unknownId">The id of a run of characters that no piece covers.</param>
    /// <param name="byteFallback">Whether such a character becomes its UTF-8 bytes instead.</param>
    public SentencePieceBpeModel(
        Vocabulary vocabulary,
        IReadOnlyCollection<(string Token, double Score)> pieces,
        IReadOnlyCollection<string> userDefined,
        int unknownId,
        bool byteFallback)
    {
        _pieces = new PieceRanks(vocabulary, pieces, userDefined);
        foreach (string piece in userDefined) _userDefined.Add(piece, vocabulary.Ids[piece]);
        _unknownId = unknownId;
        _byteTokenIds = byteFallback ? vocabulary.ByteTokenIds() : [];
    }

    public override void Process(ReadOnlySpan<char> text, int atStart, IdSink ids)
    {
        Symbol[] rented = ArrayPool<Symbol>.Shared.Rent(text.Length);
        Span<Symbol> symbols = rented.AsSpan(0, InitialSymbols(text, rented));
        SymbolMerging.MergeAll(symbols, new PieceMerges(text, _pieces));

        bool isAfterUnknown = false;
        foreach (Symbol symbol in symbols)
        {
            if (symbol.Length == 0) continue;
            bool isUnknown = symbol.Id == Unknown && !ByteTokens.TryAdd(text.Slice(symbol.Start, symbol.Length), _byteTokenIds, ids);
            if (symbol.Id != Unknown) ids.Add(symbol.Id);
            // Several unknown characters in a row are one unknown token.
            else if (isUnknown && !isAfterUnknown) ids.Add(_unknownId);
            isAfterUnknown = isUnknown;
        }
        ArrayPool<Symbol>.Shared.Return(rented);
    }

    private int InitialSymbols(ReadOnlySpan<char> text, Span<Symbol> symbols)
    {
        int count = 0;
        for (int start = 0, length; start < text.Length; start += length)
        {
            if (!_userDefined.TryMatchLongest(text[start..], out length, out int id))
            {
                Utf16.First(text[start..], out length);
                if (!_pieces.TryGet(text.Slice(start, length), out _, out id)) id = Unknown;
            }
            symbols[count++] = new Symbol { Id = id, Start = start, Length = length };
        }
        return count;
    }

    /// <summary>Pieces by their text, ranked by score. Equal scores share a rank, so that the leftmost of them merges first.</summary>
    private sealed class PieceRanks
    {
        private readonly Dictionary<string, (int Rank, int Id)> _pieces = new(StringComparer.Ordinal);
        private readonly Dictionary<string, (int Rank, int Id)>.AlternateLookup<ReadOnlySpan<char>> _piecesBySpan;
        private readonly HashSet<int> _unmergeable;

        public PieceRanks(Vocabulary vocabulary, IReadOnlyCollection<(string Token, double Score)> pieces, IReadOnlyCollection<string> userDefined)
        {
            _unmergeable = [.. userDefined.Select(piece => vocabulary.Ids[piece])];
            double[] scores = [.. pieces.Select(piece => -piece.Score).Distinct().Order()];
            foreach ((string token, double score) in pieces) _pieces.Add(token, (Array.BinarySearch(scores, -score), vocabulary.Ids[token]));
            _piecesBySpan = _pieces.GetAlternateLookup<ReadOnlySpan<char>>();
        }

        public bool TryGet(ReadOnlySpan<char> text, out int rank, out int id)
        {
            bool found = _piecesBySpan.TryGetValue(text, out (int Rank, int Id) piece);
            (rank, id) = piece;
            return found;
        }

        public bool IsMergeable(in Symbol symbol) => _unmergeable.Count == 0 || !_unmergeable.Contains(symbol.Id);
    }

    /// <summary>The merges of one text.</summary>
    private readonly ref struct PieceMerges(ReadOnlySpan<char> text, PieceRanks pieces) : IMergeTable
    {
        private readonly ReadOnlySpan<char> _text = text;

        public bool TryGetMerge(in Symbol left, in Symbol right, out int rank, out int id)
        {
            if (pieces.TryGet(_text.Slice(left.Start, left.Length + right.Length), out rank, out id))
                return pieces.IsMergeable(left) && pieces.IsMergeable(right);
            return false;
        }
    }
}
