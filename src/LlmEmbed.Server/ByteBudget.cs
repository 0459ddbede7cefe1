namespace LlmEmbed.Server;

/// <summary>The bytes of bodies that may be in memory at once, so that many large requests are refused instead of filling it.</summary>
/// <param name="limit">All bytes.</param>
internal sealed class ByteBudget(long limit)
{
    private long _used;

    /// <returns>Null if there is no room; else what gives the bytes back.</returns>
    public IDisposable? TryTake(long bytes)
    {
        if (Interlocked.Add(ref _used, bytes) <= limit) return new Share(this, bytes);
        Interlocked.Add(ref _used, -bytes);
        return null;
    }

    private sealed class Share(ByteBudget budget, long bytes) : IDisposable
    {
        public void Dispose() => Interlocked.Add(ref budget._used, -bytes);
    }
}
