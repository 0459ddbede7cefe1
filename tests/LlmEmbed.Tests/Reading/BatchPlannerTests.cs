using CsCheck;
using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Reading;

public sealed class BatchPlannerTests
{
    private const int Budget = 512;

    private static readonly Gen<int[]> Lengths = Gen.OneOf(Gen.Int[0, 40], Gen.Int[0, 3000], Gen.Const(0)).Array[0, 300];

    [Fact]
    public void Every_text_with_tokens_is_planned_once() => Lengths.Sample(lengths =>
        BatchPlanner.Plan(lengths, Budget).SelectMany(batch => batch).Order().SequenceEqual(
            Enumerable.Range(0, lengths.Length).Where(i => lengths[i] > 0)));

    [Fact]
    public void A_batch_keeps_to_the_budget_and_would_break_it_with_the_next_text() => Lengths.Sample(lengths =>
    {
        IReadOnlyList<int[]> plan = BatchPlanner.Plan(lengths, Budget);
        for (int i = 0; i < plan.Count; i++)
        {
            int longest = plan[i].Max(text => lengths[text]);
            if (plan[i].Length > 1 && plan[i].Length * longest > Budget) return false;
            if (i + 1 < plan.Count && (plan[i].Length + 1) * longest <= Budget) return false;
        }
        return true;
    });

    [Fact]
    public void Longest_texts_come_first_and_equally_long_ones_in_their_order() => Lengths.Sample(lengths =>
    {
        int[] order = [.. BatchPlanner.Plan(lengths, Budget).SelectMany(batch => batch)];
        return order.SequenceEqual(order.OrderByDescending(text => lengths[text]).ThenBy(text => text));
    });

    [Fact]
    public void Texts_of_a_fixed_length_cost_that_length() => Gen.Select(Gen.Int[0, 64].Array[0, 200], Gen.Int[64, 4096]).Sample((lengths, padTo) =>
    {
        int largest = Math.Max(1, Budget / padTo);
        IReadOnlyList<int[]> plan = BatchPlanner.Plan(lengths, Budget, padTo);
        return plan.Sum(batch => batch.Length) == lengths.Count(length => length > 0) && plan.SkipLast(1).All(batch => batch.Length == largest)
            && plan.All(batch => batch.Length <= largest);
    });

    [Theory]
    [InlineData(3_540_096, 576, 512)] // SmolLM2-135M
    [InlineData(202_383_360, 4096, 256)] // LLaMA-2-7B
    public void Batches_of_wide_networks_are_smaller(long blockParameters, int hiddenSize, int expected) =>
        Assert.Equal(expected, BatchPlanner.BudgetFor(blockParameters, hiddenSize));

    [Fact]
    public void Nothing_to_plan_gives_no_batch()
    {
        Assert.Empty(BatchPlanner.Plan([], Budget));
        Assert.Empty(BatchPlanner.Plan([0, 0], Budget));
    }
}
