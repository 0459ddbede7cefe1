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
        using CharBuffer normalized = new(text.Length);
        while (!text.IsEmpty)
        {
            int length = StringInfo.GetNextTextElementLength(text);
            AppendCluster(text[..length], normalized);
            text = text[length..];
        }
        return normalized.ToArray();
    }

    private void AppendCluster(ReadOnlySpan<char> cluster, CharBuffer normalized)
    {
        bool isShort = cluster.Length <= LongestClusterBytes && Encoding.UTF8.GetByteCount(cluster) <= LongestClusterBytes;
        if (isShort && TryAppend(cluster, normalized)) return;
        while (!cluster.IsEmpty)
        {
            Utf16.First(cluster, out int length);
            if (!TryAppend(cluster[..length], normalized)) normalized.Append(cluster[..length]);
            cluster = cluster[length..];
        }
    }

    /// <summary>Appends the replacement of a rule. It takes the place of all of <paramref name="part"/>, even if the rule is shorter.</summary>
    private bool TryAppend(ReadOnlySpan<char> part, CharBuffer normalized)
    {
        Span<byte> utf8 = stackalloc byte[LongestClusterBytes];
        if (!map.TryMatch(utf8[..Encoding.UTF8.GetBytes(part, utf8)], longest: false, out _, out ReadOnlySpan<byte> replacement)) return false;
        normalized.Append(Encoding.UTF8.GetString(replacement));
        return true;
    }
}
