using System.Buffers;
using LlmEmbed.Engine;
using LlmEmbed.Models;

namespace LlmEmbed.Reading;

/// <summary>
/// A backbone compiled for a set of views: only the blocks up to the deepest view exist, and pooling happens inside the graph, so that a run returns
/// [B,D,H] instead of a state [B,T,H] per depth.
/// </summary>
internal sealed class EncoderSession : IDisposable
{
    private const string Embeddings = "embeddings";
    private const string Lengths = "lengths";

    private readonly Backbone _backbone;
    private readonly BlockRange _blocks;
    private readonly ViewRow _row;
    private readonly int[] _ownViews;
    private readonly TokenPooling[][] _poolings;
    private readonly SentenceView? _sentence;
    private readonly PoolingInput[] _poolingInputs;
    private readonly bool _passesOn;
    private readonly int? _padTo;
    private readonly PromptSpan _prompt;
    private readonly PromptPrefix? _prefix;
    private readonly IReadOnlyList<AttentionQuery> _attentionQueries;
    private readonly IReadOnlyList<int> _tokensAt;
    private readonly GraphSession _session;

    /// <param name="backbone">The architecture; its checkpoint must outlive the session, since token embeddings and fp32 weights are read from its
    /// memory map.</param>
    /// <param name="layers">How the blocks' layers are computed; its graph is taken over.</param>
    /// <param name="blocks">The blocks that run here; the views of other depths are left to other sessions.</param>
    /// <param name="views">All D views, already checked against the backbone.</param>
    /// <param name="maxTokens">The longest T of any run.</param>
    /// <param name="padTo">Fixed T, whose padding takes part in <see cref="Pooling.MeanWithPads"/>; null pads to the longest text of a batch.</param>
    /// <param name="threads">Engine threads, 0 for one per physical core.</param>
    /// <param name="prompt">What stands around every text; means and maxima run over the text's own tokens.</param>
    /// <param name="prefix">What every text begins with, read already; null where it goes through the blocks with each text.</param>
    /// <param name="attentionQueries">For <see cref="Pooling.Attention"/>, one for each depth that is pooled so.</param>
    /// <param name="tokensAt">The depths whose states are given token by token; all of them are reached by these blocks.</param>
    /// <param name="sentence">How <see cref="Pooling.Sentence"/> is computed; null if no view asks for it.</param>
    public EncoderSession(
        Backbone backbone,
        Layers layers,
        BlockRange blocks,
        IReadOnlyList<View> views,
        int maxTokens,
        int? padTo,
        int threads,
        PromptSpan prompt = default,
        PromptPrefix? prefix = null,
        IReadOnlyList<AttentionQuery>? attentionQueries = null,
        IReadOnlyList<int>? tokensAt = null,
        SentenceView? sentence = null)
    {
        (_prompt, _prefix, _attentionQueries, _tokensAt, _sentence) = (prompt, prefix, attentionQueries ?? [], tokensAt ?? [], sentence);
        _backbone = backbone;
        _blocks = blocks;
        _row = ViewRow.Of(views, backbone.HiddenSize, sentence);
        bool Reaches(int depth) => (depth > blocks.First && depth <= blocks.End) || (depth == 0 && blocks.First == 0);
        _ownViews = [.. Enumerable.Range(0, views.Count).Where(v => Reaches(views[v].Depth))];
        _poolings =
        [
            .. _ownViews.Select(v => views[v].Pooling).Select(
                pooling => pooling == Pooling.Sentence ? [.. sentence!.Modes] : new TokenPooling[] { Poolings.Of(pooling) }),
        ];
        _poolingInputs = [.. _poolings.SelectMany(pools => pools).Select(pool => pool.Input).OfType<PoolingInput>().Distinct()];
        _padTo = padTo;
        OnnxGraph graph = layers.Graph;
        AttentionInputs inputs = DeclareInputs(graph, maxTokens);
        string[][] pooled = [.. _poolings.Select(pools => new string[pools.Length])];
        string state = "";
        Dictionary<int, string> tokens = [];
        backbone.Forward(layers, inputs, blocks, (depth, hidden) =>
        {
            state = hidden;
            if (_tokensAt.Contains(depth)) tokens[depth] = hidden;
            foreach ((int v, TokenPooling[] pools) in _poolings.Index())
                if (views[_ownViews[v]].Depth == depth)
                    pooled[v] = [.. pools.Select(pool => Pool(layers, depth, hidden, pool))];
        });
        string[] all = [.. pooled.SelectMany(view => view)];
        if (all.Length > 0)
            graph.Output(graph.Node("Concat", all, ("axis", 1)), "pooled", OnnxType.Float, null, all.Length, backbone.HiddenSize);
        foreach (int depth in _tokensAt)
            graph.Output(graph.Node("Identity", [tokens[depth]]), $"tokens.{depth}", OnnxType.Float, null, null, backbone.HiddenSize);
        if (HasState(views)) graph.Output(state, "state", OnnxType.Float, null, null, backbone.HiddenSize);
        _passesOn = HasState(views);
        _session = layers.Compile(threads);
    }

    /// <summary>Runs one batch.</summary>
    /// <param name="batch">The token ids of B texts, none empty.</param>
    /// <param name="destination">A row of D views for each text, of which those of this session's depths are written.</param>
    /// <param name="state">[B,T,H] where other sessions run the blocks before or after: what entered here, and then what comes out; null where this
    /// session runs them all.</param>
    /// <param name="tokens">Told each text's states, where the session gives them.</param>
    public void Run(IReadOnlyList<int[]> batch, Span<float> destination, float[]? state = null, TokenTarget? tokens = null)
    {
        using GraphResults results = RunGraph(batch, state);
        int output = results.Count - (_passesOn ? 1 : 0) - _tokensAt.Count - 1;
        if (tokens is not null)
            foreach ((int place, int depth) in _tokensAt.Index()) Tell(batch, depth, results.Span<float>(output + 1 + place), tokens);
        if (_ownViews.Length > 0) Place(results.Span<float>(output), batch.Count, destination);
        if (_passesOn) results.Span<float>(results.Count - 1).CopyTo(state);
    }

