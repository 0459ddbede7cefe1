using System.Text.RegularExpressions;

namespace LlmEmbed.Comparison;

/// <summary>Sparse rows: for each the columns that are not zero, ascending, and their values.</summary>
internal sealed record SparseMatrix(int Columns, IReadOnlyList<(int[] Columns, float[] Values)> Rows);

/// <summary>
/// TF-IDF of words and pairs of words, by scikit-learn's definition: lower case, words of two characters or more, (1 + ln tf) · (ln((1 + n) / (1 + df)) + 1),
/// rows of length 1. Terms that only one training text has are left out where there are enough texts, since they cannot help others.
/// </summary>
internal sealed partial class TfidfVectorizer
{
    /// <summary>Below this many texts even a term of a single text is kept.</summary>
    private const int FewTexts = 1000;

    private readonly Dictionary<string, int> _columns;
    private readonly double[] _inverseDocumentFrequency;

    /// <summary>Learns terms and their rarity.</summary>
    public TfidfVectorizer(IReadOnlyList<string> texts)
    {
        Dictionary<string, int> frequencies = new(StringComparer.Ordinal);
        foreach (string text in texts)
            foreach (string term in Terms(text).Distinct(StringComparer.Ordinal)) frequencies[term] = frequencies.GetValueOrDefault(term) + 1;
        int least = texts.Count < FewTexts ? 1 : 2;
        string[] kept = [.. frequencies.Where(pair => pair.Value >= least).Select(pair => pair.Key).Order(StringComparer.Ordinal)];
        _columns = kept.Index().ToDictionary(term => term.Item, term => term.Index, StringComparer.Ordinal);
        _inverseDocumentFrequency = [.. kept.Select(term => Math.Log((1.0 + texts.Count) / (1 + frequencies[term])) + 1)];
    }

    public SparseMatrix Transform(IReadOnlyList<string> texts) => new(_columns.Count, [.. texts.Select(Row)]);

    /// <summary>The column of a term; -1 where it is not known.</summary>
    public int ColumnOf(string term) => _columns.GetValueOrDefault(term, -1);

    private (int[] Columns, float[] Values) Row(string text)
    {
        SortedDictionary<int, int> counts = [];
        foreach (string term in Terms(text))
            if (_columns.TryGetValue(term, out int column)) counts[column] = counts.GetValueOrDefault(column) + 1;
        double[] values = [.. counts.Select(pair => (1 + Math.Log(pair.Value)) * _inverseDocumentFrequency[pair.Key])];
        double length = Math.Sqrt(values.Sum(value => value * value));
        return ([.. counts.Keys], [.. values.Select(value => (float)(value / length))]);
    }

    private static List<string> Terms(string text)
    {
        string lower = text.ToLowerInvariant();
        List<string> terms = [];
        string? previous = null;
        foreach (ValueMatch match in Word().EnumerateMatches(lower))
        {
            string word = lower.Substring(match.Index, match.Length);
            terms.Add(word);
            if (previous is not null) terms.Add($"{previous} {word}");
            previous = word;
        }
        return terms;
    }

    [GeneratedRegex(@"\w{2,}", RegexOptions.CultureInvariant | RegexOptions.NonBacktracking)]
    private static partial Regex Word();
}
