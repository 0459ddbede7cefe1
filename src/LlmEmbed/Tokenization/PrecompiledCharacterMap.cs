using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using LlmEmbed.Files;

namespace LlmEmbed.Tokenization;

/// <summary>
/// SentencePiece's compiled normalization rules: a double-array trie over UTF-8, whose values are offsets into the replacement texts. The layout is
/// the length of the trie in bytes (UInt32), the units of the trie (UInt32 each), and the replacements, each of which ends with a zero byte.
/// </summary>
internal sealed class PrecompiledCharacterMap
{
    private readonly uint[] _units;
    private readonly byte[] _replacements;

    /// <param name="file">The file the map comes from, for messages.</param>
    /// <param name="map">The map as the file holds it.</param>
    public PrecompiledCharacterMap(string file, ReadOnlySpan<byte> map)
    {
        if (map.Length < sizeof(uint)) throw Damaged(file, $"it has {map.Length} bytes");
        uint trieBytes = BinaryPrimitives.ReadUInt32LittleEndian(map);
        map = map[sizeof(uint)..];
        if (trieBytes > map.Length || trieBytes % sizeof(uint) != 0 || trieBytes == 0)
            throw Damaged(file, $"its trie should take {trieBytes} of the remaining {map.Length} bytes");
        _units = new uint[trieBytes / sizeof(uint)];
        for (int index = 0; index < _units.Length; index++) _units[index] = BinaryPrimitives.ReadUInt32LittleEndian(map[(index * sizeof(uint))..]);
        _replacements = map[(int)trieBytes..].ToArray();
    }

    /// <summary>Finds the shortest or the longest rule with which the text begins.</summary>
    /// <param name="utf8">The text, UTF-8.</param>
    /// <param name="longest">Whether the longest rule counts; else the shortest one does.</param>
    /// <param name="matchedBytes">The length of that rule.</param>
    /// <param name="replacement">The text that takes its place, UTF-8.</param>
    public bool TryMatch(ReadOnlySpan<byte> utf8, bool longest, out int matchedBytes, out ReadOnlySpan<byte> replacement)
    {
        matchedBytes = 0;
        int value = -1;
        // Positions are unsigned, so that a damaged offset can only leave the array and never become negative.
        uint position = Offset(_units[0]);
        for (int index = 0; index < utf8.Length && utf8[index] != 0; index++)
        {
            position ^= utf8[index];
            if (position >= _units.Length || Label(_units[position]) != utf8[index]) break;
            uint unit = _units[position];
            position ^= Offset(unit);
            if (!HasLeaf(unit)) continue;
            if (position >= _units.Length) break;
            (matchedBytes, value) = (index + 1, (int)(_units[position] & 0x7FFF_FFFF));
            if (!longest) break;
        }
        replacement = value >= 0 && value < _replacements.Length ? UpToZero(_replacements.AsSpan(value)) : default;
        return value >= 0;
    }

    private static bool HasLeaf(uint unit) => (unit >> 8 & 1) != 0;

    private static uint Label(uint unit) => unit & 0x8000_00FF;

    private static uint Offset(uint unit) => (unit >> 10) << (int)((unit & 0x200) >> 6);

    private static ReadOnlySpan<byte> UpToZero(ReadOnlySpan<byte> bytes)
    {
        int end = bytes.IndexOf((byte)0);
        return end < 0 ? bytes : bytes[..end];
    }

    private static LlmEmbedException Damaged(string file, string what) =>
        FileProblem.In(file, $"the precompiled normalization map is damaged: {what}. Fetch the file again.");
}

