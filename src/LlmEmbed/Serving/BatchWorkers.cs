using System.Diagnostics;
using LlmEmbed.Reading;

namespace LlmEmbed.Serving;

/// <summary>
/// The queue and the threads that empty it. A thread takes a batch as soon as it is free and never waits for more texts. While many texts wait, each
/// thread computes a batch of its own, as for a long list; a batch that nobody else waits behind gets all threads.
/// </summary>
internal sealed class BatchWorkers : IDisposable
{
    /// <summary>Calls of any size that the queue takes: each counts for at most this part of it.</summary>
    private const int MostCalls = 4;

    private readonly object _lock = new(); // waited at, which a Lock cannot be
    private readonly WaitingTexts _waiting = new();
    private readonly Thread[] _workers;
    private readonly int _limit;
    private readonly QueueTelemetry _telemetry;
    private int _free;
    private long _admitted;
    private double _tokensPerSecond;
    private bool _isStopping;

    /// <param name="threads">Threads that compute.</param>
    /// <param name="limit">Tokens that may wait.</param>
    public BatchWorkers(int threads, int limit)
    {
        (_limit, _free) = (limit, threads);
        _telemetry = new QueueTelemetry(() => Waiting);
        _workers = [.. Enumerable.Range(0, threads).Select(index => new Thread(Run) { IsBackground = true, Name = $"LlmEmbed queue {index}" })];
        foreach (Thread worker in _workers) worker.Start();
    }

    /// <summary>Texts and tokens that wait.</summary>
    public (int Texts, long Tokens) Waiting
    {
        get
        {
            lock (_lock) return (_waiting.Count, _waiting.Tokens);
        }
    }

    public QueueTelemetry Telemetry => _telemetry;

    /// <summary>Refuses early what would be refused when its tokens are known.</summary>
    /// <exception cref="TextQueueFullException">The queue is full.</exception>
    public void RefuseIfFull()
    {
        lock (_lock) Refuse(weight: 1);
    }

    /// <summary>Puts all texts of a call into the queue.</summary>
    /// <exception cref="TextQueueFullException">The queue has no room for them.</exception>
    public void Add(QueuedCall call)
    {
        lock (_lock)
        {
            ObjectDisposedException.ThrowIf(_isStopping, typeof(TextQueue));
            long weight = Math.Min(call.Cost, _limit / MostCalls);
            Refuse(weight);
            call.Weight = weight;
            _admitted += weight;
            _waiting.Add(call);
            Monitor.PulseAll(_lock);
        }
    }

    /// <summary>Takes out of the queue what is not begun of a call, which ends as cancelled when what is begun of it has ended.</summary>
    public void Cancel(QueuedCall call, CancellationToken cancellationToken) => GiveUp(call, new OperationCanceledException(cancellationToken));

    /// <summary>Waits for what is computed; what still stands in the queue is cancelled.</summary>
    public void Dispose()
    {
        IReadOnlyList<QueuedCall> left;
        lock (_lock)
        {
            if (_isStopping) return;
            _isStopping = true;
            left = _waiting.Calls;
            Monitor.PulseAll(_lock);
        }
        foreach (QueuedCall call in left) GiveUp(call, new OperationCanceledException());
        foreach (Thread worker in _workers) worker.Join();
        _telemetry.Dispose();
    }

    private void Refuse(long weight)
    {
        if (_admitted + weight <= _limit) return;
        double seconds = (_admitted + weight - _limit) / Math.Max(1, _tokensPerSecond);
        _telemetry.Rejected();
        throw new TextQueueFullException(_waiting.Tokens, _limit, TimeSpan.FromSeconds(Math.Clamp(seconds, 0.1, 60)));
    }

    /// <summary>The call will have no result.</summary>
    private void GiveUp(QueuedCall call, Exception reason)
    {
        lock (_lock)
        {
            _waiting.Remove(call);
            _admitted -= call.ReleaseRest();
            call.Failure ??= reason;
            if (call.Running > 0) return;
        }
        call.Fail(call.Failure);
    }

    /// <summary>A text of a call is no longer computed.</summary>
    private void End(QueuedCall call, bool isComputed)
    {
        lock (_lock)
        {
            call.Running--;
            if (isComputed) call.Left--;
            if (call.Failure is null ? call.Left > 0 : call.Running > 0) return;
            _admitted -= call.ReleaseRest(); // what rounding left
        }
        if (call.Failure is { } reason) call.Fail(reason);
        else call.Succeed();
    }

    private void Run()
    {
        while (WaitForBatch(out IReadOnlyList<WaitingText> batch, out int threads))
        {
            Compute(batch, threads);
            lock (_lock)
            {
                _free += threads;
                Monitor.PulseAll(_lock);
            }
        }
    }

    /// <returns>False when the queue ends.</returns>
    private bool WaitForBatch(out IReadOnlyList<WaitingText> batch, out int threads)
    {
        lock (_lock)
        {
            while (!TryTake(out batch, out threads))
            {
                if (_isStopping) return false;
                Monitor.Wait(_lock);
            }
            return true;
        }
    }

    /// <summary>Called under the lock.</summary>
    private bool TryTake(out IReadOnlyList<WaitingText> batch, out int threads)
    {
        (batch, threads) = ([], 0);
        if (_free == 0 || _waiting.First is not { } first) return false;
        bool allAreFree = _free == _workers.Length, canShare = first.Call.Model.CanShareThreads;
        if (!canShare && !allAreFree) return false;
        batch = _waiting.TakeBatch();
        foreach (WaitingText text in batch) _admitted -= text.Call.Begin(text);
        threads = allAreFree && (_waiting.Count == 0 || !canShare) ? _workers.Length : 1;
        _free -= threads;
        return true;
    }

    private void Compute(IReadOnlyList<WaitingText> batch, int threads)
    {
        long start = Stopwatch.GetTimestamp(), tokens = batch.Sum(text => (long)text.Cost);
        try
        {
            Take(batch, batch[0].Call.Compute(QueuedCall.Join(batch), new Work(Progress: null, CancellationToken.None, threads)));
        }
        catch (Exception exception)
        {
            // One text must not fail its neighbours: each is tried alone.
            if (batch.Count == 1) Fail(batch[0], exception);
            else foreach (WaitingText text in batch) Compute([text], threads);
            return;
        }
        TimeSpan elapsed = Stopwatch.GetElapsedTime(start);
        _telemetry.Computed(batch.Count, tokens);
        double rate = tokens / Math.Max(1e-6, elapsed.TotalSeconds) * _workers.Length / threads;
        lock (_lock) _tokensPerSecond = _tokensPerSecond == 0 ? rate : 0.9 * _tokensPerSecond + 0.1 * rate;
    }

    private void Take(IReadOnlyList<WaitingText> batch, Array values)
    {
        foreach ((int place, WaitingText text) in batch.Index())
        {
            text.Call.Take(text.Index, values, place);
            End(text.Call, isComputed: true);
        }
    }

    private void Fail(WaitingText text, Exception exception)
    {
        GiveUp(text.Call, new TextFailedException(text.Index, exception));
        End(text.Call, isComputed: false);
    }
}
