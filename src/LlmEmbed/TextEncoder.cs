using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using LlmEmbed.Checkpoints;
using LlmEmbed.Comparison;
using LlmEmbed.Engine;
using LlmEmbed.Files;
using LlmEmbed.Models;
using LlmEmbed.Reading;
using LlmEmbed.Tokenization;

namespace LlmEmbed;

/// <summary>
/// A frozen language model that turns texts into pooled hidden states. Texts are tokenized, sorted by length into batches, sent through the blocks up to the
/// deepest wanted view, and pooled; with a cache folder each distinct text is computed once, and an interrupted run resumes where it stopped.
/// </summary>
public sealed class TextEncoder : ITextEncoder
{
    private const int DefaultMaxTokens = 256;

    /// <summary>The format of what the store keeps; part of the fingerprint, so that a change of the mathematics never meets old embeddings.</summary>
    private const string FormatVersion = "2";

    /// <summary>What texts are read behind. The same token twice would not do for a text of one: attention over equal values gives what it gives of one.</summary>
    private const string Lead = "\n", LeadPrompt = Lead + "{text}";

    private readonly Checkpoint _checkpoint;
    private readonly Backbone _backbone;
    private readonly Tokenizer _tokenizer;
    private readonly EncoderEngine _engine;
    private readonly EmbeddingStore? _store;
    private readonly EncoderOptions _options;
    private readonly int? _leadToken;
    private EmbeddingStore? _tokenStore;
    private bool _isDisposed;

    private TextEncoder(string source, string name, Checkpoint checkpoint, Backbone backbone, Tokenizer tokenizer, EncoderOptions options)
    {
        Source = source;
        Name = name;
        _checkpoint = checkpoint;
        _backbone = backbone;
        bool needsLead = backbone.IsDecoder && tokenizer.Frame.Before.Length == 0;
        if (options is { LeadsTexts: true, Prompt: null, PadTo: null } && needsLead) options = options with { Prompt = LeadPrompt };
        IsPrompted = options.Prompt is not null && !(needsLead && options.Prompt == LeadPrompt);
        _tokenizer = options.Prompt is string prompt ? tokenizer.WithPrompt(prompt) : tokenizer;
        _options = options;
        Views = ViewSelection.Resolve(options, backbone);
        MaxTokens = options.MaxTokens ?? options.PadTo ?? Math.Min(DefaultMaxTokens, backbone.MaxTokens);
        Validate();
        bool isLed = backbone.IsDecoder && options.PadTo is null && Views.All(view => view.Pooling is Pooling.MeanSkipFirst or Pooling.Last or Pooling.Attention);
        if (isLed && tokenizer.Encode(Lead, MaxTokens).Ids is [int first, ..]) _leadToken = first;
        WeightsSha256 = checkpoint.Sha256();
        TokenizerSha256 = FileHash.OfAll(tokenizer.SourceFiles);
        _engine = new EncoderEngine(
            checkpoint,
            backbone,
            sentence => tokenizer.Encode(sentence, MaxTokens).Ids,
            sentence => _tokenizer.Encode(sentence, MaxTokens).Ids,
            WeightsSha256 + TokenizerSha256,
            new EngineOptions(Views, options.PadTo ?? MaxTokens, options.PadTo, options.Threads ?? Cores.Usable, options.Precision, options.MemoryBytes, options.WeightsFolder ?? options.CacheFolder, PromptSpan, options.AttentionQuery));
        Fingerprint = BuildFingerprint();
        if (options.CacheFolder is string folder) _store = EmbeddingStore.Open(folder, Fingerprint, Views.Count, HiddenSize);
    }

    /// <inheritdoc/>
    public string Name { get; }

    /// <inheritdoc/>
    public int HiddenSize => _backbone.HiddenSize;

    /// <inheritdoc/>
    public IReadOnlyList<View> Views { get; }

    /// <summary>Longest input in tokens, special tokens included; what is longer loses its end.</summary>
    public int MaxTokens { get; }

    /// <summary>What matrix products are computed in: <see cref="Precision.Fp32"/> or <see cref="Precision.Int8"/>.</summary>
    public Precision Precision => _engine.Precision;

