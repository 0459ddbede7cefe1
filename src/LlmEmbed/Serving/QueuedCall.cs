using System.Diagnostics;
using LlmEmbed.Reading;
using LlmEmbed.Tokenization;

namespace LlmEmbed.Serving;

/// <summary>A model to the queue.</summary>
/// <param name="Instance">The classifier or encoder.</param>
/// <param name="BatchTokens">Padded tokens that are best computed together.</param>
/// <param name="CanShareThreads">Whether several threads may each compute a batch.</param>
internal readonly record struct QueuedModel(object Instance, int BatchTokens, bool CanShareThreads)
{
    /// <summary>A model that reads texts by backbones.</summary>
    public static QueuedModel Of(object instance, IReadOnlyList<BackboneReader> backbones) => new(
        instance, backbones.Min(backbone => backbone.BatchTokens), backbones.All(backbone => backbone.CanShareThreads));
}

/// <summary>The texts that one caller wants to have computed by one model.</summary>
/// <param name="model">What computes them.</param>
/// <param name="request">The texts as the backbones read them.</param>
internal abstract class QueuedCall(QueuedModel model, PreparedRequest request)
{
    private readonly long _enqueued = Stopwatch.GetTimestamp();
    private long _begun;
    private long _released;

    /// <summary>What computes the texts. Calls of the same model share batches.</summary>
    public QueuedModel Model { get; } = model;

    /// <summary>The texts as the backbones read them.</summary>
    public PreparedRequest Request { get; } = request;

    /// <summary>What all texts cost: tokens of all backbones.</summary>
    public long Cost { get; } = Enumerable.Range(0, request.Texts.Count).Sum(text => (long)CostOf(request, text));

    /// <summary>The tokens for which the call counts in a full queue.</summary>
    public long Weight { get; set; }

    /// <summary>Texts that are not computed yet. This and the next two are changed under the lock of the queue only.</summary>
    public int Left { get; set; } = request.Texts.Count;

    /// <summary>Texts that are being computed. The call does not end before they do, since its caller may free the model then.</summary>
    public int Running { get; set; }

    /// <summary>Why the call will have no result.</summary>
    public Exception? Failure { get; set; }

    /// <summary>When the first text was begun and the last one ended.</summary>
    public (TimeSpan Queue, TimeSpan Inference) Times =>
        (Stopwatch.GetElapsedTime(_enqueued, _begun), Stopwatch.GetElapsedTime(_begun));

    /// <summary>Computes texts of this and other calls of the model.</summary>
    /// <returns>A value for each text.</returns>
    public abstract Array Compute(PreparedRequest texts, Work work);

    /// <summary>Takes the value of a text.</summary>
    public abstract void Take(int text, Array values, int place);

    /// <summary>All texts have their values.</summary>
    public abstract void Succeed();

    /// <summary>The call ends without a result.</summary>
    public abstract void Fail(Exception exception);

    /// <summary>Tokens of a text that go through the backbones, at least 1.</summary>
    public static int CostOf(PreparedRequest request, int text) => Math.Max(1, request.Parts.Sum(part => part.Tokens[text].Ids.Length));

    /// <summary>Tokens of a text of the backbone with the most.</summary>
    public static int LengthOf(PreparedRequest request, int text) => Math.Max(1, request.Parts.Max(part => part.Tokens[text].Ids.Length));

    /// <summary>What each text was to the model.</summary>
    public QueuedText[] Describe() => [.. Request.Texts.Select((text, index) => new QueuedText(
        Request.Parts.Max(part => part.Tokens[index].Ids.Length),
        Request.Parts.Any(part => part.Tokens[index].Truncated),
        Request.Parts.Any(part => part.AreEmpty[index]) || string.IsNullOrWhiteSpace(text)))];

    /// <summary>A text leaves the queue to be computed.</summary>
    /// <returns>The part of <see cref="Weight"/> that it frees.</returns>
    public long Begin(WaitingText text)
    {
        if (_begun == 0) _begun = Stopwatch.GetTimestamp();
        Running++;
        long share = Weight * text.Cost / Math.Max(1, Cost);
        _released += share;
        return share;
    }

    /// <summary>The part of <see cref="Weight"/> that no text has freed.</summary>
    public long ReleaseRest()
    {
        long rest = Weight - _released;
        _released = Weight;
        return rest;
    }

    /// <summary>The texts of a batch, of several calls, as one request.</summary>
    public static PreparedRequest Join(IReadOnlyList<WaitingText> batch)
    {
        PreparedTexts PartOf(int backbone)
        {
            TokenizedText[] tokens = new TokenizedText[batch.Count];
            TextKey[] keys = new TextKey[batch.Count];
            bool[] areEmpty = new bool[batch.Count];
            foreach ((int place, WaitingText text) in batch.Index())
            {
                PreparedTexts part = text.Call.Request.Parts[backbone];
                (tokens[place], keys[place], areEmpty[place]) = (part.Tokens[text.Index], part.Keys[text.Index], part.AreEmpty[text.Index]);
            }
            return new PreparedTexts(tokens, keys, areEmpty);
        }

        IReadOnlyList<PreparedTexts> parts = batch[0].Call.Request.Parts;
        return new PreparedRequest([.. batch.Select(text => text.Call.Request.Texts[text.Index])], [.. parts.Select((_, part) => PartOf(part))]);
    }
}

/// <summary>A call whose texts each get a value of a type.</summary>
/// <typeparam name="T">What a text gets.</typeparam>
internal sealed class QueuedCall<T>(
    QueuedModel model, PreparedRequest request, Func<PreparedRequest, Work, T[]> compute) : QueuedCall(model, request)
{
    private readonly T[] _values = new T[request.Texts.Count];
    private readonly TaskCompletionSource<T[]> _completion = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The values, when all are there.</summary>
    public Task<T[]> Values => _completion.Task;

    /// <inheritdoc/>
    public override Array Compute(PreparedRequest texts, Work work) => compute(texts, work);

    /// <inheritdoc/>
    public override void Take(int text, Array values, int place) => _values[text] = ((T[])values)[place];

    /// <inheritdoc/>
    public override void Succeed() => _completion.TrySetResult(_values);

    /// <inheritdoc/>
    public override void Fail(Exception exception)
    {
        if (exception is OperationCanceledException cancelled) _completion.TrySetCanceled(cancelled.CancellationToken);
        else _completion.TrySetException(exception);
    }
}
