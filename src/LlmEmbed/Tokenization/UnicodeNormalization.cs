using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;

namespace LlmEmbed.Tokenization;

/// <summary>
/// Unicode's four normalization forms, from a table of our own. Under invariant globalization .NET's string.Normalize returns text beyond ASCII
/// unchanged, and with ICU the ids would depend on the version of ICU that a machine has.
/// </summary>
internal static class UnicodeNormalization
{
    private static readonly Lazy<Tables> s_tables = new(Tables.Load);

    /// <summary>The normalized text; the text itself if none of its characters can be affected.</summary>
    public static ReadOnlySpan<char> Normalize(ReadOnlySpan<char> text, NormalizationForm form)
    {
        bool isCompatible = form is NormalizationForm.FormKC or NormalizationForm.FormKD;
        bool isComposed = form is NormalizationForm.FormC or NormalizationForm.FormKC;
        // No character below U+00A0 (compatible) or U+00C0 (canonical) decomposes, and none below U+0300 combines with another.
        char firstAffected = isCompatible ? '\u00A0' : isComposed ? '\u0300' : '\u00C0';
        if (text.IndexOfAnyInRange(firstAffected, '\uFFFF') < 0) return text;

        Tables tables = s_tables.Value;
        List<int> characters = Decompose(text, isCompatible ? tables.Compatible : tables.Canonical);
        Reorder(CollectionsMarshal.AsSpan(characters), tables.CombiningClasses);
        if (isComposed) Compose(characters, tables);
        return ToText(characters);
    }

    private static List<int> Decompose(ReadOnlySpan<char> text, Dictionary<int, int[]> decompositions)
    {
        List<int> characters = new(text.Length + 16);
        while (!text.IsEmpty)
        {
            int character = Utf16.First(text, out int length).Value;
            text = text[length..];
            if (Hangul.IsSyllable(character)) Hangul.Decompose(character, characters);
            else if (decompositions.TryGetValue(character, out int[]? parts)) characters.AddRange(parts);
            else characters.Add(character);
        }
        return characters;
    }

    /// <summary>Sorts every run of combining marks by combining class. Marks of one class keep their order.</summary>
    private static void Reorder(Span<int> characters, Dictionary<int, byte> classes)
    {
        for (int start = 0; start < characters.Length; start++)
        {
            int end = start;
            bool isSorted = true;
            int last = 0;
            while (end < characters.Length && classes.TryGetValue(characters[end], out byte combining))
            {
                isSorted &= combining >= last;
                last = combining;
                end++;
            }
            if (!isSorted) SortStable(characters[start..end], classes);
            start = end;
        }
    }

    private static void SortStable(Span<int> marks, Dictionary<int, byte> classes)
    {
        long[] keys = new long[marks.Length];
        for (int index = 0; index < marks.Length; index++) keys[index] = ((long)classes[marks[index]] << 32) | (uint)index;
        MemoryExtensions.Sort(keys.AsSpan(), marks);
    }

    private static void Compose(List<int> characters, Tables tables)
    {
        int kept = 0;
        int starter = -1;
        int lastClass = 0;
        foreach (int character in CollectionsMarshal.AsSpan(characters))
        {
            int combining = tables.CombiningClasses.GetValueOrDefault(character);
            // A mark behind another mark of the same or a higher class cannot combine with the starter.
            bool isBlocked = starter < 0 || (kept - starter > 1 && lastClass >= combining);
            if (!isBlocked && tables.TryCompose(characters[starter], character, out int composed))
            {
                characters[starter] = composed;
                continue;
            }
            if (combining == 0) starter = kept;
            lastClass = combining;
            characters[kept++] = character;
        }
        characters.RemoveRange(kept, characters.Count - kept);
    }

    private static char[] ToText(List<int> characters)
    {
        using CharBuffer text = new(characters.Count);
        foreach (int character in characters) text.Append(new Rune(character));
        return text.ToArray();
    }

    /// <summary>Korean syllables, which are composed by arithmetic (Unicode Standard, section 3.12).</summary>
    private static class Hangul
    {
        private const int FirstSyllable = 0xAC00, FirstLead = 0x1100, FirstVowel = 0x1161, BeforeFirstTail = 0x11A7;
        private const int Leads = 19, Vowels = 21, Tails = 28;

