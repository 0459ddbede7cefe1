using LlmEmbed.Serving;
using Xunit;

namespace LlmEmbed.Tests.Serving;

public sealed class BatchWorkersTests : IDisposable
{
    private readonly object _model = new();
    private readonly ManualResetEventSlim _open = new();
    private readonly SemaphoreSlim _begun = new(0);

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _open.Set();
        _open.Dispose();
        _begun.Dispose();
    }

    [Fact]
    public async Task Every_text_gets_its_own_value()
    {
        using BatchWorkers workers = new(threads: 2, limit: 100_000);
        QueuedCall<string>[] calls = [.. Enumerable.Range(1, 50).Select(
            call => QueueOfHand.Call(_model, [.. Enumerable.Range(1, call)], texts => [.. texts.Select(text => text + "!")]))];
        foreach (QueuedCall<string> call in calls) workers.Add(call);
        foreach ((int place, QueuedCall<string> call) in calls.Index())
            Assert.Equal(Enumerable.Range(1, place + 1).Select(text => $"{text}!"), await call.Values.WaitAsync(Cancellation));
        Assert.Equal((0, 0L), workers.Waiting);
    }

    [Fact]
    public async Task A_full_queue_refuses_and_says_when_to_come_again_and_takes_nothing()
    {
        using BatchWorkers workers = new(threads: 1, limit: 400);
        await BlockAsync(workers);
        QueuedCall<string>[] calls = [.. Enumerable.Range(0, 4).Select(_ => QueueOfHand.Call(_model, [100]))];
        foreach (QueuedCall<string> call in calls) workers.Add(call);
        TextQueueFullException exception = Assert.Throws<TextQueueFullException>(() => workers.Add(QueueOfHand.Call(_model, [1])));
        Assert.True(exception.RetryAfter > TimeSpan.Zero);
        Assert.Throws<TextQueueFullException>(workers.RefuseIfFull);
        Assert.Equal((4, 400L), workers.Waiting);
        _open.Set();
        foreach (QueuedCall<string> call in calls) await call.Values.WaitAsync(Cancellation);
        workers.Add(QueueOfHand.Call(_model, [100])); // there is room again
    }

    [Fact]
    public async Task A_call_of_any_size_counts_as_at_most_a_quarter_of_the_queue()
    {
        using BatchWorkers workers = new(threads: 1, limit: 400);
        await BlockAsync(workers);
        QueuedCall<string>[] large = [.. Enumerable.Range(0, 3).Select(_ => QueueOfHand.Call(_model, [.. Enumerable.Repeat(50, 100)]))];
        foreach (QueuedCall<string> call in large) workers.Add(call);
        workers.Add(QueueOfHand.Call(_model, [100]));
        Assert.Throws<TextQueueFullException>(() => workers.Add(QueueOfHand.Call(_model, [.. Enumerable.Repeat(50, 100)])));
        _open.Set();
        foreach (QueuedCall<string> call in large) Assert.Equal(100, (await call.Values.WaitAsync(Cancellation)).Length);
    }

    [Fact]
    public async Task What_is_cancelled_leaves_the_queue_and_makes_room()
    {
        using BatchWorkers workers = new(threads: 1, limit: 400);
        await BlockAsync(workers);
        bool wasComputed = false;
        QueuedCall<string> call = QueueOfHand.Call(_model, [100, 100], texts =>
        {
            wasComputed = true;
            return [.. texts];
        });
        workers.Add(call);
        using CancellationTokenSource gone = new();
        await gone.CancelAsync();
        workers.Cancel(call, gone.Token);
        Assert.Equal((0, 0L), workers.Waiting);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.Values.WaitAsync(Cancellation));
        QueuedCall<string> next = QueueOfHand.Call(_model, [100]);
        workers.Add(next);
        _open.Set();
        await next.Values.WaitAsync(Cancellation);
        Assert.False(wasComputed);
    }

    [Fact]
    public async Task A_call_that_is_cancelled_ends_when_nothing_of_it_is_computed_any_more()
    {
        using BatchWorkers workers = new(threads: 1, limit: 400);
        QueuedCall<string> call = await BlockAsync(workers);
        using CancellationTokenSource gone = new();
        await gone.CancelAsync();
        workers.Cancel(call, gone.Token);
        Assert.False(call.Values.IsCompleted); // its caller may free the model when it ends
        _open.Set();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => call.Values.WaitAsync(Cancellation));
    }

    [Fact]
    public async Task Calls_that_have_ended_leave_the_whole_queue_to_others()
    {
        using BatchWorkers workers = new(threads: 2, limit: 400);
        for (int call = 0; call < 500; call++)
        {
            QueuedCall<string> odd = QueueOfHand.Call(_model, [1 + call % 7, 3, 50 + call % 11, 90]);
            workers.Add(odd);
            await odd.Values.WaitAsync(Cancellation);
        }
        await BlockAsync(workers); // by all threads, since nothing else waits
        for (int call = 0; call < 4; call++) workers.Add(QueueOfHand.Call(_model, [100]));
        _open.Set();
    }

    [Fact]
    public async Task A_text_that_cannot_be_computed_fails_its_own_call_and_no_other()
    {
        using BatchWorkers workers = new(threads: 1, limit: 10_000);
        await BlockAsync(workers);
        string[] Compute(IReadOnlyList<string> texts) => texts.Contains("13") ? throw new InvalidOperationException("unlucky") : [.. texts];
        QueuedCall<string> good = QueueOfHand.Call(_model, [12, 14], Compute), bad = QueueOfHand.Call(_model, [12, 13, 14], Compute);
        workers.Add(good);
        workers.Add(bad);
        _open.Set();
        Assert.Equal(["12", "14"], await good.Values.WaitAsync(Cancellation));
        TextFailedException exception = await Assert.ThrowsAsync<TextFailedException>(() => bad.Values.WaitAsync(Cancellation));
        Assert.Equal(1, exception.Index);
        QueuedCall<string> next = QueueOfHand.Call(_model, [12], Compute);
        workers.Add(next);
        await next.Values.WaitAsync(Cancellation); // the queue goes on
        Assert.Equal((0, 0L), workers.Waiting);
    }

    [Fact]
    public async Task A_model_that_needs_all_threads_is_computed_alone()
    {
        using BatchWorkers workers = new(threads: 4, limit: 100_000);
        int running = 0, most = 0;
        string[] Compute(IReadOnlyList<string> texts)
        {
            int now = Interlocked.Increment(ref running);
            lock (_begun) most = Math.Max(most, now);
            Thread.Yield();
            Interlocked.Decrement(ref running);
            return [.. texts];
        }

        QueuedCall<string>[] calls =
            [.. Enumerable.Range(0, 200).Select(_ => QueueOfHand.Call(_model, [90], Compute, canShareThreads: false))];
        foreach (QueuedCall<string> call in calls) workers.Add(call);
        foreach (QueuedCall<string> call in calls) await call.Values.WaitAsync(Cancellation);
        Assert.Equal(1, most);
    }

    [Fact]
    public async Task A_queue_that_ends_cancels_what_waits_and_finishes_what_is_begun()
    {
        BatchWorkers workers = new(threads: 1, limit: 10_000);
        QueuedCall<string> begun = await BlockAsync(workers), waits = QueueOfHand.Call(_model, [100]);
        workers.Add(waits);
        Task disposal = Task.Run(workers.Dispose, Cancellation);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waits.Values.WaitAsync(Cancellation));
        _open.Set();
        await disposal.WaitAsync(Cancellation);
        Assert.Equal(["10"], await begun.Values.WaitAsync(Cancellation));
        Assert.Throws<ObjectDisposedException>(() => workers.Add(QueueOfHand.Call(_model, [1])));
    }

    /// <summary>Keeps a worker busy until <see cref="_open"/> is set.</summary>
    private async Task<QueuedCall<string>> BlockAsync(BatchWorkers workers)
    {
        QueuedCall<string> block = QueueOfHand.Call(new object(), [10], texts =>
        {
            _begun.Release();
            _open.Wait(Cancellation);
            return [.. texts];
        });
        workers.Add(block);
        await _begun.WaitAsync(Cancellation);
        return block;
    }
}
