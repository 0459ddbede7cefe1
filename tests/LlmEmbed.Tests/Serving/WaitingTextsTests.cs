using CsCheck;
using LlmEmbed.Serving;
using Xunit;

namespace LlmEmbed.Tests.Serving;

public sealed class WaitingTextsTests
{
    private readonly object _model = new();
    private readonly WaitingTexts _waiting = new();

    [Fact]
    public void Texts_of_one_call_come_in_their_order_and_fill_batches()
    {
        _waiting.Add(QueueOfHand.Call(_model, [.. Enumerable.Repeat(30, 7)]));
        Assert.Equal([3, 3, 1], Enumerable.Range(0, 3).Select(_ => _waiting.TakeBatch().Count));
        Assert.Equal(0, _waiting.Count);
        Assert.Null(_waiting.First);
    }

    [Fact]
    public void A_batch_has_no_more_padded_tokens_than_allowed_and_texts_of_similar_length()
    {
        _waiting.Add(QueueOfHand.Call(_model, [10, 60, 11, 9, 10, 10, 10, 10, 10, 10]));
        Assert.Equal(["10", "10", "10", "10", "10", "10", "10", "9"], TextsOf(_waiting.TakeBatch()).Order(StringComparer.Ordinal));
        Assert.Equal(["60"], TextsOf(_waiting.TakeBatch()));
        Assert.Equal(["11"], TextsOf(_waiting.TakeBatch())); // with it, each of the others would have been padded
    }

    [Fact]
    public void A_text_that_is_larger_than_a_batch_goes_alone()
    {
        _waiting.Add(QueueOfHand.Call(_model, [500, 1]));
        Assert.Equal(["500"], TextsOf(_waiting.TakeBatch()));
    }

    [Fact]
    public void A_short_call_does_not_wait_for_the_end_of_a_long_one()
    {
        _waiting.Add(QueueOfHand.Call(_model, [.. Enumerable.Repeat(50, 1000)]));
        _waiting.TakeBatch();
        QueuedCall late = QueueOfHand.Call(_model, [50]);
        _waiting.Add(late);
        IEnumerable<QueuedCall> next = [.. _waiting.TakeBatch().Concat(_waiting.TakeBatch()).Select(text => text.Call)];
        Assert.Contains(late, next);
    }

    [Fact]
    public void A_long_call_goes_on_whatever_short_ones_come()
    {
        QueuedCall endless = QueueOfHand.Call(_model, [.. Enumerable.Repeat(50, 20)]);
        _waiting.Add(endless);
        int computed = 0;
        for (int batch = 0; batch < 1200; batch++)
        {
            // More come than are computed, so that ever more wait beside the long call. They are of other models and share no batch with it.
            _waiting.Add(QueueOfHand.Call(new object(), [5]));
            computed += _waiting.TakeBatch().Count(text => text.Call == endless);
        }
        Assert.Equal(20, computed);
    }

    [Fact]
    public void Calls_of_different_models_share_no_batch()
    {
        object other = new();
        _waiting.Add(QueueOfHand.Call(_model, [10, 10]));
        _waiting.Add(QueueOfHand.Call(other, [10, 10]));
        Assert.All(
            [_waiting.TakeBatch(), _waiting.TakeBatch()], batch => Assert.Single(batch.Select(text => text.Call.Model.Instance).Distinct()));
    }

    [Fact]
    public void A_call_that_is_removed_leaves_no_text_and_no_token()
    {
        QueuedCall gone = QueueOfHand.Call(_model, [10, 20, 30]), stays = QueueOfHand.Call(_model, [7]);
        _waiting.Add(gone);
        _waiting.Add(stays);
        _waiting.Remove(gone);
        Assert.Equal((1, 7), (_waiting.Count, _waiting.Tokens));
        Assert.Same(stays, Assert.Single(_waiting.TakeBatch()).Call);
    }

    [Fact]
    public void Every_text_is_taken_once_whatever_the_calls_are() => Gen.Int[1, 120].Array[1, 30].Array[1, 10].Sample(calls =>
    {
        WaitingTexts waiting = new();
        object[] models = [new(), new()];
        foreach ((int place, int[] lengths) in calls.Index()) waiting.Add(QueueOfHand.Call(models[place % 2], lengths));
        List<WaitingText> taken = [];
        while (waiting.First is { } first)
        {
            IReadOnlyList<WaitingText> batch = waiting.TakeBatch();
            Assert.Contains(first, batch);
            Assert.True(batch.Count == 1 || batch.Count * batch.Max(text => text.Length) <= 100);
            taken.AddRange(batch);
        }
        Assert.Equal(calls.Sum(lengths => lengths.Length), taken.Distinct().Count());
        Assert.Equal((0, 0L), (waiting.Count, waiting.Tokens));
    });

    private static IEnumerable<string> TextsOf(IEnumerable<WaitingText> batch) => batch.Select(text => text.Call.Request.Texts[text.Index]);
}
