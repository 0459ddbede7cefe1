using LlmEmbed.Models;

namespace LlmEmbed.Reading;

/// <summary>
/// Cuts texts into batches of similar length, so that little padding is computed. The caller puts results back in order by the indexes.
/// </summary>
internal static class BatchPlanner
{
    private const int UsualBudget = 512, WideBudget = 256;

    /// <summary>
    /// Parameters of a block per channel of its state, to which the values between its products are in proportion: SmolLM2-135M has 6,000, LLaMA-2-7B
    /// 49,000.
    /// </summary>
    private const int WideBlock = 24_000;

    extension(Backbone backbone)
    {
        /// <summary>Tokens, padding included, that go through the blocks at a time.</summary>
        public int BatchTokens => BudgetFor(backbone.ParameterCount(1), backbone.HiddenSize);
    }

    /// <summary>
    /// Tokens in a batch, padding included. Large enough that matrix products run at full speed, small enough that the states of a batch stay in the
    /// processor's cache.
    /// It does not depend on the number of threads, so that results do not either.
    /// </summary>
    public static int BudgetFor(long blockParameters, int hiddenSize) => blockParameters / hiddenSize > WideBlock ? WideBudget : UsualBudget;

    /// <param name="lengths">Tokens of each text; texts without tokens are left out of the plan.</param>
    /// <param name="budget">Tokens in a batch.</param>
    /// <param name="padTo">A fixed length for every text, or null.</param>
    /// <returns>Indexes into <paramref name="lengths"/>, batch by batch, longest texts first: what needs the most memory is met first.</returns>
    public static IReadOnlyList<int[]> Plan(IReadOnlyList<int> lengths, int budget, int? padTo = null)
    {
        int[] order = Enumerable.Range(0, lengths.Count).Where(i => lengths[i] > 0).OrderByDescending(i => lengths[i]).ThenBy(i => i).ToArray();
        List<int[]> batches = [];
        for (int start = 0; start < order.Length;)
        {
            int count = Math.Clamp(budget / (padTo ?? lengths[order[start]]), 1, order.Length - start);
            batches.Add(order[start..(start + count)]);
            start += count;
        }
        return batches;
    }
}
