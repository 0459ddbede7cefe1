using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Text;

namespace LlmEmbed.Data;

/// <summary>
/// Finds texts that are parts of other texts. Some data sets hold phrases beside the sentences from which they were cut (sst2 does), or hold texts
/// twice. If rows are held out of them at random, the training has seen these texts already: the accuracy looks too good, and penalties are chosen
/// too weak.
/// </summary>
internal static class OverlappingTexts
{
    /// <summary>A phrase of fewer words may occur in two texts by chance.</summary>
    private const int LeastWords = 3;

    /// <summary>
    /// In texts of more words, no parts are looked for: that takes time in the square of their length, and their parts are seldom texts themselves.
    /// </summary>
    private const int MostWords = 64;

    private const ulong Multiplier = 0x9E3779B97F4A7C15;

    /// <summary>How a text relates to the texts of another list.</summary>
    public enum Relation
    {
        /// <summary>In none of the ways below.</summary>
        None,

        /// <summary>It is part of one of them, or contains one.</summary>
        Part,

        /// <summary>It is equal to one of them.</summary>
        Same,
    }

    /// <summary>
    /// Groups texts that overlap: equal texts, and a text with the longest one that contains it. Case, punctuation and space do not count.
    /// </summary>
    /// <returns>[N], for each text the number of its group.</returns>
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
        // The longest texts come first. So the first container that is found for a text is its longest one, and the container of that one is known.
        IEnumerable<int> longestFirst = Enumerable.Range(0, container.Length)
            .Where(text => container[text] == text && words[text].Length <= MostWords)
            .OrderByDescending(text => words[text].Length);
        foreach (int text in longestFirst)
        {
            foreach ((ulong, int) key in PartsOf(words[text]))
                if (known.TryGetValue(key, out int part) && container[part] == part) container[part] = container[text];
        }
        return [.. container.Select(text => container[text])];
    }

    /// <summary>Compares texts with those of another list, by the same rules.</summary>
    /// <returns>For each text of <paramref name="texts"/> how it relates to <paramref name="others"/>.</returns>
    public static Relation[] Compare(IEnumerable<string> others, IReadOnlyList<string> texts)
    {
        ulong[][] words = [.. texts.Select(WordsOf)];
        ILookup<(ulong, int), int> textsOf = Enumerable.Range(0, words.Length).ToLookup(text => (HashOf(words[text]), words[text].Length));
        HashSet<(ulong, int)> known = [];
        Relation[] relations = new Relation[texts.Count];
        void Relate((ulong, int) key, Relation relation)
        {
            foreach (int text in textsOf[key]) relations[text] = (Relation)Math.Max((int)relations[text], (int)relation);
        }

        foreach (ulong[] other in others.Select(WordsOf))
        {
            if (!known.Add((HashOf(other), other.Length))) continue;
            Relate((HashOf(other), other.Length), Relation.Same);
            foreach ((ulong, int) key in PartsOf(other)) Relate(key, Relation.Part);
        }
        for (int text = 0; text < relations.Length; text++)
            if (relations[text] == Relation.None && PartsOf(words[text]).Any(known.Contains)) relations[text] = Relation.Part;
        return relations;
    }

    /// <summary>The groups of chosen rows; empty if there are no groups.</summary>
    public static int[] Select(int[] groups, int[] rows) => groups.Length == 0 ? [] : [.. rows.Select(row => groups[row])];

    /// <summary>The parts of a text that may be texts themselves, each as its hash and its number of words; none of long texts.</summary>
    private static IEnumerable<(ulong Hash, int Words)> PartsOf(ulong[] words)
    {
        if (words.Length > MostWords) yield break;
        for (int start = 0; start <= words.Length - LeastWords; start++)
        {
            ulong hash = 0;
            for (int end = start; end < words.Length; end++)
            {
                hash = (hash + words[end]) * Multiplier;
                int length = end - start + 1;
                if (length >= LeastWords && length < words.Length) yield return (hash, length);
            }
        }
    }

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
        // A text of punctuation alone counts as one word.
        return words.Count > 0 ? [.. words] : [XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(text))];
    }
}