    /// <summary>Why that precision was chosen; empty where it was asked for.</summary>
    internal string PrecisionReason => _engine.Reason;

    internal MemoryPlan MemoryPlan => _engine.Plan;

    internal int? PadTo => _options.PadTo;

    internal string? Prompt => _options.Prompt;

    /// <summary>Whether more stands around texts than what a decoder needs before them.</summary>
    internal bool IsPrompted { get; }

    internal EncoderOptions Options => _options;

    /// <summary>Whether a text's first token is the first of all to a decoder, whose state then says nothing of it.</summary>
    internal bool BeginsWithText => _backbone.IsDecoder && _tokenizer.Frame.Before.Length == 0;

    private PromptSpan PromptSpan => Prompt is null ? default : new(_tokenizer.Frame.Before.Length, _tokenizer.Frame.After.Length);

    /// <summary>What the backbone was asked for by: a name or a path.</summary>
    internal string Source { get; }

    /// <summary>L, the number of blocks of the backbone.</summary>
    public int BlockCount => _backbone.BlockCount;

    /// <summary>SHA-256 over the checkpoint's weights and configuration, by which a classifier recognizes its backbone.</summary>
    internal string WeightsSha256 { get; }

    internal string TokenizerSha256 { get; }

    internal EncoderFingerprint Fingerprint { get; }

    internal Backbone Backbone => _backbone;

    internal Tokenizer Tokenizer => _tokenizer;

    internal Checkpoint Checkpoint => _checkpoint;

    /// <summary>The backbone with its language-model head, in the same precision. The encoder must outlive it, and must have a view of the last depth.</summary>
    internal LanguageModel OpenLanguageModel(int rows, int capacity) => new(_backbone, _engine.LayersFor, rows, capacity, _options.Threads ?? Cores.Usable);

    internal IReadOnlyList<string> StoreWarnings => _store?.Warnings ?? [];

