using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using LlmEmbed.Tokenization;

namespace LlmEmbed.Recipes;

/// <summary>Texts without labels that are read to learn from them (see <see cref="SelfTraining"/>).</summary>
internal static class UnlabelledReading
{
    /// <summary>The most that are read. Only the surest third is learned from, and a few hundred labels do not become more by more of it.</summary>
    private const int MostTexts = 2000;

    /// <exception cref="LlmEmbedException">There are unlabelled texts that the recipe has no use for.</exception>
    public static void RequireUsable(Recipe.Automatic recipe, int examples)
    {
        if (recipe.Unlabelled.Count == 0) return;
        string? reason = recipe switch
        {
            { Head: not HeadOptions.Automatic } => "are learned from by the automatic head only",
            { Budget: not null } => "cannot be read within a time budget, which is kept by reading less",
            _ when examples > SelfTraining.MostTexts =>
                $"help with up to {SelfTraining.MostTexts} labelled texts, and there are {examples:N0}: with so many the labels say more",
            _ => null,
        };
        if (reason is not null) throw new LlmEmbedException($"Unlabelled texts {reason}. Leave them out.");
    }

    /// <summary>Reads a sample of the texts that say something, at the views of the labelled ones.</summary>
    /// <exception cref="LlmEmbedException">No text says anything.</exception>
    public static UnlabelledTexts Read(
        IReadOnlyList<string> given,
        IReadOnlyList<Tokenizer> tokenizers,
        FeatureReader reader,
        ulong seed,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        string[] distinct = [.. given.Distinct(StringComparer.Ordinal)];
        int[] empty = EmptyTexts.In(distinct, tokenizers, cancellationToken), rows = [.. Enumerable.Range(0, distinct.Length).Except(empty)];
        if (rows.Length == 0)
            throw new LlmEmbedException($"None of the {given.Count:N0} unlabelled texts gives a token. Give texts, or leave them out.");
        new DeterministicRandom(seed).Shuffle<int>(rows);
        string[] texts = [.. rows.Take(MostTexts).Order().Select(row => distinct[row])];
        int columns = reader.Layout.FeatureCount;
        ArrayFeatures features = new(new float[checked(texts.Length * columns)], texts.Length, columns);
        reader.Read(texts, features.RowTarget, progress, cancellationToken);
        for (int row = 0; row < texts.Length; row++)
        {
            foreach (float value in features.Row(row))
                if (!float.IsFinite(value))
                    throw new LlmEmbedException(
                        $"The features of the unlabelled text '{texts[row]}' hold {value}, expected numbers. The backbone overflowed on this " +
                        "text: use fp32 precision or leave the text out.");
        }
        return new UnlabelledTexts(features, texts, given.Count);
    }
}
