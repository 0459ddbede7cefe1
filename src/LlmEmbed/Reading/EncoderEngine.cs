using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using LlmEmbed.Engine;
using LlmEmbed.Models;

namespace LlmEmbed.Reading;

/// <summary>Runs batches of token ids through the blocks of a backbone, which it compiles when they are first needed.</summary>
internal sealed class EncoderEngine : IDisposable
{
    /// <summary>
    /// Largest network (bytes) whose batches go through lanes, a thread each. Of larger ones single texts and lanes would need two compiled sessions,
    /// and lanes gain nothing.
    /// </summary>
    private const long MostLaneBytes = 2L << 30;

    private readonly OpenBackbone _open;
    private readonly Backbone _backbone;
    private readonly BackbonePlan _plan;
    private readonly TextPreparation _preparation;
    private readonly RuntimeOptions _runtime;
    private readonly int _threads;
    private readonly SentenceView? _sentence;
    private readonly int _row; // numbers of a text

    /// <summary>
    /// Tokens with which texts begin and which are read once. Only a causal backbone's states do not depend on what follows.
    /// </summary>
    private readonly int[] _prefix;

    private readonly Lock _compiling = new();

    /// <summary>All blocks compiled, if they are in memory together.</summary>
    private CompiledBlocks? _compiled;

    /// <param name="open">Must outlive the engine.</param>
    /// <param name="plan">What it is made for; a precision that is left open is chosen here, which runs a few built-in texts.</param>
    /// <param name="preparation">Token ids of the built-in texts, as texts will be read.</param>
    /// <param name="runtime">How it runs.</param>
    /// <param name="work">Told about quantization, if a precision has to be chosen.</param>
    public EncoderEngine(OpenBackbone open, BackbonePlan plan, TextPreparation preparation, RuntimeOptions runtime, Work work = default)
    {
        (_open, _backbone, _plan, _preparation, _runtime, _threads) = (open, open.Model, plan, preparation, runtime, runtime.Threads ?? Cores.Usable);
        _sentence = plan.ReadsSentence ? open.Sentence : null;
        _row = open.RowOf(plan.Views).Length;
        _prefix = _backbone.IsCausal && plan.Depth > 0 && !plan.Views.Any(ReadsPrompt) ? preparation.IdsBefore : [];
        (Precision, Reason) = plan.Precision == Precision.Auto
            ? new PrecisionChoice(open, plan, preparation, runtime).Choose((precision, texts) => RunAll(precision, texts, work))
            : (plan.Precision, "");
        Plan = PlanOf(Precision);
    }

    /// <summary>Fp32 or int8.</summary>
    public Precision Precision { get; }

    /// <summary>Why, in words for people; empty if the precision was asked for.</summary>
    public string Reason { get; }

    /// <summary>Which blocks are in memory together.</summary>
    public MemoryPlan Plan { get; }

    /// <summary>
    /// Tokens at the beginning of a text that are read once for all texts that begin with them. Blocks that are loaded in turn would have to be
    /// loaded twice for this.
    /// </summary>
    public int PrefixLengthOf(int[] ids) => Plan.IsStreamed ? 0 : SharedPrefixOf(ids);

    /// <summary>Whether several threads may each compute a batch of its own.</summary>
    public bool CanShareThreads => !Plan.IsStreamed && HasLanes(Plan);

    /// <summary>Runs batches.</summary>
    /// <param name="batches">Token ids of the texts of each batch, none empty; in a batch all have the same <see cref="PrefixLengthOf"/>.</param>
    /// <param name="done">Told each batch's index and its pooled states [B,D,H], of one batch at a time, in any order.</param>
    /// <param name="work">Told about quantization, if this is the first run; stops between two batches.</param>
    /// <param name="tokens">
    /// For each batch who is told its states token by token, of several batches at once. Not possible if blocks are loaded in turn.
    /// </param>
    /// <param name="tokensAt">The depths of these states; none if the caller does not want token states.</param>
    public void Run(
        IReadOnlyList<int[][]> batches, Action<int, float[]> done, Work work, Func<int, TokenTarget> tokens, IReadOnlyList<int> tokensAt) =>
        Run(Precision, batches, done, work, tokens, tokensAt);

