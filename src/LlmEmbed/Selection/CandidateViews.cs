namespace LlmEmbed.Selection;

/// <summary>The views among which training chooses: every tenth of a decoder and every depth of a shallow encoder, from where pooled states begin to carry meaning.</summary>
internal static class CandidateViews
{
    /// <param name="isDecoder">Whether a token sees only the tokens before it.</param>
    /// <param name="blockCount">L.</param>
    public static IReadOnlyList<View> Of(bool isDecoder, int blockCount)
    {
        if (!isDecoder) return [.. Depths(blockCount, from: 3, to: 10).Select(depth => new View(depth, Pooling.Mean))];
        return
        [
            .. Depths(blockCount, from: 2, to: 10).Select(depth => new View(depth, Pooling.MeanSkipFirst)),
            .. Depths(blockCount, from: 4, to: 10).Select(depth => new View(depth, Pooling.Last)),
        ];
    }

    /// <summary>The default views of a backbone are always among its candidates, so that they can be compared with the rest.</summary>
    public static IReadOnlyList<View> With(IReadOnlyList<View> defaults, bool isDecoder, int blockCount) => [.. Of(isDecoder, blockCount).Union(defaults).OrderBy(view => view.Depth)];

    private static IEnumerable<int> Depths(int blockCount, int from, int to) =>
        Enumerable.Range(from, to - from + 1).Select(tenth => (int)Math.Round(tenth / 10.0 * blockCount, MidpointRounding.AwayFromZero)).Where(depth => depth > 0).Distinct();
}
