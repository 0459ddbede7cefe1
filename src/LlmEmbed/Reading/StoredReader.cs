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
    private readonly Dictionary<int, EmbeddingStore> _tokens = []; // by depth, each opened when it is first asked for
    private readonly string _folder;
    private readonly int _hiddenSize;

    /// <param name="inner">Computes what is not stored; disposed of with this reader.</param>
    /// <param name="folder">The folder of all stores.</param>
    /// <param name="fingerprintOf">What decides the bits of the pooled states, or of the token states at a depth.</param>
    /// <param name="row">What is kept of each text; views of different sizes are kept as one.</param>
    /// <param name="hiddenSize">H.</param>
    public StoredReader(IStateReader inner, string folder, Func<int?, EncoderFingerprint> fingerprintOf, ViewRow row, int hiddenSize)
    {
        (_inner, _folder, _hiddenSize) = (inner, folder, hiddenSize);
        _openTokens = depth => EmbeddingStore.Open(folder, fingerprintOf(depth), 1, hiddenSize);
        _views = EmbeddingStore.Open(folder, fingerprintOf(null), row.Shape.Views, row.Shape.Size);
    }

    /// <summary>What was found damaged so far and set aside.</summary>
    public IReadOnlyList<string> Damages => [.. _views.Warnings, .. OpenTokens().SelectMany(store => store.Warnings)];

    /// <inheritdoc/>
    public ReadCost Read(
        PreparedTexts texts, int[] wanted, StateTargets targets, ReadingProgress progress, Work work, Action<int[]>? finished = null)
    {
        int[] missing = [.. wanted.Where(text => !IsStored(texts.Keys[text], targets.Tokens.Depths))];
        ReadCost cost = Compute(texts, missing, targets, progress, work);
        foreach (int text in wanted.Except(missing)) Recall(texts.Keys[text], text, targets);
        return cost;
    }

    public void Dispose()
    {
        _inner.Dispose();
        _views.Dispose();
        Disposal.All(OpenTokens());
    }

    private EmbeddingStore TokensAt(int depth)
    {
        lock (_tokens) return _tokens.TryGetValue(depth, out EmbeddingStore? store) ? store : _tokens[depth] = _openTokens(depth);
    }

    private EmbeddingStore[] OpenTokens()
    {
        lock (_tokens) return [.. _tokens.Values];
    }

    private ReadCost Compute(PreparedTexts texts, int[] missing, StateTargets targets, ReadingProgress progress, Work work)
    {
        using BackgroundWork keeping = new();
        ReadCost cost = _inner.Read(texts, missing, targets, progress, work, shard => keeping.Next(() => Keep(texts, shard, targets)));
        keeping.Finish();
        return cost;
    }

    private bool IsStored(TextKey key, IReadOnlyList<int> depths) => _views.Contains(key) && depths.All(depth => HasTokens(key, depth));

    /// <summary>A text's tokens of a depth are written together, so that the first one stands for all.</summary>
    private bool HasTokens(TextKey key, int depth) => TokensAt(depth).Contains(key.Token(0));

    private void Keep(PreparedTexts texts, int[] shard, StateTargets targets)
    {
        // Tokens first: what has its views has its tokens too, wherever the work ends.
        // What is asked for later than the rest finds the rest there already.
        foreach (int depth in targets.Tokens.Depths)
        {
            int[] lacking = [.. shard.Where(text => !HasTokens(texts.Keys[text], depth))];
            RowTarget tokens = text => targets.Tokens.Of(text, depth);
            TextKey[] keys = [.. lacking.SelectMany(text => Enumerable.Range(0, tokens(text).Length / _hiddenSize).Select(texts.Keys[text].Token))];
            TokensAt(depth).Append(keys, Gather(lacking, tokens)); // [tokens,H]
        }
        int[] unstored = [.. shard.Where(text => !_views.Contains(texts.Keys[text]))];
        _views.Append([.. unstored.Select(text => texts.Keys[text])], Gather(unstored, targets.Rows));
    }

    private void Recall(TextKey key, int text, StateTargets targets)
    {
        bool isThere = _views.TryRead(key, targets.Rows(text));
        foreach (int depth in targets.Tokens.Depths) isThere = isThere && RecallTokens(key, TokensAt(depth), targets.Tokens.Of(text, depth));
        if (isThere) return;
        throw new LlmEmbedException($"The embedding store {_folder} lost a text while it was read; another process may have cleared it. Run again.");
    }

    private bool RecallTokens(TextKey key, EmbeddingStore store, Span<float> states)
    {
        for (int token = 0; token < states.Length / _hiddenSize; token++)
            if (!store.TryRead(key.Token(token), states.Slice(token * _hiddenSize, _hiddenSize))) return false;
        return true;
    }

    /// <summary>Rows of several texts, one after the other.</summary>
    public static float[] Gather(int[] texts, RowTarget rows)
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
