using LlmEmbed.Tokenization;

namespace LlmEmbed.Reading;

/// <summary>
/// Finds texts that say nothing: white space, and texts that give a backbone no token of their own. A text that is empty to one of several backbones
/// is empty, since its features would lack a part that no training text lacks.
/// </summary>
internal static class EmptyTexts
{
    /// <summary>The indexes of empty texts, ascending.</summary>
    public static int[] In(IReadOnlyList<string> texts, IReadOnlyList<Tokenizer> tokenizers, CancellationToken cancellationToken) =>
        [
            .. Enumerable.Range(0, texts.Count).AsParallel().AsOrdered().WithCancellation(cancellationToken).Where(
                text => string.IsNullOrWhiteSpace(texts[text]) || tokenizers.Any(tokenizer => tokenizer.IsEmpty(texts[text]))),
        ];

    /// <summary>Refuses examples without text, before anything is read.</summary>
    /// <exception cref="LlmEmbedException">A text is empty; the first one is named.</exception>
    public static void Refuse(IReadOnlyList<LabeledText> examples, IReadOnlyList<Tokenizer> tokenizers, CancellationToken cancellationToken)
    {
        int[] empty = In([.. examples.Select(example => example.Text)], tokenizers, cancellationToken);
        if (empty is not [int first, ..]) return;
        string more = empty.Length > 1 ? $" ({empty.Length:N0} examples are like it)" : "";
        throw new LlmEmbedException(
            $"Example {first + 1} of {examples.Count} (label '{examples[first].Label}') gives no token of its own, so it has no embedding{more}. " +
            "Remove it or give it a text.");
    }

    /// <summary>The tokenizers of backbones that can be opened; whoever reads with the others says what is wrong with them.</summary>
    public static IReadOnlyList<Tokenizer> TokenizersOf(IEnumerable<string> backbones, Func<string, Tokenizer> open)
    {
        List<Tokenizer> tokenizers = [];
        foreach (string backbone in backbones.Distinct(StringComparer.Ordinal))
        {
            try
            {
                tokenizers.Add(open(backbone));
            }
            catch (LlmEmbedException)
            {
                // Said by the reading.
            }
        }
        return tokenizers;
    }
}
