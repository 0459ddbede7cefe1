namespace LlmEmbed.Reading;

/// <summary>
/// Remembers on disk what another reader computed: a text that is in the store is not read again, and each finished shard is kept while the next one
/// is computed. What was kept before an interruption is found by the next run.
/// </summary>
internal sealed class StoredReader : IStateReader
{
    private readonly IStateReader _inner;
    private readonly EmbeddingStore _views;
    private readonly Func<int, EmbeddingStore> _openTokens;
    private readonly string _folder;
    private readonly int _hiddenSize;
    private EmbeddingStore? _tokens;

    /// <param name="inner">Computes what is not stored; disposed of with this reader.</param>
    /// <param name="folder">The folder of all stores.</param>
    /// <param name="fingerprintOf">What decides the bits of the pooled states, or of the token states at a depth.</param>
    /// <param name="row">What is kept of each text; views of different sizes are kept as one.</param>
    /// <param name="hiddenSize">H.</param>
    public StoredReader(IStateReader inner, string folder, Func<int?, EncoderFingerprint> fingerprintOf, ViewRow row, int hiddenSize)
    {
        (_inner, _folder, _hiddenSize) = (inner, folder, hiddenSize);
        _openTokens = depth => EmbeddingStore.Open(folder, fingerprintOf(depth), 1, hiddenSize);
        (int views, int size) = row.CommonSize is int common ? (row.Sizes.Count, common) : (1, row.Length);
        _views = EmbeddingStore.Open(folder, fingerprintOf(null), views, size);
    }

    /// <summary>What was found damaged so far and set aside.</summary>
    public IReadOnlyList<string> Damages => [.. _views.Warnings, .. _tokens?.Warnings ?? []];

    /// <inheritdoc/>
    public ReadCost Read(
        PreparedTexts texts, int[] wanted, StateTargets targets, ReadingProgress progress, Work work, Action<int[]>? finished = null)
    {
        if (targets.Tokens is not null) _tokens ??= _openTokens(targets.Tokens.Depth);
        int[] missing = [.. wanted.Where(text => !IsStored(texts.Keys[text], targets.Tokens is not null))];
        ReadCost cost = Compute(texts, missing, targets, progress, work);
        foreach (int text in wanted.Except(missing)) Recall(texts.Keys[text], text, targets);
        return cost;
    }

    public void Dispose()
    {
        _inner.Dispose();
        _views.Dispose();
        _tokens?.Dispose();
    }

    private ReadCost Compute(PreparedTexts texts, int[] missing, StateTargets targets, ReadingProgress progress, Work work)
    {
        using BackgroundWork keeping = new();
        ReadCost cost = _inner.Read(texts, missing, targets, progress, work, shard => keeping.Next(() => Keep(texts, shard, targets)));
        keeping.Finish();
        return cost;
    }

    /// <summary>A text's tokens are written together, so that the first one stands for all.</summary>
    private bool IsStored(TextKey key, bool withTokens) => _views.Contains(key) && (!withTokens || _tokens!.Contains(key.Token(0)));

    private void Keep(PreparedTexts texts, int[] shard, StateTargets targets)
    {
        // Tokens first: what has its views has its tokens too, wherever the work ends.
        if (targets.Tokens is { } tokens)
        {
            float[] states = Gather(shard, text => tokens.Of(text)); // [tokens,H]
            TextKey[] keys = [.. shard.SelectMany(text => Enumerable.Range(0, tokens.Of(text).Length / _hiddenSize).Select(texts.Keys[text].Token))];
            _tokens!.Append(keys, states);
        }
        // Where tokens are asked for later than the views, the views are there already.
        int[] unstored = targets.Tokens is null ? shard : [.. shard.Where(text => !_views.Contains(texts.Keys[text]))];
        _views.Append([.. unstored.Select(text => texts.Keys[text])], Gather(unstored, targets.Rows));
    }

    private void Recall(TextKey key, int text, StateTargets targets)
    {
        if (_views.TryRead(key, targets.Rows(text)) && (targets.Tokens is null || RecallTokens(key, targets.Tokens.Of(text)))) return;
        throw new LlmEmbedException($"The embedding store {_folder} lost a text while it was read; another process may have cleared it. Run again.");
    }

    private bool RecallTokens(TextKey key, Span<float> states)
    {
        for (int token = 0; token < states.Length / _hiddenSize; token++)
            if (!_tokens!.TryRead(key.Token(token), states.Slice(token * _hiddenSize, _hiddenSize))) return false;
        return true;
    }

    /// <summary>Rows of several texts, one after the other.</summary>
    private static float[] Gather(int[] texts, RowTarget rows)
    {
        int length = 0;
        foreach (int text in texts) length += rows(text).Length;
        float[] values = new float[length];
        int end = 0;
        foreach (int text in texts)
        {
            rows(text).CopyTo(values.AsSpan(end));
            end += rows(text).Length;
        }
        return values;
    }

    /// <summary>One piece of work at a time beside the caller's. What is begun is finished, however the caller ends.</summary>
    private sealed class BackgroundWork : IDisposable
    {
        private Task _work = Task.CompletedTask;

        /// <summary>Begins as soon as the last one has ended; its exception is thrown here.</summary>
        public void Next(Action work)
        {
            Finish();
            _work = Task.Run(work);
        }

        public void Finish() => _work.GetAwaiter().GetResult();

        public void Dispose() => _work.ContinueWith(_ => { }, TaskScheduler.Default).Wait();
    }
}