        public static bool IsSyllable(int character) => (uint)(character - FirstSyllable) < Leads * Vowels * Tails;

        public static void Decompose(int syllable, List<int> parts)
        {
            int index = syllable - FirstSyllable;
            parts.Add(FirstLead + (index / (Vowels * Tails)));
            parts.Add(FirstVowel + (index / Tails % Vowels));
            if (index % Tails != 0) parts.Add(BeforeFirstTail + (index % Tails));
        }

        public static bool TryCompose(int first, int second, out int composed)
        {
            int lead = first - FirstLead, vowel = second - FirstVowel, tail = second - BeforeFirstTail;
            if ((uint)lead < Leads && (uint)vowel < Vowels)
            {
                composed = FirstSyllable + (((lead * Vowels) + vowel) * Tails);
                return true;
            }
            composed = first + tail;
            return IsSyllable(first) && (first - FirstSyllable) % Tails == 0 && tail is > 0 and < Tails;
        }
    }

    /// <summary>The content of UnicodeDecompositions.txt, whose first lines explain its format.</summary>
    private sealed class Tables
    {
        private readonly Dictionary<(int First, int Second), int> _compositions = [];

        /// <summary>Full canonical decompositions.</summary>
        public Dictionary<int, int[]> Canonical { get; } = [];

        /// <summary>Full compatibility decompositions, the canonical ones among them.</summary>
        public Dictionary<int, int[]> Compatible { get; } = [];

        /// <summary>Combining classes other than 0.</summary>
        public Dictionary<int, byte> CombiningClasses { get; } = [];

        public bool TryCompose(int first, int second, out int composed) =>
            Hangul.TryCompose(first, second, out composed) || _compositions.TryGetValue((first, second), out composed);

        public static Tables Load()
        {
            Tables tables = new();
            using Stream stream = typeof(Tables).Assembly.GetManifestResourceStream("LlmEmbed.Tokenization.UnicodeDecompositions.txt")!;
            using StreamReader reader = new(stream);
            while (reader.ReadLine() is string line)
                if (line[0] != '#') tables.Read(line);

            foreach ((int character, int[] parts) in tables.Canonical)
                if (parts.Length == 2) tables._compositions.TryAdd((parts[0], parts[1]), character);
            foreach ((int first, int second) in tables._excluded) tables._compositions.Remove((first, second));
            Expand(tables.Canonical, tables.Canonical);
            foreach ((int character, int[] parts) in tables.Canonical) tables.Compatible.TryAdd(character, parts);
            Expand(tables.Compatible, tables.Compatible);
            return tables;
        }

        private readonly List<(int First, int Second)> _excluded = [];

        private void Read(string line)
        {
            string[] fields = line.Split(' ');
            string[] range = fields[1].Split('-');
            int first = Hex(range[0]), last = Hex(range[^1]);
            for (int character = first; character <= last; character++)
            {
                int[] targets = fields[0] is "C" or "K" ? [.. fields.Skip(2).Select(Hex)] : [];
                if (last > first && targets.Length > 0) targets[0] += character - first;
                switch (fields[0])
                {
                    case "C": Canonical.Add(character, targets); break;
                    case "K": Compatible.Add(character, targets); break;
                    case "X": _excluded.Add((Canonical[character][0], Canonical[character][1])); break;
                    default: CombiningClasses.Add(character, byte.Parse(fields[2], CultureInfo.InvariantCulture)); break;
                }
            }
        }

        /// <summary>Decomposes the parts of decompositions too, until no part can be decomposed further.</summary>
        private static void Expand(Dictionary<int, int[]> decompositions, Dictionary<int, int[]> steps)
        {
            foreach (int character in decompositions.Keys.ToArray())
            {
                int[] parts = decompositions[character];
                while (parts.Any(steps.ContainsKey))
                    parts = [.. parts.SelectMany(part => steps.TryGetValue(part, out int[]? inner) ? inner : [part])];
                decompositions[character] = parts;
            }
        }

        private static int Hex(string digits) => int.Parse(digits, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
    }
}
