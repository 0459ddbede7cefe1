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
    private const string MeanWeights = "mean_weights";
    private const string MeanSkipFirstWeights = "mean_skip_first_weights";
    private const string LastPosition = "last_position";
    private const string MaxBias = "max_bias";
    private const string AttentionPoolingBias = "attention_pooling_bias";

    private readonly Backbone _backbone;
    private readonly BlockRange _blocks;
    private readonly int _viewCount;
    private readonly int[] _ownViews;
    private readonly IReadOnlyList<View> _views;
    private readonly bool _passesOn;
    private readonly int? _padTo;
    private readonly PromptSpan _prompt;
    private readonly PromptPrefix? _prefix;
    private readonly float[]? _attentionQuery;
    private readonly bool _givesTokens;
    private readonly GraphSession _session;

    /// <param name="backbone">The architecture; its checkpoint must outlive the session, since token embeddings and fp32 weights are read from its memory map.</param>
    /// <param name="layers">How the blocks' layers are computed; its graph is taken over.</param>
    /// <param name="blocks">The blocks that run here; the views of other depths are left to other sessions.</param>
    /// <param name="views">All D views, already checked against the backbone.</param>
    /// <param name="maxTokens">The longest T of any run.</param>
    /// <param name="padTo">Fixed T, whose padding takes part in <see cref="Pooling.MeanWithPads"/>; null pads to the longest text of a batch.</param>
    /// <param name="threads">Engine threads, 0 for one per physical core.</param>
    /// <param name="prompt">What stands around every text; means and maxima run over the text's own tokens.</param>
    /// <param name="prefix">What every text begins with, read already; null where it goes through the blocks with each text.</param>
    /// <param name="attentionQuery">[H], for <see cref="Pooling.Attention"/>.</param>
    /// <param name="tokensAt">The depth whose states are given token by token; null gives none.</param>
    public EncoderSession(
        Backbone backbone, Layers layers, BlockRange blocks, IReadOnlyList<View> views, int maxTokens, int? padTo, int threads, PromptSpan prompt = default, PromptPrefix? prefix = null,
        float[]? attentionQuery = null, int? tokensAt = null)
    {
        (_prompt, _prefix, _attentionQuery, _givesTokens) = (prompt, prefix, attentionQuery, tokensAt is not null);
        _backbone = backbone;
        _blocks = blocks;
        _viewCount = views.Count;
        _ownViews = [.. Enumerable.Range(0, views.Count).Where(v => (views[v].Depth > blocks.First && views[v].Depth <= blocks.End) || (views[v].Depth == 0 && blocks.First == 0))];
        _views = [.. _ownViews.Select(v => views[v])];
        _padTo = padTo;
        OnnxGraph graph = layers.Graph;
        AttentionInputs inputs = DeclareInputs(graph, maxTokens);
        string[] pooled = new string[_views.Count];
        string state = "", tokens = "";
        try
        {
            backbone.Forward(layers, inputs, blocks, (depth, hidden) =>
            {
                state = hidden;
                if (depth == tokensAt) tokens = hidden;
                for (int v = 0; v < pooled.Length; v++)
                    if (_views[v].Depth == depth) pooled[v] = graph.Node("Unsqueeze", [Pool(graph, hidden, _views[v].Pooling), graph.Constant<long>([1], 1)]); // [B,1,H]
            });
            if (pooled.Length > 0) graph.Output(graph.Node("Concat", pooled, ("axis", 1)), "pooled", OnnxType.Float, null, pooled.Length, backbone.HiddenSize);
            if (_givesTokens) graph.Output(graph.Node("Identity", [tokens]), "tokens", OnnxType.Float, null, null, backbone.HiddenSize);
            if (HasState(views)) graph.Output(state, "state", OnnxType.Float, null, null, backbone.HiddenSize);
            _passesOn = HasState(views);
            _session = new GraphSession(graph, threads);
        }
        catch
        {
            // A weight that is missing or damaged ends the work halfway, and nothing else would free the ones before it.
            foreach (WeightBuffer weight in graph.Weights) weight.Dispose();
            throw;
        }
    }

    /// <summary>Runs one batch.</summary>
    /// <param name="batch">The token ids of B texts, none empty.</param>
    /// <param name="destination">[B,D,H], of which the views of this session's depths are written.</param>
    /// <param name="state">[B,T,H] where other sessions run the blocks before or after: what entered here, and then what comes out; null where this session runs them all.</param>
    /// <param name="tokens">Told each text's states, where the session gives them.</param>
    public void Run(IReadOnlyList<int[]> batch, Span<float> destination, float[]? state = null, TokenTarget? tokens = null)
    {
        using GraphResults results = RunGraph(batch, state);
        int output = results.Count - (_passesOn ? 1 : 0) - (_givesTokens ? 1 : 0) - 1, size = _backbone.HiddenSize;
        if (_givesTokens)
        {
            ReadOnlySpan<float> states = results.Span<float>(output + 1); // [B,T,H]
            int length = LengthOf(batch);
            for (int b = 0; b < batch.Count; b++)
            {
                (int start, int count) = Attended(batch[b]).GetOffsetAndLength(length);
                tokens?.Invoke(b, states.Slice((b * length + start) * size, count * size));
            }
        }
        if (_ownViews.Length > 0)
        {
            ReadOnlySpan<float> pooled = results.Span<float>(output); // [B,own,H]
            for (int row = 0; row < batch.Count * _ownViews.Length; row++)
                pooled.Slice(row * size, size).CopyTo(destination[((row / _ownViews.Length * _viewCount + _ownViews[row % _ownViews.Length]) * size)..]);
        }
        if (_passesOn) results.Span<float>(results.Count - 1).CopyTo(state);
    }

    /// <summary>All outputs of the graph.</summary>
    public GraphResults RunGraph(IReadOnlyList<int[]> batch, float[]? state)
    {
        int length = LengthOf(batch);
        // A new array for each batch would be cleared, and soon collected, for nothing.
        float[]? rented = _blocks.First > 0 ? null : ArrayPool<float>.Shared.Rent(batch.Count * length * _backbone.HiddenSize);
        try
        {
            if (rented is not null) Embed(batch, length, rented);
            using GraphFeeds feeds = new();
            feeds.Add(Embeddings, rented ?? state!, batch.Count, length, _backbone.HiddenSize);
            feeds.Add(Lengths, batch.Select(ids => ids.Length - PrefixLength).ToArray(), batch.Count);
            AddPooling(feeds, batch, length);
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

    private bool HasState(IReadOnlyList<View> views) => views.Max(view => view.Depth) > _blocks.End;

    public void Dispose() => _session.Dispose();

    private bool Uses(Pooling pooling) => _views.Any(view => view.Pooling == pooling);

    private AttentionInputs DeclareInputs(OnnxGraph graph, int maxTokens)
    {
        string embeddings = graph.Input(Embeddings, OnnxType.Float, null, null, _backbone.HiddenSize);
        if (Uses(Pooling.Mean)) graph.Input(MeanWeights, OnnxType.Float, null, 1, null);
        if (Uses(Pooling.MeanSkipFirst)) graph.Input(MeanSkipFirstWeights, OnnxType.Float, null, 1, null);
        if (Uses(Pooling.Last)) graph.Input(LastPosition, OnnxType.Int64, null, 2);
        if (Uses(Pooling.Max)) graph.Input(MaxBias, OnnxType.Float, null, null, 1);
        if (Uses(Pooling.Attention)) graph.Input(AttentionPoolingBias, OnnxType.Float, null, null, 1);
        return new AttentionInputs(embeddings, graph.Input(Lengths, OnnxType.Int32, [null]), maxTokens) { Prefix = _prefix };
    }

    /// <summary>[B,T,H] → [B,H].</summary>
    private string Pool(OnnxGraph graph, string state, Pooling pooling)
    {
        string First() => graph.Node("Gather", [state, graph.Scalar(0L)], ("axis", 1));
        string AttentionWeights() // [B,T,1]
        {
            string scores = graph.Node("MatMul", [state, graph.Constant<float>(_attentionQuery!, _backbone.HiddenSize, 1)]);
            return graph.Node("Softmax", [graph.Node("Add", [scores, AttentionPoolingBias])], ("axis", 1));
        }
        string Squeeze(string value) => graph.Node("Squeeze", [value, graph.Constant<long>([1], 1)]);
        return pooling switch
        {
            Pooling.Mean => Squeeze(graph.Node("MatMul", [MeanWeights, state])), // [B,1,T]·[B,T,H]
            Pooling.MeanSkipFirst => Squeeze(graph.Node("MatMul", [MeanSkipFirstWeights, state])),
            Pooling.MeanWithPads => graph.Node("ReduceMean", [state, graph.Constant<long>([1], 1)], ("keepdims", 0)),
            Pooling.Max => graph.Node("ReduceMax", [graph.Node("Add", [state, MaxBias]), graph.Constant<long>([1], 1)], ("keepdims", 0)),
            Pooling.Last => graph.Node("GatherND", [state, LastPosition]),
            Pooling.First => First(),
            Pooling.Pooler => _backbone.Pool(graph, First()),
            Pooling.Attention => Squeeze(graph.Node("MatMul", [graph.Node("Transpose", [AttentionWeights()], ("perm", [0L, 2, 1])), state])),
            _ => throw new ArgumentOutOfRangeException(nameof(pooling), pooling, null),
        };
    }

    /// <summary>What enters the first block: [B,T,H].</summary>
    private void Embed(IReadOnlyList<int[]> batch, int length, float[] embeddings)
    {
        int size = _backbone.HiddenSize;
        int[] padded = new int[length];
        for (int b = 0; b < batch.Count; b++)
        {
            ReadOnlySpan<int> ids = batch[b].AsSpan(PrefixLength);
            ids.CopyTo(padded);
            padded.AsSpan(ids.Length).Fill(_backbone.PadId);
            // Padding is looked up only where it counts; elsewhere zeros do, since nothing attends to it.
            int rows = _padTo is null ? ids.Length : length;
            Span<float> text = embeddings.AsSpan(b * length * size, length * size);
            _backbone.Embed(padded.AsSpan(0, rows), text[..(rows * size)]);
            text[(rows * size)..].Clear();
        }
    }

    private void AddPooling(GraphFeeds feeds, IReadOnlyList<int[]> batch, int length)
    {
        if (Uses(Pooling.Mean)) feeds.Add(MeanWeights, MeansOver(batch, length, TextOf), batch.Count, 1, length);
        if (Uses(Pooling.MeanSkipFirst)) feeds.Add(MeanSkipFirstWeights, MeansOver(batch, length, TextWithoutFirst), batch.Count, 1, length);
        if (Uses(Pooling.Last)) feeds.Add(LastPosition, batch.SelectMany((ids, b) => new long[] { b, ids.Length - PrefixLength - 1 }).ToArray(), batch.Count, 2);
        if (Uses(Pooling.Max)) feeds.Add(MaxBias, PerToken(batch, length, TextOf, _ => 0f, elsewhere: float.NegativeInfinity), batch.Count, length, 1);
        if (Uses(Pooling.Attention)) feeds.Add(AttentionPoolingBias, PerToken(batch, length, Attended, _ => 0f, elsewhere: float.NegativeInfinity), batch.Count, length, 1);
    }

    private static float[] MeansOver(IReadOnlyList<int[]> batch, int length, Func<int[], Range> tokens) => PerToken(batch, length, tokens, count => 1f / count, elsewhere: 0f);

    /// <summary>[B,T]: a value for some tokens of each text, by how many they are.</summary>
    private static float[] PerToken(IReadOnlyList<int[]> batch, int length, Func<int[], Range> tokens, Func<int, float> value, float elsewhere)
    {
        float[] values = new float[batch.Count * length];
        Array.Fill(values, elsewhere);
        for (int b = 0; b < batch.Count; b++)
        {
            Span<float> own = values.AsSpan(b * length, length)[tokens(batch[b])];
            own.Fill(value(own.Length));
        }
        return values;
    }

    private Range TextOf(int[] ids) => BehindPrefix(_prompt.Text(ids.Length));

    private Range TextWithoutFirst(int[] ids) => BehindPrefix(_prompt.TextWithoutFirst(ids.Length));

    private Range Attended(int[] ids) => BehindPrefix(_prompt.Attended(ids.Length, _backbone.IsDecoder));

    /// <summary>The same tokens among those that go through the blocks.</summary>
    private Range BehindPrefix(Range tokens) => (tokens.Start.Value - PrefixLength)..(tokens.End.Value - PrefixLength);
}

/// <summary>Told the states [tokens,H] of a text that attention pooling chooses among.</summary>
/// <param name="text">Its place in the batch.</param>
/// <param name="states">Valid during the call only.</param>
internal delegate void TokenTarget(int text, ReadOnlySpan<float> states);