    /// <summary>Tells of the states [B,T,H] of a depth those that attention pooling chooses among.</summary>
    private void Tell(IReadOnlyList<int[]> batch, int depth, ReadOnlySpan<float> states, TokenTarget tokens)
    {
        int length = LengthOf(batch), size = _backbone.HiddenSize;
        PooledBatch seen = SeenBy(batch, length);
        for (int b = 0; b < batch.Count; b++)
        {
            (int start, int count) = seen.Attended(b).GetOffsetAndLength(length);
            tokens(b, depth, states.Slice((b * length + start) * size, count * size));
        }
    }

    /// <summary>Puts what was pooled [B,poolings,H] where its views stand in each text's row.</summary>
    private void Place(ReadOnlySpan<float> pooled, int texts, Span<float> destination)
    {
        for (int text = 0; text < texts; text++)
        {
            foreach ((int v, TokenPooling[] pools) in _poolings.Index())
            {
                int view = _ownViews[v], length = pools.Length * _backbone.HiddenSize;
                Span<float> target = destination.Slice(text * _row.Length + _row.Offsets[view], _row.Sizes[view]);
                if (pools[0] is SentencePooling) _sentence!.Apply(pooled[..length], target);
                else pooled[..length].CopyTo(target);
                pooled = pooled[length..];
            }
        }
    }

    /// <summary>All outputs of the graph.</summary>
    public GraphResults RunGraph(IReadOnlyList<int[]> batch, float[]? state)
    {
        int length = LengthOf(batch);
        // A new array for each batch would be cleared, and soon collected, for nothing.
        float[]? rented = _blocks.First > 0 ? null : ArrayPool<float>.Shared.Rent(batch.Count * length * EnteringSize);
        try
        {
            if (rented is not null) Embed(batch, length, rented);
            using GraphFeeds feeds = new();
            feeds.Add(Embeddings, rented ?? state!, batch.Count, length, EnteringSize);
            feeds.Add(Lengths, batch.Select(ids => ids.Length - PrefixLength).ToArray(), batch.Count);
            foreach (PoolingInput input in _poolingInputs) input.Feed(feeds, input.Name, SeenBy(batch, length));
            return _session.Run(feeds);
        }
        finally
        {
            if (rented is not null) ArrayPool<float>.Shared.Return(rented);
        }
    }

    /// <summary>T of a batch: of what goes through the blocks.</summary>
    public int LengthOf(IReadOnlyList<int[]> batch) => _padTo ?? batch.Max(ids => ids.Length) - PrefixLength;

    private int PrefixLength => _prefix?.Length ?? 0;

    /// <summary>Channels of what enters the graph.</summary>
    private int EnteringSize => _blocks.First > 0 ? _backbone.HiddenSize : _backbone.EmbeddingSize;

    private bool HasState(IReadOnlyList<View> views) => views.Max(view => view.Depth) > _blocks.End;

    public void Dispose() => _session.Dispose();

    private PooledBatch SeenBy(IReadOnlyList<int[]> batch, int length) => new(batch, length, _prompt, PrefixLength, _backbone.IsCausal)
    {
        SentencePrompt = _sentence is { IncludesPrompt: false } ? _prompt : default,
    };

    private AttentionInputs DeclareInputs(OnnxGraph graph, int maxTokens)
    {
        string embeddings = graph.Input(Embeddings, OnnxType.Float, null, null, EnteringSize);
        foreach (PoolingInput input in _poolingInputs) input.Declare(graph, input.Name);
        return new AttentionInputs(embeddings, graph.Input(Lengths, OnnxType.Int32, [null]), maxTokens) { Prefix = _prefix };
    }

    /// <summary>[B,T,H] → [B,H].</summary>
    private string Pool(Layers layers, int depth, string state, TokenPooling pooling)
    {
        float[]? query = _attentionQueries.FirstOrDefault(query => query.Depth == depth)?.Values;
        return pooling.Nodes(new PoolingNodes(layers, _backbone, state, pooling.Input?.Name ?? "", query));
    }

    /// <summary>What enters the graph of the first block: [B,T,E].</summary>
    private void Embed(IReadOnlyList<int[]> batch, int length, float[] embeddings)
    {
        int size = EnteringSize;
        int[] padded = new int[length];
        for (int b = 0; b < batch.Count; b++)
        {
            ReadOnlySpan<int> ids = batch[b].AsSpan(PrefixLength);
            ids.CopyTo(padded);
            padded.AsSpan(ids.Length).Fill(_backbone.PadId);
            // Padding is looked up only where it counts; elsewhere zeros do, since nothing attends to it.
            int rows = _padTo is null ? ids.Length : length;
            Span<float> text = embeddings.AsSpan(b * length * size, length * size);
            _backbone.EmbedBehind(PrefixLength, padded.AsSpan(0, rows), text[..(rows * size)]);
            text[(rows * size)..].Clear();
        }
    }
}

/// <summary>Told the states [tokens,H] of a text that attention pooling chooses among.</summary>
/// <param name="text">Its place in the batch.</param>
/// <param name="depth">Of these states.</param>
/// <param name="states">Valid during the call only.</param>
internal delegate void TokenTarget(int text, int depth, ReadOnlySpan<float> states);
