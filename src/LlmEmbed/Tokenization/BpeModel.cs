using System.Buffers;
using System.Collections.Concurrent;
using System.Diagnostics.CodeAnalysis;
using System.Text;
using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>How <see cref="BpeModel"/> treats text that its merges do not cover. The options are called as in tokenizer.json.</summary>
internal sealed record BpeOptions
{
    /// <summary>The id for a character without a token. If it is null, such a character vanishes.</summary>
    public int? UnknownId { get; init; }

    /// <summary>A run of unknown characters becomes one unknown token.</summary>
    public bool FuseUnknown { get; init; }

    /// <summary>An unknown character becomes its UTF-8 bytes as <c>&lt;0xE4&gt;</c> tokens.</summary>
    public bool ByteFallback { get; init; }

    /// <summary>A word that is a token is taken as it stands, even if the merges would not lead to it.</summary>
    public bool IgnoreMerges { get; init; }

    /// <summary>Written before every character of a word but the first.</summary>
    public string ContinuationPrefix { get; init; } = "";

    /// <summary>Written behind the last character of a word.</summary>
    public string EndOfWordSuffix { get; init; } = "";
}

/// <summary>Byte-pair encoding by ranked merges, word by word.</summary>
internal sealed class BpeModel : TextStage
{
    /// <summary>UTF-16 units. Longer words are rare and would only push others out of the cache.</summary>
    private const int LongestCachedWord = 64;

    /// <summary>A full cache takes about 10 MB. It is then emptied, so that it holds the words of the current texts.</summary>
    private const int MaxCachedWords = 1 << 16;

    private readonly Vocabulary _vocabulary;
    private readonly BpeMerges _merges;
    private readonly BpeOptions _options;
    private readonly int[] _byteTokenIds;
    private volatile WordCache _cache = new();

    public BpeModel(Vocabulary vocabulary, BpeMerges merges, BpeOptions options)
    {
        _vocabulary = vocabulary;
        _merges = merges;
        _options = options;
        _byteTokenIds = options.ByteFallback ? vocabulary.ByteTokenIds() : [];
    }

    public override void Process(ReadOnlySpan<char> text, int atStart, IdSink ids)
    {
        if (_options.IgnoreMerges && _vocabulary.TryGetId(text, out int whole))
        {
            ids.Add(whole);
            return;
        }
        if (text.Length > LongestCachedWord)
        {
            ids.Add(Merge(text));
            return;
        }
        WordCache cache = _cache;
        if (!cache.TryGet(text, out int[]? known))
        {
            known = Merge(text);
            if (cache.Add(text, known) > MaxCachedWords) _cache = new WordCache();
        }
        ids.Add(known);
    }

    private int[] Merge(ReadOnlySpan<char> word)
    {
        // A character becomes one symbol, or one for each of its at most four bytes.
        Symbol[] rented = ArrayPool<Symbol>.Shared.Rent(checked(word.Length * (_options.ByteFallback ? 3 : 1)));
        Span<Symbol> symbols = rented.AsSpan(0, InitialSymbols(word, rented));
        SymbolMerging.MergeAll(symbols, _merges);

        List<int> ids = [];
        foreach (Symbol symbol in symbols)
            if (symbol.Length > 0) ids.Add(symbol.Id);
        ArrayPool<Symbol>.Shared.Return(rented);
        return [.. ids];
    }

    private int InitialSymbols(ReadOnlySpan<char> word, Span<Symbol> symbols)
    {
        int count = 0;
        bool isAfterUnknown = false;
        Span<byte> utf8 = stackalloc byte[4];
        for (int start = 0, length; start < word.Length; start += length)
        {
            Rune rune = Utf16.First(word[start..], out length);
            if (TryGetCharacter(word, start, length, out int id))
            {
                symbols[count++] = new Symbol { Id = id, Start = start, Length = length };
                isAfterUnknown = false;
            }
            else if (_options.ByteFallback && utf8[..rune.EncodeToUtf8(utf8)] is var bytes && HasAllBytes(bytes))
            {
                // The tokenizers library goes on with an unknown run behind byte tokens. That changes nothing as long as all 256 of them exist.
                foreach (byte value in bytes) symbols[count++] = new Symbol { Id = _byteTokenIds[value], Start = start, Length = 1 };
            }
            else if (_options.UnknownId is int unknown)
            {
                if (isAfterUnknown && _options.FuseUnknown) symbols[count - 1].Length += length;
                else symbols[count++] = new Symbol { Id = unknown, Start = start, Length = length };
                isAfterUnknown = true;
            }
        }
        return count;
    }