    /// <summary>Opens a backbone.</summary>
    /// <param name="backbone">A checkpoint folder, a .gguf file, the name of a folder of models, or a repository in the local Hugging Face cache.</param>
    /// <param name="options">What to keep of each text; null takes the defaults.</param>
    /// <exception cref="LlmEmbedException">The backbone is not there, damaged, not implemented, or does not have what the options ask for.</exception>
    public static TextEncoder Load(string backbone, EncoderOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        options ??= new EncoderOptions();
        LocatedBackbone located = BackboneLocator.Find(backbone, options.ModelFolders);
        Checkpoint checkpoint = Checkpoint.Open(located.Path);
        try
        {
            return new TextEncoder(backbone, located.Name, checkpoint, Backbone.Create(checkpoint), Tokenizer.Load(located.Path), options);
        }
        catch
        {
            checkpoint.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public TextEmbeddings Encode(IReadOnlyList<string> texts, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        float[] values = new float[checked(texts.Count * RowLength)]; // [N,D,H]
        return new TextEmbeddings(Views, HiddenSize, values, Encode(texts, text => RowOf(values, text), progress, cancellationToken));
    }

    /// <summary>Encodes texts into rows that the caller has, and their tokens' states where they are asked for.</summary>
    internal EncodingStatistics Encode(
        IReadOnlyList<string> texts, RowTarget rows, IProgress<WorkProgress>? progress, CancellationToken cancellationToken, TokenRows? tokenRows = null)
    {
        long start = Stopwatch.GetTimestamp();
        return Encode(Prepare(texts, cancellationToken), rows, progress, cancellationToken, tokenRows) with { Elapsed = Stopwatch.GetElapsedTime(start) };
    }

    /// <summary>What needs no engine, and so can be done while one is at work.</summary>
    internal PreparedTexts Prepare(IReadOnlyList<string> texts, CancellationToken cancellationToken) => new(Tokenize(texts, cancellationToken), [.. texts.Select(TextKey.Of)]);

    /// <summary>The rest of the work.</summary>
    internal TextEmbeddings Encode(PreparedTexts texts, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        float[] values = new float[checked(texts.Keys.Length * RowLength)]; // [N,D,H]
        return new TextEmbeddings(Views, HiddenSize, values, Encode(texts, text => RowOf(values, text), progress, cancellationToken));
    }

    private EncodingStatistics Encode(PreparedTexts texts, RowTarget rows, IProgress<WorkProgress>? progress, CancellationToken cancellationToken, TokenRows? tokenRows = null)
    {
        // The checkpoint is mapped memory: reading it after it is unmapped would end the process.
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        long start = Stopwatch.GetTimestamp();
        (TokenizedText[] tokens, TextKey[] keys) = texts;

        // Every distinct text once, in the order of its first appearance.
        int[] distinct = Enumerable.Range(0, keys.Length).DistinctBy(i => keys[i]).Where(i => tokens[i].Ids.Length > 0).ToArray();
        if (tokenRows is not null && _options.CacheFolder is string folder) _tokenStore ??= EmbeddingStore.Open(folder, TokenFingerprint(tokenRows.Depth), 1, HiddenSize);
        int[] missing = distinct.Where(i => !IsStored(keys[i]) || (tokenRows is not null && !TokensAreStored(keys[i]))).ToArray();
        int kept = distinct.Length - missing.Length;

        Cost cost = Compute(missing, tokens, keys, rows, tokenRows, new Reporter(progress, $"Reading {Name}", kept, distinct.Length), cancellationToken);
        Gather(distinct.Except(missing).ToHashSet(), keys, tokens, rows, tokenRows);
        return new EncodingStatistics(
            keys.Length,
            missing.Length,
            kept,
            tokens.Count(text => text.Truncated),
            cost.Tokens,
            cost.PaddedTokens,
            Stopwatch.GetElapsedTime(start),
            Enumerable.Range(0, keys.Length).Where(i => tokens[i].Ids.Length == 0).ToArray());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_isDisposed) return;
        _isDisposed = true;
        _engine.Dispose();
        _store?.Dispose();
        _tokenStore?.Dispose();
        _checkpoint.Dispose();
    }

    /// <summary>For each batch that these texts would make the tokens of its texts.</summary>
    internal IEnumerable<int[]> PlannedLengths(IReadOnlyList<string> texts)
    {
        (TokenizedText[] tokens, TextKey[] keys) = Prepare(texts, CancellationToken.None);
        foreach (int[] shard in Shards([.. Enumerable.Range(0, keys.Length).DistinctBy(i => keys[i])], tokens))
        {
            int[] lengths = [.. shard.Select(i => tokens[i].Ids.Length)];
            foreach (int[] batch in BatchPlanner.Plan(lengths, _backbone.BatchTokens, _options.PadTo)) yield return [.. batch.Select(b => lengths[b])];
        }
    }

    /// <summary>D × H.</summary>
    internal int RowLength => Views.Count * HiddenSize;

    private Span<float> RowOf(float[] values, int row) => values.AsSpan(row * RowLength, RowLength);

    private TokenizedText[] Tokenize(IReadOnlyList<string> texts, CancellationToken cancellationToken)
    {
        TokenizedText[] tokens = new TokenizedText[texts.Count];
        ParallelOptions options = new() { CancellationToken = cancellationToken, MaxDegreeOfParallelism = _options.Threads ?? Environment.ProcessorCount };
        Parallel.For(0, texts.Count, options, i => tokens[i] = Tokenize(texts[i]));
        return tokens;
    }

    private TokenizedText Tokenize(string text)
    {
        TokenizedText tokens = _tokenizer.Encode(text, MaxTokens);
        // A prompt around nothing is no text.
        if (Prompt is not null && tokens.Ids.Length == _tokenizer.Frame.Count) return tokens with { Ids = [] };
        // The state of a decoder's first token says nothing of the text and is far from all others: a single token must not be the first.
        bool isFirst = PromptSpan.Before == 0 && tokens.Ids.Length - PromptSpan.After == 1 && tokens.Ids.Length < MaxTokens;
        return isFirst && _leadToken is int lead ? tokens with { Ids = [lead, .. tokens.Ids] } : tokens;
    }

    /// <summary>The mean number of tokens that go through the blocks.</summary>
    internal double TokensPerText(IReadOnlyList<string> texts) => Tokenize(texts, CancellationToken.None).Average(text => (double)Math.Max(0, LengthOf(text.Ids)));

    /// <summary>Tokens of a text that go through the blocks.</summary>
    private int LengthOf(int[] ids) => ids.Length - _engine.PrefixLength;

    /// <summary>For each text the number of tokens whose states <see cref="TokenRows"/> takes.</summary>
    internal int[] AttendedCounts(IReadOnlyList<string> texts) =>
        [.. Tokenize(texts, CancellationToken.None).Select(text => PromptSpan.Attended(text.Ids.Length, _backbone.IsDecoder).GetOffsetAndLength(text.Ids.Length).Length)];

    private bool IsStored(TextKey key) => _store is not null && _store.Contains(key);

    /// <summary>A text's tokens are written together, so that the first one stands for all.</summary>
    private bool TokensAreStored(TextKey key) => _tokenStore is not null && _tokenStore.Contains(key.Token(0));

    /// <summary>Sends the missing texts through the backbone, shard by shard, and keeps each finished shard while the next one is computed.</summary>
    private Cost Compute(int[] missing, TokenizedText[] tokens, TextKey[] keys, RowTarget rows, TokenRows? tokenRows, Reporter reporter, CancellationToken cancellationToken)
    {
        Cost cost = default;
        using Pending keeping = new();
        foreach (int[] shard in Shards(missing, tokens))
        {
            IReadOnlyList<int[]> plan = BatchPlanner.Plan(shard.Select(i => LengthOf(tokens[i].Ids)).ToArray(), _backbone.BatchTokens, _options.PadTo);
            int[][][] batches = [.. plan.Select(batch => batch.Select(b => tokens[shard[b]].Ids).ToArray())];
            float[] values = new float[shard.Length * RowLength]; // [shard,D,H]
            void Take(int index, float[] pooled) // [B,D,H]
            {
                for (int b = 0; b < plan[index].Length; b++) RowOf(pooled, b).CopyTo(RowOf(values, plan[index][b]));
                cost.Add([.. batches[index].Select(LengthOf)], _options.PadTo);
                reporter.Advance(plan[index].Length);
            }

            TokenTarget TakeTokens(int index) => (b, states) => states.CopyTo(tokenRows!.Of(shard[plan[index][b]]));
            _engine.Run(batches, Take, cancellationToken, tokenRows is null ? null : TakeTokens, tokenRows?.Depth);
            if (_store is not null) keeping.Next(() => Keep(shard, keys, values, tokenRows));
            for (int i = 0; i < shard.Length; i++) RowOf(values, i).CopyTo(rows(shard[i]));
        }
        keeping.Finish();
        return cost;
    }

    /// <param name="shard">The texts.</param>
    /// <param name="keys">Of all texts.</param>
    /// <param name="values">[shard,D,H].</param>
    /// <param name="tokenRows">Of all texts; null where tokens are not asked for.</param>
    private void Keep(int[] shard, TextKey[] keys, float[] values, TokenRows? tokenRows)
    {
        // Tokens first: what has its views has its tokens too, wherever the work ends.
        if (tokenRows is not null)
        {
            int CountOf(int text) => tokenRows.Of(text).Length / HiddenSize;
            float[] states = new float[shard.Sum(CountOf) * HiddenSize]; // [tokens,H]
            int end = 0;
            foreach (int text in shard)
            {
                tokenRows.Of(text).CopyTo(states.AsSpan(end));
                end += tokenRows.Of(text).Length;
            }
            _tokenStore!.Append([.. shard.SelectMany(text => Enumerable.Range(0, CountOf(text)).Select(keys[text].Token))], states);
        }
        // With tokens asked for later than the rest, the rest is there already.
        int[] unstored = [.. Enumerable.Range(0, shard.Length).Where(i => tokenRows is null || !_store!.Contains(keys[shard[i]]))];
        _store!.Append([.. unstored.Select(i => keys[shard[i]])], unstored.Length == shard.Length ? values : [.. unstored.SelectMany(i => RowOf(values, i).ToArray())]);
    }

    /// <summary>Consecutive texts of as many tokens as go through the engine together. The cut depends only on the texts, so a resumed run forms the same batches as an undisturbed one.</summary>
    private IEnumerable<int[]> Shards(int[] indexes, TokenizedText[] tokens)
    {
        List<int> shard = [];
        long shardTokens = 0;
        foreach (int i in indexes)
        {
            shard.Add(i);
            shardTokens += _options.PadTo ?? LengthOf(tokens[i].Ids);
            if (shardTokens < _engine.Plan.TextTokens) continue;
            yield return shard.ToArray();
            shard.Clear();
            shardTokens = 0;
        }
        if (shard.Count > 0) yield return shard.ToArray();
    }

    /// <summary>Fills the rows that were not computed now: those in the store, and repeated texts.</summary>
    private void Gather(HashSet<int> stored, TextKey[] keys, TokenizedText[] tokens, RowTarget rows, TokenRows? tokenRows)
    {
        Dictionary<TextKey, int> firstOf = [];
        for (int i = 0; i < keys.Length; i++)
        {
            if (tokens[i].Ids.Length == 0) continue;
            if (!firstOf.TryAdd(keys[i], i))
            {
                rows(firstOf[keys[i]]).CopyTo(rows(i));
                tokenRows?.Of(firstOf[keys[i]]).CopyTo(tokenRows.Of(i));
            }
            else if (stored.Contains(i) && !(_store!.TryRead(keys[i], rows(i)) && (tokenRows is null || TryReadTokens(keys[i], tokenRows.Of(i)))))
            {
                throw new LlmEmbedException($"The embedding store {_options.CacheFolder} lost a text while it was read; another process may have cleared it. Run again.");
            }
        }
    }

    private bool TryReadTokens(TextKey key, Span<float> states)
    {
        for (int token = 0; token < states.Length / HiddenSize; token++)
            if (!_tokenStore!.TryRead(key.Token(token), states.Slice(token * HiddenSize, HiddenSize))) return false;
        return true;
    }

    private void Validate()
    {
        if (Views.Count == 0) throw new LlmEmbedException("No depth and pooling to keep: name at least one.");
        foreach (View view in Views)
        {
            if (view.Depth < 0 || view.Depth > BlockCount)
                throw new LlmEmbedException($"Depth {view.Depth} is outside 0..{BlockCount}, the depths of {Name}.");
            if (view.Pooling == Pooling.Pooler && !_backbone.HasPooler)
                throw new LlmEmbedException($"Pooling 'pooler' needs a checkpoint with a pooler; {Name} ({_checkpoint.Config.ModelType}) has none. Use 'first' or 'mean'.");
            if (view.Pooling == Pooling.Pooler && view.Depth != BlockCount)
                throw new LlmEmbedException($"Pooling 'pooler' reads the last depth only, which is {BlockCount} for {Name}; depth {view.Depth} was asked for.");
            if (view.Pooling == Pooling.Attention && _options.AttentionQuery is null)
                throw new LlmEmbedException("Pooling 'attention' is learned from labelled texts by train, so it cannot be asked for. Use 'mean'.");
            if (view.Pooling == Pooling.MeanWithPads && _options.PadTo is null)
                throw new LlmEmbedException("Pooling 'mean-with-pads' needs a fixed length to pad to (--pad-to).");
        }
        if (_options.AttentionQuery is { } query && query.Length != HiddenSize)
            throw new LlmEmbedException($"The query of attention pooling has {query.Length} numbers; the hidden states of {Name} have {HiddenSize}.");
        if (MaxTokens < 1 || MaxTokens > _backbone.MaxTokens)
            throw new LlmEmbedException($"At most {MaxTokens} tokens were asked for; {Name} has positions for 1 to {_backbone.MaxTokens}.");
        if (_options.Threads < 1) throw new LlmEmbedException($"{_options.Threads} threads were asked for, expected at least 1.");
        if (_options.PadTo is int padTo && (padTo < MaxTokens || padTo > _backbone.MaxTokens))
            throw new LlmEmbedException($"Texts cannot be padded to {padTo} tokens: expected at least the {MaxTokens} tokens that texts may have and at most the {_backbone.MaxTokens} positions of {Name}.");
        if (_options.PadTo is not null && _backbone.PadId >= _backbone.VocabularySize)
            throw new LlmEmbedException($"{_checkpoint.Config.Source}: 'pad_token_id' is {_backbone.PadId}, but the model has embeddings for {_backbone.VocabularySize} tokens only; padding to a fixed length needs one.")
            { FilePath = _checkpoint.Config.Source };
        if (Prompt is not null && _options.PadTo is not null) throw new LlmEmbedException("A prompt and padding to a fixed length (--pad-to) cannot be combined: the released recipe that pads has no prompt.");
        _ = _tokenizer.Encode("", MaxTokens); // refuses a limit that leaves no room beside the special tokens
        if (_tokenizer.VocabularySize > _backbone.VocabularySize)
            throw new LlmEmbedException(
                $"{_checkpoint.Path}: the tokenizer has ids up to {_tokenizer.VocabularySize - 1}, but the model has embeddings for {_backbone.VocabularySize} tokens only. The files belong to different models.")
            { FilePath = _checkpoint.Path };
    }

    /// <summary>Everything that decides an embedding's bits.</summary>
    private EncoderFingerprint BuildFingerprint() =>
        FingerprintOf(string.Join(' ', Views.Select(PoolingNames.NameOf)), _options.AttentionQuery is { } query ? [("attention_query", Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes<float>(query))))] : []);

    /// <summary>The states of tokens at a depth do not depend on the views that are kept beside them, but for what stands before a single token.</summary>
    private EncoderFingerprint TokenFingerprint(int depth) => FingerprintOf($"{depth}:tokens", ("lead", _leadToken?.ToString() ?? ""));

    private EncoderFingerprint FingerprintOf(string views, params IEnumerable<(string Name, string Value)> more) => new(
    [
        ("format", FormatVersion),
        ("model_type", _checkpoint.Config.ModelType),
        ("weights_sha256", WeightsSha256),
        ("tokenizer_sha256", TokenizerSha256),
        ("views", views),
        ("max_tokens", MaxTokens.ToString()),
        ("pad_to", _options.PadTo?.ToString() ?? ""),
        ("prompt", Prompt ?? ""),
        ("precision", Precision == Precision.Int8 ? $"int8, scheme {Int8Weights.Scheme}" : PrecisionNames.NameOf(Precision)),
        .. more,
    ]);

    /// <summary>Tokens that a call sent through the backbone.</summary>
    private record struct Cost(long Tokens, long PaddedTokens)
    {
        public void Add(int[] lengths, int? padTo)
        {
            Tokens += lengths.Sum(length => (long)length);
            PaddedTokens += (long)lengths.Length * (padTo ?? lengths.Max());
        }
    }

    /// <summary>One piece of work at a time beside the caller's. What is begun is finished, however the caller ends.</summary>
    private sealed class Pending : IDisposable
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

    private sealed class Reporter
    {
        private readonly IProgress<WorkProgress>? _progress;
        private WorkProgress _value;

        /// <summary>Reports the start too, so that rates count from there and a run that finds everything in the store says so.</summary>
        public Reporter(IProgress<WorkProgress>? progress, string stage, int kept, int total)
        {
            _progress = total > 0 ? progress : null;
            _value = new WorkProgress(stage, kept, total, "texts", kept);
            Advance(0);
        }

        public void Advance(int texts)
        {
            _value = _value with { Done = _value.Done + texts };
            _progress?.Report(_value);
        }
    }
}

/// <summary>Where the embedding [D,H] of a text goes, by the text's index.</summary>
internal delegate Span<float> RowTarget(int text);

/// <summary>Where the states of a text's tokens go: those that attention pooling chooses among, <see cref="TextEncoder.AttendedCounts"/> of them.</summary>
/// <param name="Depth">Their depth.</param>
/// <param name="Of">[tokens,H], by the text's index.</param>
internal sealed record TokenRows(int Depth, RowTarget Of);

/// <summary>Texts as the engine reads them, and their names in the store.</summary>
internal sealed record PreparedTexts(TokenizedText[] Tokens, TextKey[] Keys);
