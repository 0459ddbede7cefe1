using LlmEmbed.Reading;

namespace LlmEmbed.Recipes;

/// <summary>The depths at which pooling by attention is learned, and room for the states of their tokens.</summary>
internal static class AttentionDepths
{
    /// <summary>
    /// Depths as shares of the blocks, the most useful first, so that these remain where memory is short. The last blocks of a decoder prepare the
    /// next token, those of an encoder the vector of the text.
    /// </summary>
    private static readonly double[] OfDecoders = [0.6, 0.5, 0.4, 0.8, 0.3], OfEncoders = [4 / 6.0, 5 / 6.0, 3 / 6.0, 1, 2 / 6.0];

    /// <summary>The most bytes that the states of all tokens may take, in memory and in the cache.</summary>
    private const long MostBytes = 2L << 30;

    /// <param name="backbones">Those of which queries may be learned.</param>
    /// <param name="texts">All texts.</param>
    /// <param name="memoryBytes">The most bytes that the states may take, beside a limit of 2 GiB.</param>
    /// <param name="mayBeCut">Whether deep networks may be cut where further depths would not be worth reading.</param>
    /// <returns>States that are all zero, to be filled; for each backbone as many depths as fit.</returns>
    public static IReadOnlyList<TokenStates> Allocate(IReadOnlyList<BackboneReader> backbones, string[] texts, long memoryBytes, bool mayBeCut)
    {
        long left = Math.Min(MostBytes, memoryBytes);
        (BackboneReader Reader, int[] Counts, long Bytes, List<int> Depths)[] places =
        [
            .. backbones.OrderByDescending(reader => reader.ParameterCount).Select(reader =>
            {
                int[] counts = reader.AttendedCounts(texts);
                return (reader, counts, counts.Sum(count => (long)count) * reader.HiddenSize * sizeof(float), new List<int>());
            }),
        ];
        for (int rank = 0; rank < OfDecoders.Length; rank++)
        {
            foreach ((BackboneReader reader, _, long bytes, List<int> depths) in places)
            {
                if (DepthOf(reader, rank, mayBeCut) is not int depth || bytes > left || depths.Contains(depth)) continue;
                depths.Add(depth);
                left -= bytes;
            }
        }
        return
        [
            .. places.Where(place => place.Depths.Count > 0).Select(place => TokenStates.Allocate(
                place.Reader.Name, [.. place.Depths.Order()], place.Reader.HiddenSize, place.Counts, long.MaxValue)).OfType<TokenStates>(),
        ];
    }

    /// <summary>How many texts of average length the states of all tokens fit of.</summary>
    /// <param name="tokens">Of all texts, of which there is at least one.</param>
    /// <param name="texts">The number of texts.</param>
    /// <param name="hiddenSize">H.</param>
    /// <param name="depths">The number of depths.</param>
    /// <param name="memoryBytes">As of <see cref="Allocate"/>.</param>
    public static long TextsWithin(long tokens, int texts, int hiddenSize, int depths, long memoryBytes) =>
        (long)(Math.Min(MostBytes, memoryBytes) / ((double)tokens / texts * hiddenSize * sizeof(float) * depths));

    private static int? DepthOf(BackboneReader reader, int rank, bool mayBeCut)
    {
        double share = (reader.Backbone.Model.IsCausal ? OfDecoders : OfEncoders)[rank];
        int blocks = reader.Backbone.Model.BlockCount, depth = (int)Math.Round(share * blocks, MidpointRounding.AwayFromZero);
        bool mayBeAbove = mayBeCut && blocks >= ViewChooser.ShallowBlocks && share > ViewChooser.ModestCut;
        return depth < 1 || mayBeAbove ? null : depth;
    }

    /// <summary>Where the tokens of some texts go that a backbone reads; null if nothing is learned of them.</summary>
    public static TokenRows? RowsOf(this IReadOnlyList<TokenStates> tokens, string backbone, int[] rows) =>
        tokens.FirstOrDefault(states => states.Backbone == backbone)?.RowsOf(backbone, rows);
}