    /// <summary>Makes ready what the first single text would otherwise wait for: quantized weights and the compiled blocks.</summary>
    public void WarmUp(Work work)
    {
        if (!Plan.IsStreamed) SessionFor(Precision, Plan.Runs[0], tokensAt: [], work.Threads ?? _threads, _prefix.Length, work);
    }

    /// <summary>A new network in the engine's precision, for another graph of the same blocks. The engine must outlive its session.</summary>
    public Layers NewLayers()
    {
        lock (_compiling) return _open.Weights.NewLayers(
            Precision, Compiled(Precision, tokensAt: []).Lease.Store, _plan.Depth, isStreamed: false, default);
    }

    public void Dispose() => _compiled?.Dispose();

    private int SharedPrefixOf(int[] ids) => ids.Length > _prefix.Length && ids.AsSpan().StartsWith(_prefix) ? _prefix.Length : 0;

    private bool ReadsPrompt(View view) =>
        view.Pooling == Pooling.Sentence ? _sentence!.ReadsPrompt : Poolings.Of(view.Pooling).ReadsPrompt;

    private MemoryPlan PlanOf(Precision precision) => MemoryPlan.Of(_backbone, _plan.Depth, precision, _runtime.MemoryBytes);

    private void Run(
        Precision precision,
        IReadOnlyList<int[][]> batches,
        Action<int, float[]> done,
        Work work,
        Func<int, TokenTarget> tokens,
        IReadOnlyList<int> tokensAt)
    {
        MemoryPlan plan = PlanOf(precision);
        if (plan.IsStreamed) RunInTurn(precision, plan, batches, done, work);
        else RunTogether(precision, plan, batches, done, work, tokens, tokensAt);
    }

    /// <summary>All blocks are in memory: each batch goes through all of them.</summary>
    private void RunTogether(
        Precision precision,
        MemoryPlan plan,
        IReadOnlyList<int[][]> batches,
        Action<int, float[]> done,
        Work work,
        Func<int, TokenTarget> tokens,
        IReadOnlyList<int> tokensAt)
    {
        int threads = work.Threads ?? _threads, lanes = LanesFor(plan, batches.Count, threads);
        EncoderSession SessionOf(int[][] batch) =>
            SessionFor(precision, plan.Runs[0], tokensAt, threads / lanes, SharedPrefixOf(batch[0]), work);
        EncoderSession[] sessions = [.. batches.Select(SessionOf)];
        Lock oneAtATime = new();
        InLanes(batches.Count, lanes, i =>
        {
            float[] pooled = new float[batches[i].Length * _row]; // [B,D,H]
            sessions[i].Run(batches[i], pooled, tokens: tokens(i));
            lock (oneAtATime) done(i, pooled);
        }, work.CancellationToken);
    }

    /// <summary>Blocks are loaded in turn: all batches go through some of them before the next ones are loaded.</summary>
    private void RunInTurn(Precision precision, MemoryPlan plan, IReadOnlyList<int[][]> batches, Action<int, float[]> done, Work work)
    {
        float[][] states = new float[batches.Count][], results = [.. batches.Select(batch => new float[batch.Length * _row])];
        foreach (BlockRange blocks in plan.Runs)
        {
            using WeightStore store = new(); // these blocks alone are in memory
            Layers layers = _open.Weights.NewLayers(precision, store, _plan.Depth, isStreamed: true, work);
            using EncoderSession session = Compile(layers, blocks, _threads, prefix: null, tokensAt: []);
            for (int i = 0; i < batches.Count; i++)
            {
                work.CancellationToken.ThrowIfCancellationRequested();
                session.Run(batches[i], results[i], states[i] ??= new float[batches[i].Length * session.LengthOf(batches[i]) * _backbone.HiddenSize]);
            }
        }
        for (int i = 0; i < batches.Count; i++) done(i, results[i]);
    }

