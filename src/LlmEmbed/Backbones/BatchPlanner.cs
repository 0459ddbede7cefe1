namespace LlmEmbed.Backbones;

/// <summary>Cuts texts into batches of similar length, so that little padding is computed. The caller puts results back in order by the indexes.</summary>
internal static class BatchPlanner
{
    /// <summary>
    /// Tokens in a batch, padding included. Large enough that matrix products run at full speed, small enough that the states of a batch stay in the processor's cache.
    /// It does not depend on the number of threads, so that results do not either.
    /// </summary>
    public const int TokenBudget = 512;

    /// <param name="lengths">Tokens of each text; texts without tokens are left out of the plan.</param>
    /// <param name="padTo">A fixed length for every text, or null.</param>
    /// <returns>Indexes into <paramref name="lengths"/>, batch by batch, longest texts first: what needs the most memory is met first.</returns>
    public static IReadOnlyList<int[]> Plan(IReadOnlyList<int> lengths, int? padTo = null)
    {
        int[] order = Enumerable.Range(0, lengths.Count).Where(i => lengths[i] > 0).OrderByDescending(i => lengths[i]).ThenBy(i => i).ToArray();
        List<int[]> batches = [];
        for (int start = 0; start < order.Length;)
        {
            int count = Math.Clamp(TokenBudget / (padTo ?? lengths[order[start]]), 1, order.Length - start);
            batches.Add(order[start..(start + count)]);
            start += count;
        }
        return batches;
    }
}
