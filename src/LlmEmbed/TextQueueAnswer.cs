namespace LlmEmbed;

/// <summary>What a <see cref="TextQueue"/> gives for the texts of one call.</summary>
/// <typeparam name="T">What each text gets.</typeparam>
/// <param name="Values">[N], in the order of the texts.</param>
/// <param name="Texts">[N], what each text was to the model.</param>
/// <param name="Times">Where the time of the call went.</param>
public sealed record TextQueueAnswer<T>(IReadOnlyList<T> Values, IReadOnlyList<QueuedText> Texts, QueueTimes Times);

/// <summary>What a text was to the model.</summary>
/// <param name="Tokens">Its tokens, special ones included; of the backbone with the most where there are several.</param>
/// <param name="IsTruncated">Whether it was longer than the model reads, so that its end did not count.</param>
/// <param name="IsEmpty">Whether it is empty, all white space or gives no token of its own.</param>
public readonly record struct QueuedText(int Tokens, bool IsTruncated, bool IsEmpty);

/// <summary>Where the time of a call went.</summary>
/// <param name="Tokenization">Until all texts were token ids.</param>
/// <param name="Queue">Until the first text was begun.</param>
/// <param name="Inference">Until the last text was computed.</param>
public readonly record struct QueueTimes(TimeSpan Tokenization, TimeSpan Queue, TimeSpan Inference);

/// <summary>A <see cref="TextQueue"/> holds as many tokens as it may. Nothing of the call was taken.</summary>
public sealed class TextQueueFullException : Exception
{
    internal TextQueueFullException(long queuedTokens, int limit, TimeSpan retryAfter)
        : base($"{queuedTokens:N0} tokens wait, and {limit:N0} may. Try again in {retryAfter.TotalSeconds:0.0} s.") => RetryAfter = retryAfter;

    /// <summary>When there will be room, as far as the rate of the last batches tells.</summary>
    public TimeSpan RetryAfter { get; }
}

/// <summary>A text is longer than the model reads, and the caller did not want it truncated.</summary>
public sealed class TextTooLongException : Exception
{
    internal TextTooLongException(int index, int maxTokens)
        : base($"Text {index} has more than {maxTokens:N0} tokens, which is as many as the model reads. Shorten it, or allow truncation.") =>
        (Index, MaxTokens) = (index, maxTokens);

    /// <summary>The place of the text in the call, from 0.</summary>
    public int Index { get; }

    /// <summary>The most tokens that the model reads, special ones included.</summary>
    public int MaxTokens { get; }
}

/// <summary>A text could not be computed, alone or among others. The other texts of its batch are not affected.</summary>
public sealed class TextFailedException : Exception
{
    internal TextFailedException(int index, Exception cause)
        : base($"Text {index} could not be computed: {cause.Message}", cause) => Index = index;

    /// <summary>The place of the text in the call, from 0.</summary>
    public int Index { get; }
}
