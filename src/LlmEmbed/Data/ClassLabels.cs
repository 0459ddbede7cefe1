namespace LlmEmbed.Data;

/// <summary>The classes of labelled examples, and examples as indexes into them.</summary>
internal static class ClassLabels
{
    /// <summary>The labels that occur, in ordinal order.</summary>
    public static string[] Of(IEnumerable<LabeledText> examples) => [.. examples.Select(example => example.Label).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    /// <summary>The known labels, then those that only these examples have.</summary>
    public static string[] Extend(IReadOnlyList<string> known, IEnumerable<LabeledText> examples) => [.. known, .. Of(examples).Except(known, StringComparer.Ordinal)];

    /// <returns>For each example the index of its label.</returns>
    public static int[] IndexesOf(IEnumerable<LabeledText> examples, IReadOnlyList<string> labels)
    {
        Dictionary<string, int> indexes = labels.Index().ToDictionary(label => label.Item, label => label.Index, StringComparer.Ordinal);
        return [.. examples.Select(example => indexes[example.Label])];
    }
}