    /// <summary>
    /// How many batches are computed at once, by a thread each: threads that share a batch wait for each other after every product and every pass,
    /// and for the one whose core a neighbour disturbs. Few batches go one after the other through all threads. So do all batches of large networks.
    /// </summary>
    private int LanesFor(MemoryPlan plan, int batches, int threads) => batches >= 2 * threads && HasLanes(plan) ? threads : 1;

    private bool HasLanes(MemoryPlan plan) => plan.Bytes <= Math.Min(MostLaneBytes, _runtime.MemoryBytes / 2 ?? long.MaxValue);

    /// <summary>Works on every batch once, on several at a time, the first ones first.</summary>
    private static void InLanes(int batches, int lanes, Action<int> work, CancellationToken cancellationToken)
    {
        ParallelOptions options = new() { MaxDegreeOfParallelism = lanes, CancellationToken = cancellationToken };
        try
        {
            Parallel.ForEach(Partitioner.Create(Enumerable.Range(0, batches), EnumerablePartitionerOptions.NoBuffering), options, work);
        }
        catch (AggregateException exception)
        {
            ExceptionDispatchInfo.Throw(exception.InnerExceptions[0]);
        }
    }

    /// <summary>
    /// The session of all blocks for a number of threads, kept for the next run. Compiling reads the weights: who finds everything in a store never
    /// pays for it.
    /// </summary>
    private EncoderSession SessionFor(
        Precision precision, BlockRange blocks, IReadOnlyList<int> tokensAt, int threads, int prefixLength, Work work)
    {
        lock (_compiling)
        {
            CompiledBlocks compiled = Compiled(precision, tokensAt);
            if (compiled.Sessions.TryGetValue((threads, prefixLength), out EncoderSession? session)) return session;
            if (prefixLength > 0) compiled.Prefix ??= PromptPrefix.Read(_backbone, Layers(), _plan.Depth, _preparation.IdsBefore, _threads);
            session = Compile(Layers(), blocks, threads, prefixLength > 0 ? compiled.Prefix : null, tokensAt);
            compiled.Sessions.Add((threads, prefixLength), session);
            return session;

            Layers Layers() => _open.Weights.NewLayers(precision, compiled.Lease.Store, _plan.Depth, isStreamed: false, work);
        }
    }

    private CompiledBlocks Compiled(Precision precision, IReadOnlyList<int> tokensAt)
    {
        if (_compiled is { } compiled && compiled.Precision == precision && compiled.TokensAt.SequenceEqual(tokensAt)) return compiled;
        _compiled?.Dispose();
        return _compiled = new CompiledBlocks(precision, tokensAt, _open.Weights.Lease(precision));
    }

    private EncoderSession Compile(Layers layers, BlockRange blocks, int threads, PromptPrefix? prefix, IReadOnlyList<int> tokensAt) => new(
        _backbone,
        layers,
        blocks,
        _plan.Views,
        _plan.PadTo ?? _plan.MaxTokens,
        _plan.PadTo,
        threads,
        _preparation.Prompt,
        prefix,
        _plan.AttentionQueries,
        tokensAt,
        _sentence);

    /// <summary>The pooled states [N,D,H] of some texts in a precision.</summary>
    private float[] RunAll(Precision precision, int[][] texts, Work work)
    {
        float[][] values = new float[texts.Length][];
        Run(precision, [.. texts.Select(text => new[] { text })], (text, pooled) => values[text] = pooled, work, _ => (_, _, _) => { }, []);
        return [.. values.SelectMany(text => text)];
    }

    /// <summary>The blocks as they are compiled for numbers of threads, and for texts that begin with what is read already or do not.</summary>
    private sealed record CompiledBlocks(Precision Precision, IReadOnlyList<int> TokensAt, WeightLease Lease) : IDisposable
    {
        public Dictionary<(int Threads, int PrefixLength), EncoderSession> Sessions { get; } = [];

        public PromptPrefix? Prefix { get; set; }

        public void Dispose()
        {
            foreach (EncoderSession session in Sessions.Values) session.Dispose();
            Lease.Dispose();
        }
    }
}
