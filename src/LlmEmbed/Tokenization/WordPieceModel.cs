using System.Text;

namespace LlmEmbed.Tokenization;

/// <summary>Takes the longest token from the front of a word until nothing is left. If no token covers a part, the whole word is unknown.</summary>
internal sealed class WordPieceModel : TextStage
{
    /// <summary>Written before a token that goes on with a word, if a file says nothing else.</summary>
    public const string UsualPrefix = "##";

    private const int OnStack = 256;

    private readonly Vocabulary _vocabulary;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _continuations;
    private readonly int _unknownId;
    private readonly int _maxWordCharacters;
    private readonly int _longestToken;

    public WordPieceModel(Vocabulary vocabulary, int unknownId, string continuationPrefix, int maxWordCharacters)
    {
        _vocabulary = vocabulary;
        _unknownId = unknownId;
        _maxWordCharacters = maxWordCharacters;
        _longestToken = vocabulary.Ids.Keys.Max(token => token.Length);
        // They are kept without their prefix, so that a part from the middle of a word can be looked up as it stands.
        _continuations = vocabulary.Ids.Where(pair => pair.Key.StartsWith(continuationPrefix, StringComparison.Ordinal))
            .ToDictionary(pair => pair.Key[continuationPrefix.Length..], pair => pair.Value, StringComparer.Ordinal)
            .GetAlternateLookup<ReadOnlySpan<char>>();
    }

    public override void Process(ReadOnlySpan<char> text, int atStart, IdSink ids)
    {
        if (IsTooLong(text))
        {
            ids.Add(_unknownId);
            return;
        }
        Span<int> pieces = text.Length <= OnStack ? stackalloc int[text.Length] : new int[text.Length];
        int count = 0;
        for (int start = 0; start < text.Length;)
        {
            int length = LongestToken(text[start..], isContinuation: start > 0, out pieces[count]);
            if (length == 0)
            {
                ids.Add(_unknownId);
                return;
            }
            count++;
            start += length;
        }
        ids.Add(pieces[..count]);
    }

    private int LongestToken(ReadOnlySpan<char> rest, bool isContinuation, out int id)
    {
        for (int length = Math.Min(rest.Length, _longestToken); length > 0; length--)
        {
            ReadOnlySpan<char> candidate = rest[..length];
            if (isContinuation ? _continuations.TryGetValue(candidate, out id) : _vocabulary.TryGetId(candidate, out id)) return length;
        }
        id = _unknownId;
        return 0;
    }

    private bool IsTooLong(ReadOnlySpan<char> word)
    {
        if (word.Length <= _maxWordCharacters) return false;
        int characters = 0;
        foreach (Rune _ in word.EnumerateRunes())
            if (++characters > _maxWordCharacters) return true;
        return false;
    }
}
