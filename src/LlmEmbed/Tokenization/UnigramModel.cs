using System.Buffers;
using System.Runtime.InteropServices;

namespace LlmEmbed.Tokenization;

/// <summary>Splits a text into the tokens whose scores (log probabilities) have the highest sum, by dynamic programming from left to right.</summary>
internal sealed class UnigramModel : TextStage
{
    /// <summary>How far the score of an unknown character lies below that of the worst token: a constant of SentencePiece.</summary>
    private const double UnknownPenalty = 10;

    private readonly Vocabulary _vocabulary;
    private readonly CharTrie _trie = new();
    private readonly double[] _scores;
    private readonly double _unknownScore;
    private readonly int _unknownId;
    private readonly int[] _byteTokenIds;

    /// <param name="vocabulary">All tokens.</param>
    /// <param name="pieces">The tokens that may stand for text, with their scores.</param>
    /// <param name="unknownId">The id of a run of characters that no token covers.</param>
    /// <param name="byteFallback">Whether such a run becomes its UTF-8 bytes instead, if the vocabulary has all of them.</param>
    public UnigramModel(Vocabulary vocabulary, IReadOnlyCollection<(string Token, double Score)> pieces, int unknownId, bool byteFallback)
    {
        _vocabulary = vocabulary;
        _unknownId = unknownId;
        _byteTokenIds = byteFallback ? vocabulary.ByteTokenIds() : [];
        _scores = new double[vocabulary.Size];
        foreach ((string token, double score) in pieces)
        {
            if (token.Length == 0 || !vocabulary.TryGetId(token, out int id)) continue;
            _trie.Add(token, id);
            _scores[id] = score;
        }
        _unknownScore = pieces.Min(piece => piece.Score) - UnknownPenalty;
    }

    /// <summary>The best way to reach a position: its last token and the position at which that token begins.</summary>
    [StructLayout(LayoutKind.Auto)]
    private record struct Path(int Id, int Start, double Score);

    public override void Process(ReadOnlySpan<char> text, int atStart, IdSink ids)
    {
        Path[] rented = ArrayPool<Path>.Shared.Rent(text.Length + 1);
        Span<Path> best = rented.AsSpan(0, text.Length + 1);
        FindBestPaths(text, best);

        List<Range> tokens = [];
        for (int end = text.Length; end > 0;)
        {
            int start = best[end].Start;
            // Several unknown characters in a row are one unknown token.
            while (best[end].Id == _unknownId && start > 0 && best[start].Id == _unknownId) start = best[start].Start;
            tokens.Add(start..end);
            end = start;
        }
        ArrayPool<Path>.Shared.Return(rented);

        for (int index = tokens.Count - 1; index >= 0; index--) AddToken(text[tokens[index]], ids);
    }

    private void FindBestPaths(ReadOnlySpan<char> text, Span<Path> best)
    {
        best.Fill(new Path(0, -1, 0));
        for (int start = 0, length; start < text.Length; start += length)
        {
            Utf16.First(text[start..], out length);
            bool isCovered = false;
            foreach ((int tokenLength, int id) in _trie.Prefixes(text[start..]))
            {
                isCovered |= tokenLength == length;
                Reach(best, start, tokenLength, id, _scores[id]);
            }
            if (!isCovered) Reach(best, start, length, _unknownId, _unknownScore);
        }
    }

    private static void Reach(Span<Path> best, int start, int length, int id, double tokenScore)
    {
        ref Path path = ref best[start + length];
        double score = best[start].Score + tokenScore;
        if (path.Start < 0 || score > path.Score) path = new Path(id, start, score);
    }

    private void AddToken(ReadOnlySpan<char> token, IdSink ids)
    {
        if (_vocabulary.TryGetId(token, out int id))
        {
            ids.Add(id);
            return;
        }
        if (!ByteTokens.TryAdd(token, _byteTokenIds, ids)) ids.Add(_unknownId);
    }
}