    private bool TryGetCharacter(ReadOnlySpan<char> word, int start, int length, out int id)
    {
        ReadOnlySpan<char> character = word.Slice(start, length);
        if (_options.ContinuationPrefix.Length > 0 && start > 0) character = string.Concat(_options.ContinuationPrefix, character);
        if (_options.EndOfWordSuffix.Length > 0 && start + length == word.Length) character = string.Concat(character, _options.EndOfWordSuffix);
        return _vocabulary.TryGetId(character, out id);
    }

    private bool HasAllBytes(ReadOnlySpan<byte> utf8)
    {
        foreach (byte value in utf8)
            if (_byteTokenIds[value] < 0) return false;
        return true;
    }

    /// <summary>The ids of words seen before.</summary>
    private sealed class WordCache
    {
        private readonly ConcurrentDictionary<string, int[]> _words = new(StringComparer.Ordinal);
        private readonly ConcurrentDictionary<string, int[]>.AlternateLookup<ReadOnlySpan<char>> _wordsBySpan;
        private int _count;

        public WordCache() => _wordsBySpan = _words.GetAlternateLookup<ReadOnlySpan<char>>();

        public bool TryGet(ReadOnlySpan<char> word, [NotNullWhen(true)] out int[]? ids) => _wordsBySpan.TryGetValue(word, out ids);

        /// <returns>The number of words that are kept now.</returns>
        public int Add(ReadOnlySpan<char> word, int[] ids) =>
            _wordsBySpan.TryAdd(word, ids) ? Interlocked.Increment(ref _count) : Volatile.Read(ref _count);
    }
}

/// <summary>The merges of a byte-pair encoding, by the ids of their two sides.</summary>
/// <param name="file">The file the merges come from, for messages.</param>
/// <param name="vocabulary">Holds both sides and the result of every merge.</param>
/// <param name="continuationPrefix">Removed from the right side when the two are joined.</param>
/// <param name="capacity">About how many there will be.</param>
internal sealed class BpeMerges(string file, Vocabulary vocabulary, string continuationPrefix = "", int capacity = 0) : IMergeTable
{
    private const int OnStack = 256;

    private readonly Dictionary<long, (int Rank, int Id)> _merges = new(capacity);
    private int _count;

    /// <summary>Reads a merges.txt: one merge on each line, in the order in which they are applied.</summary>
    public static BpeMerges ReadFile(string file, Vocabulary vocabulary)
    {
        BpeMerges merges = new(file, vocabulary);
        string[] lines = TokenizerFiles.ReadLines(file);
        for (int index = 0; index < lines.Length; index++)
        {
            string line = lines[index].Trim(); // no token of a byte-level vocabulary holds white space
            if (line.Length == 0 || line.StartsWith("#version", StringComparison.Ordinal) || merges.TryAdd(line)) continue;
            string message = $"{file}, line {index + 1}: '{line}' is not a merge, expected two tokens with a space between.";
            throw new LlmEmbedException(message) { FilePath = file, LineNumber = index + 1 };
        }
        return merges;
    }

    /// <summary>Adds a merge that is written as two tokens with a space between them; returns false if it is not.</summary>
    public bool TryAdd(ReadOnlySpan<char> merge)
    {
        int space = merge.IndexOf(' ');
        if (space <= 0 || space == merge.Length - 1 || merge.LastIndexOf(' ') != space) return false;
        Add(merge[..space], merge[(space + 1)..]);
        return true;
    }

    /// <summary>Adds a merge that comes after all merges so far.</summary>
    public void Add(ReadOnlySpan<char> left, ReadOnlySpan<char> right)
    {
        ReadOnlySpan<char> tail = right.StartsWith(continuationPrefix, StringComparison.Ordinal) ? right[continuationPrefix.Length..] : right;
        int length = left.Length + tail.Length;
        Span<char> merged = length <= OnStack ? stackalloc char[length] : new char[length];
        left.CopyTo(merged);
        tail.CopyTo(merged[left.Length..]);
        // If a merge is listed twice, its later rank counts, as in the tokenizers library.
        _merges[Key(Id(left, left, right), Id(right, left, right))] = (_count, Id(merged, left, right));
        _count++;
    }

    public bool TryGetMerge(in Symbol left, in Symbol right, out int rank, out int id)
    {
        bool found = _merges.TryGetValue(Key(left.Id, right.Id), out (int Rank, int Id) merge);
        (rank, id) = merge;
        return found;
    }

    private int Id(ReadOnlySpan<char> token, ReadOnlySpan<char> left, ReadOnlySpan<char> right)
    {
        if (vocabulary.TryGetId(token, out int id)) return id;
        string merge = $"merge {_count + 1} ('{left}' with '{right}')";
        throw FileProblem.In(file, $"{merge} needs the token '{token}', which the vocabulary does not have.");
    }

    private static long Key(int left, int right) => ((long)left << 32) | (uint)right;
}
