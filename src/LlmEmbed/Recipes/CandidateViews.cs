namespace LlmEmbed.Recipes;

/// <summary>
/// The views among which training chooses: every tenth of a decoder and every depth of a shallow encoder, from where pooled states begin to carry
/// meaning.
/// The default views are always among them, so that they can be compared with the rest.
/// </summary>
internal static class CandidateViews
{
    /// <param name="isCausal">Whether a token sees only the tokens before it.</param>
    /// <param name="blockCount">L.</param>
    public static IReadOnlyList<View> Of(bool isCausal, int blockCount)
    {
        IEnumerable<View> views = isCausal
            ? [.. At(Pooling.MeanSkipFirst, blockCount, firstTenth: 2), .. At(Pooling.Last, blockCount, firstTenth: 4)]
            : At(Pooling.Mean, blockCount, firstTenth: 3);
        return [.. views.Union(ViewSelection.Default.Resolve(isCausal, blockCount)).OrderBy(view => view.Depth)];
    }

    private static IEnumerable<View> At(Pooling pooling, int blockCount, int firstTenth) =>
        from tenth in Enumerable.Range(firstTenth, 11 - firstTenth)
        let depth = (int)Math.Round(tenth / 10.0 * blockCount, MidpointRounding.AwayFromZero)
        where depth > 0
        select new View(depth, pooling);
}
