using LlmEmbed.Data;
using Xunit;

namespace LlmEmbed.Tests.Data;

public sealed class StratifiedSplitTests
{
    /// <summary>100 rows of class 0, 30 of class 1, 2 of class 2 and 1 of class 3.</summary>
    private static readonly int[] Labels = [.. Enumerable.Repeat(0, 100), .. Enumerable.Repeat(1, 30), 2, 2, 3];

    [Fact]
    public void The_generator_gives_the_published_numbers()
    {
        DeterministicRandom random = new(1234567);
        Assert.Equal(
            [6457827717110365317UL, 3203168211198807973UL, 9817491932198370423UL],
            [random.NextUInt64(), random.NextUInt64(), random.NextUInt64()]);
    }

    [Fact]
    public void Bounded_numbers_reach_every_value_evenly()
    {
        DeterministicRandom random = new(1);
        int[] counts = new int[7];
        for (int i = 0; i < 70_000; i++) counts[random.Next(7)]++;
        Assert.All(counts, count => Assert.InRange(count, 9_600, 10_400));
        Assert.InRange(random.NextDouble(), 0, 1);
    }

    [Fact]
    public void Every_class_of_two_is_in_both_parts_of_a_hold_out()
    {
        (int[] kept, int[] heldOut) = StratifiedSplit.HoldOut(Labels, 0.1, seed: 5);
        Assert.Equal(Enumerable.Range(0, Labels.Length), kept.Concat(heldOut).Order());
        Assert.Equal([10, 3, 1, 0], CountsByClass(heldOut));
    }

    [Fact]
    public void Folds_are_even_and_leave_every_class_of_two_in_every_training_part()
    {
        int[] folds = StratifiedSplit.Folds(Labels, 5, seed: 5);
        int[] sizes = [.. Enumerable.Range(0, 5).Select(fold => folds.Count(f => f == fold))];
        Assert.Equal(1, sizes.Max() - sizes.Min());
        for (int fold = 0; fold < 5; fold++)
        {
            int[] training = [.. Enumerable.Range(0, Labels.Length).Where(row => folds[row] != fold)];
            Assert.Equal(80, CountsByClass(training)[0]);
            Assert.Equal(24, CountsByClass(training)[1]);
            Assert.NotEqual(0, CountsByClass(training)[2]);
        }
    }

    [Fact]
    public void Rows_of_a_group_stay_together_and_groups_of_one_change_nothing()
    {
        int[] groups = [.. Enumerable.Range(0, 600).Select(row => row % 200)], alone = [.. Enumerable.Range(0, 600)];
        int[] labels = [.. groups.Select(group => group % 3)];
        int[] folds = StratifiedSplit.Folds(labels, 5, seed: 5, groups);
        Assert.All(Enumerable.Range(0, 600), row => Assert.Equal(folds[row % 200], folds[row]));
        Assert.All(Enumerable.Range(0, 5), fold => Assert.Equal(120, folds.Count(f => f == fold)));
        Assert.Equal(StratifiedSplit.Folds(labels, 5, seed: 5), StratifiedSplit.Folds(labels, 5, seed: 5, alone));

        (int[] kept, int[] heldOut) = StratifiedSplit.HoldOut(labels, 0.2, seed: 5, groups);
        Assert.Equal(Enumerable.Range(0, 600), kept.Concat(heldOut).Order());
        Assert.Empty(kept.Select(row => row % 200).Intersect(heldOut.Select(row => row % 200)));
        Assert.InRange(heldOut.Length, 110, 130);
        Assert.Equal(StratifiedSplit.HoldOut(labels, 0.2, seed: 5).HeldOut, StratifiedSplit.HoldOut(labels, 0.2, seed: 5, alone).HeldOut);
    }

    [Fact]
    public void A_class_of_one_group_is_still_in_every_training_part()
    {
        int[] groups = [.. Enumerable.Range(0, 150), 150, 150], labels = [.. Enumerable.Range(0, 150).Select(row => row % 2), 2, 2];
        int[] folds = StratifiedSplit.Folds(labels, 5, seed: 5, groups);
        Assert.NotEqual(folds[150], folds[151]);
        for (ulong seed = 0; seed < 20; seed++) Assert.Contains(StratifiedSplit.HoldOut(labels, 0.2, seed, groups).Kept, row => labels[row] == 2);
    }

    [Fact]
    public void A_sample_keeps_shares_and_two_rows_of_a_rare_class()
    {
        int[] sample = StratifiedSplit.Sample(Labels, 66, seed: 5);
        Assert.Equal([49, 14, 2, 1], CountsByClass(sample));
        Assert.Equal(sample.Order(), sample);
        Assert.Equal(Labels.Length, StratifiedSplit.Sample(Labels, 1000, seed: 5).Length);
    }

    [Fact]
    public void The_seed_alone_decides()
    {
        Assert.Equal(StratifiedSplit.Folds(Labels, 5, seed: 1), StratifiedSplit.Folds(Labels, 5, seed: 1));
        Assert.NotEqual(StratifiedSplit.Folds(Labels, 5, seed: 1), StratifiedSplit.Folds(Labels, 5, seed: 2));
    }

    private static int[] CountsByClass(int[] rows) => [.. Enumerable.Range(0, 4).Select(c => rows.Count(row => Labels[row] == c))];
}
