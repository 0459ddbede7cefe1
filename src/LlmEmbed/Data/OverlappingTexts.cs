using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;

namespace LlmEmbed.Data;

/// <summary>
/// Finds texts that are parts of others. Where phrases stand beside the sentences that they were cut from (sst2 is made so), or texts are repeated, rows that are held
/// out at random have been seen in training already: accuracy is overrated, and penalties are chosen too weak.
/// </summary>
internal static class OverlappingTexts
{
    /// <summary>Shorter phrases occur by chance.</summary>
    private const int LeastWords = 3;

    /// <summary>Parts of longer texts are not looked for: that would take time in the square of their length, and their parts are seldom texts themselves.</summary>
    private const int MostWords = 64;

    private const ulong Multiplier = 0x9E3779B97F4A7C15;

    /// <summary>Numbers that are the same for equal texts, and for a text and the longest one that contains it. Case, punctuation and space do not count.</summary>
    /// <returns>[N].</returns>
    public static int[] GroupsOf(IReadOnlyList<string> texts)
    {
        ulong[][] words = [.. texts.Select(WordsOf)];
        Dictionary<(ulong Hash, int Words), int> known = [];
        int[] container = new int[texts.Count];
        for (int text = 0; text < container.Length; text++)
        {
            known.TryAdd((HashOf(words[text]), words[text].Length), text);
            container[text] = known[(HashOf(words[text]), words[text].Length)];
        }
        // The longest come first, so a text that has a container already has its longest one, and that one's own was found before.
        foreach (int text in Enumerable.Range(0, container.Length).Where(text => container[text] == text && words[text].Length <= MostWords).OrderByDescending(text => words[text].Length))
        {
            ulong[] own = words[text];
            for (int start = 0; start <= own.Length - LeastWords; start++)
            {
                ulong hash = 0;
                for (int end = start; end < own.Length; end++)
                {
                    hash = (hash + own[end]) * Multiplier;
                    int length = end - start + 1;
                    if (length >= LeastWords && length < own.Length && known.TryGetValue((hash, length), out int part) && container[part] == part) container[part] = container[text];
                }
            }
        }
        return [.. container.Select(text => container[text])];
    }

    /// <summary>The groups of chosen rows; none where there are none.</summary>
    public static int[] Select(int[] groups, int[] rows) => groups.Length == 0 ? [] : [.. rows.Select(row => groups[row])];

    private static ulong HashOf(ulong[] words) => words.Aggregate(0UL, (hash, word) => (hash + word) * Multiplier);

    private static ulong[] WordsOf(string text)
    {
        List<ulong> words = [];
        ReadOnlySpan<char> lower = text.ToLowerInvariant();
        for (int start = 0, end; start < lower.Length; start = end + 1)
        {
            for (end = start; end < lower.Length && char.IsLetterOrDigit(lower[end]); end++) { }
            if (end > start) words.Add(XxHash3.HashToUInt64(MemoryMarshal.AsBytes(lower[start..end])));
        }
        // Signs alone are a text too.
        return words.Count > 0 ? [.. words] : [XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(text))];
    }
}
