using LlmEmbed.Models;

namespace LlmEmbed.Reading;

/// <summary>
/// Reads texts by computing: cuts them into shards and these into batches of similar length, and sends the batches through the engine.
/// </summary>
/// <param name="engine">Computes; disposed of with the reader.</param>
/// <param name="model">The architecture.</param>
/// <param name="plan">What is read.</param>
/// <param name="rowLength">Numbers of a text.</param>
internal sealed class EngineReader(EncoderEngine engine, Backbone model, BackbonePlan plan, int rowLength) : IStateReader
{
    /// <inheritdoc/>
    public ReadCost Read(
        PreparedTexts texts, int[] wanted, StateTargets targets, ReadingProgress progress, Work work, Action<int[]>? finished = null)
    {
        progress.Start(wanted.Length);
        ReadCost cost = default;
        foreach (int[] shard in Shards(texts, wanted))
        {
            int[][] batches = BatchesOf(texts, shard);
            int[][][] ids = [.. batches.Select(batch => batch.Select(place => texts.Tokens[shard[place]].Ids).ToArray())];
            void Take(int index, float[] pooled) // [B,D,H]
            {
                int[] batch = [.. batches[index].Select(place => shard[place])];
                for (int b = 0; b < batch.Length; b++) pooled.AsSpan(b * rowLength, rowLength).CopyTo(targets.Rows(batch[b]));
                cost += CostOf([.. batch.Select(text => LengthOf(texts, text))]);
                progress.Advance(batch.Length);
            }

            TokenTarget TakeTokens(int index) => (b, depth, states) => states.CopyTo(targets.Tokens.Of(shard[batches[index][b]], depth));
            engine.Run(ids, Take, work, TakeTokens, targets.Tokens.Depths);
            finished?.Invoke(shard);
        }
        return cost;
    }

    /// <summary>For each batch that these texts would make the tokens of its texts.</summary>
    public IEnumerable<int[]> PlannedLengths(PreparedTexts texts)
    {
        IEnumerable<int> wanted = Enumerable.Range(0, texts.Keys.Length).DistinctBy(text => texts.Keys[text]);
        foreach (int[] shard in Shards(texts, [.. wanted.Where(text => texts.Tokens[text].Ids.Length > 0)]))
        {
            int[] lengths = [.. shard.Select(text => texts.Tokens[text].Ids.Length)];
            foreach (int[] batch in BatchPlanner.Plan(lengths, model.BatchTokens, plan.PadTo))
                yield return [.. batch.Select(place => lengths[place])];
        }
    }

    public void Dispose() => engine.Dispose();

    /// <summary>
    /// Consecutive texts of as many tokens as go through the engine together. The cut depends only on the texts, so a resumed run forms the same
    /// batches as an undisturbed one.
    /// </summary>
    private IEnumerable<int[]> Shards(PreparedTexts texts, int[] wanted)
    {
        List<int> shard = [];
        long shardTokens = 0;
        foreach (int text in wanted)
        {
            shard.Add(text);
            shardTokens += plan.PadTo ?? LengthOf(texts, text);
            if (shardTokens < engine.Plan.TextTokens) continue;
            yield return shard.ToArray();
            shard.Clear();
            shardTokens = 0;
        }
        if (shard.Count > 0) yield return shard.ToArray();
    }

    /// <summary>The places in a shard of each batch: texts of similar length, of which all or none begin with the prompt that is read.</summary>
    private int[][] BatchesOf(PreparedTexts texts, int[] shard)
    {
        IEnumerable<int[]> kinds = Enumerable.Range(0, shard.Length)
            .GroupBy(place => engine.PrefixLengthOf(texts.Tokens[shard[place]].Ids)).Select(places => places.ToArray());
        return
        [
            .. kinds.SelectMany(
                places => BatchPlanner.Plan([.. places.Select(place => LengthOf(texts, shard[place]))], model.BatchTokens, plan.PadTo)
                    .Select(batch => batch.Select(index => places[index]).ToArray())),
        ];
    }

    /// <summary>Tokens of a text that go through the blocks.</summary>
    private int LengthOf(PreparedTexts texts, int text)
    {
        int[] ids = texts.Tokens[text].Ids;
        return ids.Length - engine.PrefixLengthOf(ids);
    }

    private ReadCost CostOf(int[] lengths) => new(lengths.Sum(length => (long)length), (long)lengths.Length * (plan.PadTo ?? lengths.Max()));
}
