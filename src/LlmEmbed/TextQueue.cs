using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using System.Numerics.Tensors;
using LlmEmbed.Engine;
using LlmEmbed.Reading;
using LlmEmbed.Serving;

namespace LlmEmbed;

/// <summary>
/// Computes for many callers at once. The texts of all of them stand in one queue and are cut into batches by tokens, so that single texts of many
/// callers are as fast as one long list, and a caller with many texts does not keep the others waiting. A text gets the result that it gets alone
/// (within 1e-5 of the largest value). The meter and the activity source <c>LlmEmbed</c> tell how full the queue is and where the time goes. All
/// members are thread-safe.
/// </summary>
[SuppressMessage("Naming", "CA1711", Justification = "It is a queue, though no collection that a caller takes things from.")]
public sealed class TextQueue : IDisposable
{
    /// <summary>Texts that are tokenized together; a call can be cancelled between them.</summary>
    private const int TokenizedTogether = 256;

    private readonly BatchWorkers _workers;
    private readonly SemaphoreSlim _tokenizing;
    private readonly int _threads;

    /// <summary>Starts with an empty queue.</summary>
    /// <param name="options">Null takes the defaults.</param>
    /// <exception cref="ArgumentOutOfRangeException">The options allow no thread or no token.</exception>
    public TextQueue(TextQueueOptions? options = null)
    {
        Options = options ?? new TextQueueOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(Options.MaxQueuedTokens, 4, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(_threads = Options.Threads ?? Cores.Usable, 1, nameof(options));
        _workers = new BatchWorkers(_threads, Options.MaxQueuedTokens);
        _tokenizing = new SemaphoreSlim(_threads);
    }

    /// <summary>What the queue was made with.</summary>
    public TextQueueOptions Options { get; }

    /// <summary>Texts that wait.</summary>
    public int QueuedTexts => _workers.Waiting.Texts;

    /// <summary>Tokens that wait, those of all backbones.</summary>
    public long QueuedTokens => _workers.Waiting.Tokens;

    /// <summary>Classifies texts.</summary>
    /// <param name="classifier">Must outlive the call.</param>
    /// <param name="texts">The texts, of any number.</param>
    /// <param name="allowTruncation">Whether a text that is too long loses its end; if not, it is refused.</param>
    /// <param name="cancellationToken">Removes texts from the queue that have not been begun.</param>
    /// <returns>For each text its prediction.</returns>
    /// <exception cref="TextQueueFullException">More tokens wait than the queue may hold.</exception>
    /// <exception cref="TextTooLongException">A text is too long.</exception>
    /// <exception cref="TextFailedException">A text could not be computed.</exception>
    public Task<TextQueueAnswer<Prediction>> PredictAsync(
        TextClassifier classifier, IReadOnlyList<string> texts, bool allowTruncation = true, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(classifier);
        ArgumentNullException.ThrowIfNull(texts);
        return RunAsync(
            "classify",
            string.Join(" + ", classifier.Parts.Reader.Backbones.Select(backbone => backbone.Name)),
            classifier,
            classifier.Parts.Reader.Backbones,
            texts,
            allowTruncation,
            (request, work) => Finite(classifier.Parts.Predict(request, work)),
            cancellationToken);
    }

    /// <summary>Encodes texts.</summary>
    /// <param name="encoder">Must outlive the call.</param>
    /// <param name="texts">The texts, of any number.</param>
    /// <param name="allowTruncation">Whether a text that is too long loses its end; if not, it is refused.</param>
    /// <param name="cancellationToken">Removes texts from the queue that have not been begun.</param>
    /// <returns>For each text its views [D,H].</returns>
    /// <exception cref="TextQueueFullException">More tokens wait than the queue may hold.</exception>
    /// <exception cref="TextTooLongException">A text is too long.</exception>
    /// <exception cref="TextFailedException">A text could not be computed.</exception>
    public Task<TextQueueAnswer<ReadOnlyMemory<float>>> EncodeAsync(
        TextEncoder encoder, IReadOnlyList<string> texts, bool allowTruncation = true, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        ArgumentNullException.ThrowIfNull(texts);
        return RunAsync(
            "encode",
            encoder.Name,
            encoder,
            [encoder.Reader],
            texts,
            allowTruncation,
            (request, work) => RowsOf(encoder.Reader.Read(request.Parts[0], work)),
            cancellationToken);
    }

    /// <summary>
    /// Makes ready what the first texts would otherwise wait for: quantized weights, and blocks compiled for one thread and for all.
    /// </summary>
    /// <param name="classifier">The classifier.</param>
    /// <param name="progress">Told about each backbone.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public void WarmUp(TextClassifier classifier, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(classifier);
        WarmUp(classifier.Parts.Reader.Backbones, progress, cancellationToken);
    }

