using System.Diagnostics.CodeAnalysis;
using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>The tokens of a model and their ids, one to one. There may be ids without a token.</summary>
internal sealed class Vocabulary
{
    /// <summary>Far above the largest published vocabularies. It keeps a wrong id from deciding how much memory is taken.</summary>
    private const int MaximumSize = 1 << 22;

    private readonly string _file;
    private readonly Dictionary<string, int> _ids;
    private readonly Dictionary<string, int>.AlternateLookup<ReadOnlySpan<char>> _idsBySpan;
    private readonly string?[] _tokens;

    /// <param name="file">The file the tokens come from, for messages.</param>
    /// <param name="tokens">Token and id in the order of the file.</param>
    /// <exception cref="LlmEmbedException">There is no token, a token or an id occurs twice, or an id is negative or far too large.</exception>
    public Vocabulary(string file, IReadOnlyCollection<KeyValuePair<string, int>> tokens)
    {
        _file = file;
        if (tokens.Count == 0) throw Error("the vocabulary is empty. The file is damaged or incomplete.");
        _ids = new Dictionary<string, int>(tokens.Count, StringComparer.Ordinal);
        _idsBySpan = _ids.GetAlternateLookup<ReadOnlySpan<char>>();
        foreach ((string token, int id) in tokens)
        {
            CheckRange(token, id);
            if (!_ids.TryAdd(token, id)) throw Error($"the token '{token}' is in the vocabulary twice, with the ids {_ids[token]} and {id}.");
        }
        _tokens = new string?[_ids.Values.Max() + 1];
        foreach ((string token, int id) in tokens)
        {
            if (_tokens[id] is string other) throw Error($"the tokens '{other}' and '{token}' both have the id {id}.");
            _tokens[id] = token;
        }
    }

    /// <summary>
    /// The tokens of a file in which the later of two equal ones counts, as in transformers and the tokenizers library: an id that was given before
    /// has no token then.
    /// </summary>
    public static Vocabulary WithLaterTokens(string file, IEnumerable<KeyValuePair<string, int>> tokens)
    {
        Dictionary<string, int> ids = new(StringComparer.Ordinal);
        foreach ((string token, int id) in tokens) ids[token] = id;
        return new Vocabulary(file, ids);
    }

    /// <summary>The highest id plus 1.</summary>
    public int Size => _tokens.Length;

    public IReadOnlyDictionary<string, int> Ids => _ids;

    public bool TryGetId(ReadOnlySpan<char> token, out int id) => _idsBySpan.TryGetValue(token, out id);

    public bool TryGetId([NotNullWhen(true)] string? token, out int id)
    {
        id = -1;
        return token is not null && _ids.TryGetValue(token, out id);
    }

    public string? Token(int id) => (uint)id < (uint)_tokens.Length ? _tokens[id] : null;

    /// <summary>Refuses an added token whose id is out of range, or for which the vocabulary has another id or another token.</summary>
    public void Check(AddedToken token)
    {
        CheckRange(token.Content, token.Id);
        if (TryGetId(token.Content, out int id) ? id != token.Id : Token(token.Id) is not null)
            throw Error($"the added token '{token.Content}' has the id {token.Id}, which the vocabulary gives to '{Token(token.Id)}'.");
    }

    /// <summary>The ids of <c>&lt;0x00&gt;</c> to <c>&lt;0xFF&gt;</c>, with -1 for each that is missing.</summary>
    public int[] ByteTokenIds() => [.. Enumerable.Range(0, 256).Select(value => TryGetId($"<0x{value:X2}>", out int id) ? id : -1)];

    private void CheckRange(string token, int id)
    {
        if (id is < 0 or >= MaximumSize) throw Error($"the token '{token}' has the id {id}, expected 0 to {MaximumSize - 1}.");
    }

    private LlmEmbedException Error(string message) => FileProblem.In(_file, message);
}