/// <summary>
/// The kind Precompiled of tokenizer.json. The map is applied to whole grapheme clusters of at most five bytes, for which the shortest rule
/// decides, and then to single characters. SentencePiece itself takes the longest rule at each character; this class follows the tokenizers
/// library.
/// </summary>
internal sealed class PrecompiledNormalizer(PrecompiledCharacterMap map) : TextNormalizer
{
    private const int LongestClusterBytes = 5;

    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text)
    {
        int atStart = 0;
        return Normalize(text, ref atStart);
    }

    public override ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text, scoped ref int atStart)
    {
        using CharBuffer normalized = new(text.Length);
        StartTracker tracker = new(text, atStart);
        for (ReadOnlySpan<char> rest = text; !rest.IsEmpty;)
        {
            int length = StringInfo.GetNextTextElementLength(rest);
            AppendCluster(rest[..length], normalized, ref tracker);
            rest = rest[length..];
        }
        atStart = tracker.Result();
        return normalized.ToArray();
    }

    private void AppendCluster(ReadOnlySpan<char> cluster, CharBuffer normalized, ref StartTracker tracker)
    {
        bool isShort = cluster.Length <= LongestClusterBytes && Encoding.UTF8.GetByteCount(cluster) <= LongestClusterBytes;
        if (isShort && TryAppend(cluster, normalized, ref tracker)) return;
        while (!cluster.IsEmpty)
        {
            Utf16.First(cluster, out int length);
            if (!TryAppend(cluster[..length], normalized, ref tracker))
            {
                normalized.Append(cluster[..length]);
                tracker.Add(length, change: 0);
            }
            cluster = cluster[length..];
        }
    }

    /// <summary>Appends the replacement of a rule. It takes the place of all of <paramref name="part"/>, even if the rule is shorter.</summary>
    private bool TryAppend(ReadOnlySpan<char> part, CharBuffer normalized, ref StartTracker tracker)
    {
        Span<byte> utf8 = stackalloc byte[LongestClusterBytes];
        if (!map.TryMatch(utf8[..Encoding.UTF8.GetBytes(part, utf8)], longest: false, out _, out ReadOnlySpan<byte> replacement)) return false;
        string content = Encoding.UTF8.GetString(replacement);
        normalized.Append(content);
        tracker.AddReplacement(part, content);
        return true;
    }

    /// <summary>
    /// Follows which characters of the result the library aligns with the first one of the text, which decides where Metaspace puts its prefix. A
    /// replacement takes the place of as many characters as it has; what it has more belongs to the character before, and what it has less vanishes
    /// behind its last character.
    /// </summary>
    private ref struct StartTracker(ReadOnlySpan<char> text, int atStart)
    {
        private readonly ReadOnlySpan<char> _text = text;
        private int _position;
        private bool _hasLeft;
        private (int Length, int Change)? _last;
        private int _count;

        /// <summary>How many UTF-16 units at the front of the result are aligned with the first character.</summary>
        public int Result()
        {
            Follow();
            return _count;
        }

        public void AddReplacement(ReadOnlySpan<char> part, ReadOnlySpan<char> content)
        {
            if (_hasLeft) return;
            int old = Characters(part), index = 0;
            foreach (Rune rune in content.EnumerateRunes()) Add(rune.Utf16SequenceLength, index++ < old ? 0 : 1);
            // The library adds this to whatever character came last, also to one before an empty replacement, and forgets it where none came.
            if (index < old && _last is (int length, int change)) _last = (length, change + index - old);
        }

        /// <param name="length">UTF-16 units of a character of the result.</param>
        /// <param name="change">1 if the character is new; else it takes the place of one, and as many as −change behind it vanish.</param>
        public void Add(int length, int change)
        {
            if (_hasLeft) return;
            Follow();
            _last = (length, change);
        }

        private void Follow()
        {
            if (_hasLeft || _last is not (int length, int change)) return;
            _hasLeft = (change > 0 ? _position - 1 : _position) >= atStart;
            if (!_hasLeft) _count += length;
            for (int taken = change; taken <= 0 && _position < _text.Length; taken++)
            {
                Utf16.First(_text[_position..], out int size);
                _position += size;
            }
            _last = null;
        }

        private static int Characters(ReadOnlySpan<char> text)
        {
            int count = 0;
            foreach (Rune _ in text.EnumerateRunes()) count++;
            return count;
        }
    }
}
