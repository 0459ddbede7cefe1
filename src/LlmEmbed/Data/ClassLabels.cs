namespace LlmEmbed.Data;

/// <summary>Lists the classes of labelled examples and turns labels into indexes of classes.</summary>
internal static class ClassLabels
{
    /// <summary>The labels that occur, in ordinal order.</summary>
    public static string[] Of(IEnumerable<LabeledText> examples) =>
        [.. examples.Select(example => example.Label).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];

    /// <summary>The number of examples of each label that occurs.</summary>
    public static IReadOnlyDictionary<string, int> CountsOf(IEnumerable<LabeledText> examples) =>
        examples.CountBy(example => example.Label, StringComparer.Ordinal).ToDictionary(StringComparer.Ordinal);

    /// <summary>The known labels, then the labels that only these examples have.</summary>
    public static string[] Extend(IReadOnlyList<string> known, IEnumerable<LabeledText> examples) =>
        [.. known, .. Of(examples).Except(known, StringComparer.Ordinal)];

    /// <returns>[N], for each example the index of its label.</returns>
    public static int[] IndexesOf(IEnumerable<LabeledText> examples, IReadOnlyList<string> labels)
    {
        Dictionary<string, int> indexes = labels.Index().ToDictionary(label => label.Item, label => label.Index, StringComparer.Ordinal);
        return [.. examples.Select(example => indexes[example.Label])];
    }
}
