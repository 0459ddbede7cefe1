using System.Globalization;

namespace LlmEmbed.Learning;

/// <summary>Sparse rows: for each the columns that are not zero, ascending, and their values.</summary>
internal sealed record SparseMatrix(int Columns, IReadOnlyList<(int[] Columns, float[] Values)> Rows);

/// <summary>
/// TF-IDF of words and pairs of words, by scikit-learn's definition: lower case, words of two characters or more, (1 + ln tf) · (ln((1 + n) / (1 +
/// df)) + 1), rows of length 1. Of scripts that are written without spaces it also takes single characters and pairs of them, because what stands
/// between two spaces there is half a sentence.
/// </summary>
internal sealed class TfidfVectorizer
{
    private readonly Dictionary<string, int> _columns;

    /// <param name="terms">[V], all different.</param>
    /// <param name="inverseDocumentFrequency">[V].</param>
    public TfidfVectorizer(IReadOnlyList<string> terms, float[] inverseDocumentFrequency)
    {
        (Terms, InverseDocumentFrequency) = (terms, inverseDocumentFrequency);
        _columns = terms.Index().ToDictionary(term => term.Item, term => term.Index, StringComparer.Ordinal);
    }

    /// <summary>[V], in ordinal order where they were learned.</summary>
    public IReadOnlyList<string> Terms { get; }

    /// <summary>[V].</summary>
    public float[] InverseDocumentFrequency { get; }

    /// <summary>Learns terms and their rarity.</summary>
    /// <param name="texts">The texts whose terms are learned.</param>
    /// <param name="leastTexts">The least number of texts in which a term must occur to be kept.</param>
    /// <param name="mostTerms">The most terms that are kept; those that occur in few texts are left out first.</param>
    public static TfidfVectorizer Learn(IReadOnlyList<string> texts, int leastTexts, int mostTerms = int.MaxValue)
    {
        Dictionary<string, int> frequencies = new(StringComparer.Ordinal);
        foreach (string text in texts)
            foreach (string term in TermsOf(text).Distinct(StringComparer.Ordinal)) frequencies[term] = frequencies.GetValueOrDefault(term) + 1;
        string[] kept = [.. frequencies.Where(pair => pair.Value >= leastTexts).Select(pair => pair.Key).Order(StringComparer.Ordinal)];
        if (kept.Length > mostTerms) kept = [.. kept.OrderByDescending(term => frequencies[term]).Take(mostTerms).Order(StringComparer.Ordinal)];
        return new TfidfVectorizer(kept, [.. kept.Select(term => (float)(Math.Log((1.0 + texts.Count) / (1 + frequencies[term])) + 1))]);
    }

    public SparseMatrix Transform(IReadOnlyList<string> texts) => new(Terms.Count, [.. texts.Select(Row)]);

    /// <summary>The column of a term; -1 where it is not known.</summary>
    public int ColumnOf(string term) => _columns.GetValueOrDefault(term, -1);

    /// <summary>The columns of a text's known terms, ascending, and their values.</summary>
    public (int[] Columns, float[] Values) Row(string text)
    {
        SortedDictionary<int, int> counts = [];
        foreach (string term in TermsOf(text))
            if (_columns.TryGetValue(term, out int column)) counts[column] = counts.GetValueOrDefault(column) + 1;
        double[] values = [.. counts.Select(pair => (1 + Math.Log(pair.Value)) * InverseDocumentFrequency[pair.Key])];
        double length = Math.Sqrt(values.Sum(value => value * value));
        return ([.. counts.Keys], [.. values.Select(value => (float)(value / length))]);
    }

    private static List<string> TermsOf(string text)
    {
        string lower = text.ToLowerInvariant();
        List<string> terms = [];
        string? previous = null;
        for (int start = 0, end; start < lower.Length; start = end + 1)
        {
            for (end = start; end < lower.Length && IsWord(lower[end]); end++) { }
            AddCharacters(lower.AsSpan(start, end - start), terms);
            if (end - start < 2) continue;
            string word = lower[start..end];
            terms.Add(word);
            if (previous is not null) terms.Add($"{previous} {word}");
            previous = word;
        }
        return terms;
    }

    /// <summary>A word of two characters is a term already.</summary>
    private static void AddCharacters(ReadOnlySpan<char> word, List<string> terms)
    {
        for (int i = 0; i < word.Length; i++)
        {
            if (!IsWrittenWithoutSpaces(word[i])) continue;
            terms.Add(word[i].ToString());
            if (word.Length > 2 && i > 0 && IsWrittenWithoutSpaces(word[i - 1])) terms.Add(word.Slice(i - 1, 2).ToString());
        }
    }

    /// <summary>Chinese and Japanese characters, and the letters of Thai, Lao, Burmese and Khmer.</summary>
    private static bool IsWrittenWithoutSpaces(char character) => character is
        (>= '\u0E00' and <= '\u0EFF') or (>= '\u1000' and <= '\u109F') or (>= '\u1780' and <= '\u17FF') or (>= '\u3040' and <= '\u30FF')
        or (>= '\u3400' and <= '\u9FFF') or (>= '\uF900' and <= '\uFAFF');

    /// <summary>Letters with their marks, digits and underscores.</summary>
    private static bool IsWord(char character) => char.IsLetterOrDigit(character)
        || char.GetUnicodeCategory(character)
            is UnicodeCategory.NonSpacingMark or UnicodeCategory.ConnectorPunctuation or UnicodeCategory.SpacingCombiningMark;
}
