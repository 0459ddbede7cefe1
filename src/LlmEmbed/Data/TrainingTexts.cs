namespace LlmEmbed.Data;

/// <summary>What a classifier is trained on, before anything is read of it.</summary>
/// <param name="Texts">The N texts.</param>
/// <param name="Labels">[N], indexes into <paramref name="Classes"/>.</param>
/// <param name="Classes">The C classes.</param>
/// <param name="Groups">[N]: texts with the same number are held out together (see <see cref="OverlappingTexts"/>); empty where each is on its
/// own.</param>
internal sealed record TrainingTexts(string[] Texts, int[] Labels, IReadOnlyList<string> Classes, int[] Groups)
{
    /// <summary>C.</summary>
    public int ClassCount => Classes.Count;

    /// <summary>For each text its place among the examples that were given; a time budget may leave some of them out.</summary>
    public int[] Places { get; private init; } = [.. Enumerable.Range(0, Texts.Length)];

    /// <summary>The texts that choices are made on and a first classifier is trained on, ascending.</summary>
    public int[] Kept { get; private init; } = [.. Enumerable.Range(0, Texts.Length)];

    /// <summary>The texts that this first classifier is measured on, ascending; none if nothing is measured.</summary>
    public int[] HeldOut { get; private init; } = [];

    /// <param name="examples">The examples that were given.</param>
    /// <param name="classes">Their classes.</param>
    /// <param name="rows">The examples to use, ascending.</param>
    /// <param name="heldOutShare">Share of the texts to hold out, stratified by class.</param>
    /// <param name="seed">Of the split.</param>
    /// <exception cref="LlmEmbedException">The share is not at least 0 and less than 1.</exception>
    public static TrainingTexts Of(IReadOnlyList<LabeledText> examples, IReadOnlyList<string> classes, int[] rows, double heldOutShare, int seed)
    {
        if (heldOutShare is not (>= 0 and < 1))
            throw new LlmEmbedException($"The held-out share is {heldOutShare}, expected at least 0 and less than 1.");
        LabeledText[] used = [.. rows.Select(row => examples[row])];
        string[] texts = [.. used.Select(example => example.Text)];
        TrainingTexts training = new(texts, ClassLabels.IndexesOf(used, classes), classes, OverlappingTexts.GroupsOf(texts)) { Places = rows };
        if (heldOutShare == 0) return training;
        (int[] kept, int[] heldOut) = StratifiedSplit.HoldOut(training.Labels, heldOutShare, (ulong)seed, training.Groups);
        return training with { Kept = kept, HeldOut = heldOut };
    }

    /// <summary>The chosen rows, none of them held out.</summary>
    public TrainingTexts Select(int[] rows) =>
        new([.. rows.Select(row => Texts[row])], [.. rows.Select(row => Labels[row])], Classes, OverlappingTexts.Select(Groups, rows));
}
