namespace LlmEmbed;

/// <summary>What a <see cref="TextQueue"/> may use.</summary>
public sealed record TextQueueOptions
{
    /// <summary>
    /// Tokens that may wait; texts beyond are refused (<see cref="TextQueueFullException"/>). A call counts for at most a quarter of them, so that a
    /// call of any size is taken while the queue is at most three quarters full. What waits when it is full is about a second of work for a small
    /// model on two cores.
    /// </summary>
    public int MaxQueuedTokens { get; init; } = 8192;

    /// <summary>Processor cores that compute; null takes one for each physical core that this process may use.</summary>
    public int? Threads { get; init; }
}
