namespace LlmEmbed;

/// <summary>
/// Turns texts into pooled hidden states of one frozen backbone. <see cref="TextEncoder"/> implements it; a test may have an implementation of its
/// own.
/// </summary>
public interface ITextEncoder : IDisposable
{
    /// <summary>The backbone's name.</summary>
    string Name { get; }

    /// <summary>H, the size of a view: the backbone's hidden size, unless only <see cref="Pooling.Sentence"/> is read.</summary>
    int HiddenSize { get; }

    /// <summary>The D views that each text gets.</summary>
    IReadOnlyList<View> Views { get; }

    /// <summary>Encodes texts. A text gets the same embedding alone and in any company (within 1e-5 of its largest value). Thread-safe.</summary>
    /// <param name="texts">The N texts.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellationToken">Stops between two batches; with a cache, what is finished is kept.</param>
    /// <returns>[N,D,H] in the order of the texts.</returns>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    TextEmbeddings Encode(IReadOnlyList<string> texts, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default);
}

/// <summary>How far a long piece of work is.</summary>
/// <param name="Stage">What is being done, in words for a person.</param>
/// <param name="Done">Units finished, those found in a cache included.</param>
/// <param name="Total">All units of the stage.</param>
/// <param name="Unit">What is counted, e.g. "texts".</param>
/// <param name="Kept">Units that were found finished at the start (in a cache, by an interrupted run).</param>
public readonly record struct WorkProgress(string Stage, long Done, long Total, string Unit, long Kept = 0)
{
    /// <summary>
    /// Something that the user should read, such as a warning of the Hugging Face Hub; null in most reports. The numbers say nothing where it is
    /// given.
    /// </summary>
    public string? Notice { get; init; }
}