    /// <inheritdoc cref="WarmUp(TextClassifier, IProgress{WorkProgress}?, CancellationToken)"/>
    /// <param name="encoder">The encoder.</param>
    /// <param name="progress">Told about the backbone.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public void WarmUp(TextEncoder encoder, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        WarmUp([encoder.Reader], progress, cancellationToken);
    }

    /// <summary>Waits for what is computed; what still stands in the queue is cancelled.</summary>
    public void Dispose()
    {
        _workers.Dispose();
        _tokenizing.Dispose();
    }

    private async Task<TextQueueAnswer<T>> RunAsync<T>(
        string operation,
        string model,
        object key,
        IReadOnlyList<BackboneReader> backbones,
        IReadOnlyList<string> texts,
        bool allowTruncation,
        Func<PreparedRequest, Work, T[]> compute,
        CancellationToken cancellationToken)
    {
        using Activity? activity = QueueTelemetry.Start(operation, model, texts.Count);
        _workers.RefuseIfFull();
        long start = Stopwatch.GetTimestamp();
        PreparedRequest request = await TokenizeAsync(backbones, texts, cancellationToken).ConfigureAwait(false);
        TimeSpan tokenization = Stopwatch.GetElapsedTime(start);
        QueuedCall<T> call = new(QueuedModel.Of(key, backbones), request, compute);
        QueuedText[] described = call.Describe();
        if (!allowTruncation && Array.FindIndex(described, text => text.IsTruncated) is >= 0 and int index)
            throw new TextTooLongException(index, backbones.Min(backbone => backbone.Plan.MaxTokens));
        if (texts.Count == 0) return new TextQueueAnswer<T>([], [], new QueueTimes(tokenization, TimeSpan.Zero, TimeSpan.Zero));
        _workers.Add(call);
        await using (cancellationToken.Register(() => _workers.Cancel(call, cancellationToken)).ConfigureAwait(false))
        {
            T[] values = await call.Values.ConfigureAwait(false);
            (TimeSpan queue, TimeSpan inference) = call.Times;
            QueueTimes times = new(tokenization, queue, inference);
            _workers.Telemetry.Ended(activity, call.Cost, times);
            return new TextQueueAnswer<T>(values, described, times);
        }
    }

    /// <summary>The texts as the backbones read them. As many calls do this at once as threads compute.</summary>
    private async Task<PreparedRequest> TokenizeAsync(
        IReadOnlyList<BackboneReader> backbones, IReadOnlyList<string> texts, CancellationToken cancellationToken)
    {
        await _tokenizing.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            return await Task.Run(() => new PreparedRequest(texts, [.. backbones.Select(Prepare)]), cancellationToken).ConfigureAwait(false);
        }
        finally
        {
            _tokenizing.Release();
        }

        PreparedTexts Prepare(BackboneReader backbone)
        {
            PreparedTexts[] parts = [.. texts.Chunk(TokenizedTogether).Select(chunk => backbone.Prepare(chunk, cancellationToken))];
            return parts is [PreparedTexts whole] ? whole : new PreparedTexts(
                [.. parts.SelectMany(part => part.Tokens)], [.. parts.SelectMany(part => part.Keys)], [.. parts.SelectMany(part => part.AreEmpty)]);
        }
    }

    private void WarmUp(IReadOnlyList<BackboneReader> backbones, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        foreach (BackboneReader backbone in backbones)
        {
            foreach (int threads in backbone.CanShareThreads ? (int[])[_threads, 1] : [_threads])
                backbone.WarmUp(new Work(progress, cancellationToken, threads));
        }
    }

    /// <summary>[N,D,H] → for each text [D,H].</summary>
    private static ReadOnlyMemory<float>[] RowsOf(TextEmbeddings embeddings)
    {
        RequireFinite(TensorPrimitives.IsFiniteAll(embeddings.Values));
        return [.. Enumerable.Range(0, embeddings.Count).Select(text => (ReadOnlyMemory<float>)embeddings[text].ToArray())];
    }

    private static Prediction[] Finite(IReadOnlyList<Prediction> predictions)
    {
        RequireFinite(predictions.All(prediction => double.IsFinite(prediction.Probability)));
        return [.. predictions];
    }

    private static void RequireFinite(bool isFinite)
    {
        if (!isFinite) throw new ArithmeticException("the model gives a number that is not finite.");
    }
}
