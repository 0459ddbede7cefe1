using System.Globalization;
using System.Text.Json.Nodes;

namespace LlmEmbed.Data;

/// <summary>
/// What texts to measure on share with texts that were trained on. Their accuracy says little of new texts, since they are not new. Case, punctuation
/// and space do not count.
/// </summary>
/// <example>
/// <code>
/// TextOverlap overlap = TextOverlap.Find(trainingTexts, testTexts);
/// LabeledText[] unseen = [.. overlap.Without(test)];
/// </code>
/// </example>
public sealed record TextOverlap
{
    private TextOverlap(int count, IReadOnlyList<int> same, IReadOnlyList<int> parts) => (Count, Same, Parts) = (count, same, parts);

    /// <summary>How many texts were looked at.</summary>
    public int Count { get; }

    /// <summary>Indexes of the texts that also are training texts, ascending.</summary>
    public IReadOnlyList<int> Same { get; }

    /// <summary>
    /// Indexes of the texts that are part of a training text or contain one, ascending: three words or more in a row, in a text of 64 words at most.
    /// </summary>
    public IReadOnlyList<int> Parts { get; }

    /// <summary>Whether these texts were left out of what was measured.</summary>
    public bool IsLeftOut { get; init; }

    /// <summary>Whether there are such texts.</summary>
    public bool Any => Same.Count + Parts.Count > 0;

    /// <summary>Compares texts to measure on with texts that were trained on.</summary>
    /// <param name="training">Texts that a classifier was trained on.</param>
    /// <param name="test">Texts that it is measured on.</param>
    public static TextOverlap Find(IEnumerable<string> training, IReadOnlyList<string> test)
    {
        ArgumentNullException.ThrowIfNull(training);
        ArgumentNullException.ThrowIfNull(test);
        OverlappingTexts.Relation[] relations = OverlappingTexts.Compare(training, test);
        int[] Those(OverlappingTexts.Relation relation) => [.. Enumerable.Range(0, test.Count).Where(text => relations[text] == relation)];
        return new TextOverlap(test.Count, Those(OverlappingTexts.Relation.Same), Those(OverlappingTexts.Relation.Part));
    }

    /// <summary>What is left of a list if what belongs to these texts is left out.</summary>
    /// <typeparam name="T">What belongs to a text, such as its label.</typeparam>
    /// <param name="items">As many as texts were looked at, in their order.</param>
    /// <exception cref="ArgumentException">There are more or fewer.</exception>
    public IEnumerable<T> Without<T>(IReadOnlyList<T> items)
    {
        ArgumentNullException.ThrowIfNull(items);
        if (items.Count != Count) throw new ArgumentException($"There are {items.Count} items, expected {Count}: one for each text.", nameof(items));
        HashSet<int> shared = [.. Same, .. Parts];
        return items.Where((_, text) => !shared.Contains(text));
    }

    internal JsonObject ToJsonObject() => new()
    {
        ["texts"] = Count,
        ["same"] = Same.Count,
        ["parts"] = Parts.Count,
        ["left_out"] = IsLeftOut,
    };

    /// <summary>The facts as a sentence for people.</summary>
    public override string ToString()
    {
        if (!Any)
            return string.Create(CultureInfo.InvariantCulture, $"none of the {Count:N0} texts is a training text, part of one, or contains one");
        string facts = string.Create(
            CultureInfo.InvariantCulture,
            $"{Same.Count:N0} of {Count:N0} texts also are training texts; {Parts.Count:N0} more are part of a training text or contain one");
        return facts + (IsLeftOut ? ". They are left out of the figures" : ". The figures below count them, so they say less of new texts");
    }
}
