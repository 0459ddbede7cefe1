using LlmEmbed.Models;

namespace LlmEmbed.Reading;

/// <summary>
/// Which blocks are in memory together. Without a limit, or where everything fits, all of them; else runs of blocks are loaded in turn, and many
/// texts pass through each before the next is loaded, so that a weight is read once for all of them.
/// </summary>
/// <param name="Runs">The blocks, in order, as they are loaded together.</param>
/// <param name="TextTokens">Tokens that pass through the blocks together, padding not counted.</param>
/// <param name="Bytes">Memory that this is expected to take at most.</param>
internal sealed record MemoryPlan(IReadOnlyList<BlockRange> Runs, int TextTokens, long Bytes)
{
    /// <summary>
    /// Without a limit: enough to fill batches of equal lengths, and the most that a killed run loses; half a minute of work for a small decoder on
    /// two cores.
    /// </summary>
    private const int UsualTextTokens = 32 * 1024;

    private const int MostTextTokens = 256 * 1024;

    /// <summary>The runtime, the engine and the tokenizer.</summary>
    private const long BaseBytes = 200L << 20;

    public bool IsStreamed => Runs.Count > 1;

    /// <param name="backbone">The architecture.</param>
    /// <param name="depth">The deepest view.</param>
    /// <param name="precision">Fp32 or int8.</param>
    /// <param name="limitBytes">What may be used, null for all there is.</param>
    /// <exception cref="LlmEmbedException">Not even one block at a time fits.</exception>
    public static MemoryPlan Of(Backbone backbone, int depth, Precision precision, long? limitBytes)
    {
        if (depth == 0) return new MemoryPlan([new BlockRange(0, 0)], UsualTextTokens, BaseBytes);
        long parameters = backbone.ParameterCount(depth) / depth;
        // Our own weights and the copy that the engine arranges for its products. Making int8 weights takes one block in fp32.
        long blockBytes = parameters * (precision == Precision.Int8 ? 2 : 8);
        long onceBytes = BaseBytes + (precision == Precision.Int8 ? parameters * 10 : 0);
        // Between the products of a block lie about 1.5 times as many values per token as it has parameters per channel.
        long batchBytes = (long)backbone.BatchTokens * sizeof(float) * (parameters / backbone.HiddenSize) * 3 / 2;
        long all = onceBytes + batchBytes + depth * blockBytes;
        if (limitBytes is not long limit || all <= limit) return new MemoryPlan([new BlockRange(0, depth)], UsualTextTokens, all);

        long tokenBytes = backbone.HiddenSize * sizeof(float);
        int tokens = (int)Math.Clamp(limit / 8 / tokenBytes, UsualTextTokens / 4, MostTextTokens);
        long fixedBytes = onceBytes + batchBytes + tokens * tokenBytes;
        long together = (limit - fixedBytes) / blockBytes;
        if (together < 1)
            throw new LlmEmbedException(
                $"{limit / 1e9:0.0} GB of memory are too little for this backbone: one block at a time takes about " +
                $"{(fixedBytes + blockBytes) / 1e9:0.0} GB. Allow more (--memory).");
        List<BlockRange> runs = [];
        for (int first = 0; first < depth; first += (int)together) runs.Add(new BlockRange(first, (int)Math.Min(depth, first + together)));
        return new MemoryPlan(runs, tokens, fixedBytes + Math.Min(depth, together) * blockBytes);
    }
}
