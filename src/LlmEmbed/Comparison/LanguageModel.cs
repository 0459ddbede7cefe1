using LlmEmbed.Engine;
using LlmEmbed.Models;

namespace LlmEmbed.Comparison;

/// <summary>
/// A decoder with its language-model head. It holds B rows of tokens that grow: a run of tokens into one row, or one token into each row. Keys and
/// values of what a row holds are kept, so that no token is read twice, and a row can be cut back to an earlier length at no cost.
/// </summary>
internal sealed class LanguageModel : IDisposable
{
    private const string Embeddings = "embeddings", LastIndex = "last_index", TotalLength = "total_length", LastPosition = "last_position";

    private readonly Backbone _backbone;
    private readonly KeyValueCache _cache;
    private readonly GraphSession _blocks, _head;
    private readonly int[] _lengths;

    /// <summary>[B,H], after the final norm, of each row's last token.</summary>
    private readonly float[] _states;

    /// <summary>[B,V].</summary>
    private readonly float[] _logProbabilities;

    /// <param name="backbone">The architecture, which must have a language-model head.</param>
    /// <param name="newLayers">Begins a network in the wanted precision.</param>
    /// <param name="rows">B.</param>
    /// <param name="capacity">The most tokens of a row.</param>
    /// <param name="threads">Engine threads, 0 for one per physical core.</param>
    public LanguageModel(Backbone backbone, Func<Layers> newLayers, int rows, int capacity, int threads)
    {
        (_backbone, Rows, Capacity) = (backbone, rows, capacity);
        (_lengths, _states, _logProbabilities) = (
            new int[rows], new float[rows * backbone.HiddenSize], new float[checked(rows * backbone.VocabularySize)]);
        _cache = new KeyValueCache(backbone.BlockCount, backbone.KeptHeads, rows, capacity);
        Layers blocks = newLayers(), head = newLayers();
        AddBlocks(blocks);
        _blocks = blocks.Compile(threads);
        AddHead(head);
        _head = head.Compile(threads);
    }

    /// <summary>B.</summary>
    public int Rows { get; }

    /// <summary>The most tokens of a row.</summary>
    public int Capacity { get; }

    /// <summary>Tokens that went through the blocks so far.</summary>
    public long TokensRead { get; private set; }

    /// <summary>Bytes of keys and values of one token.</summary>
    public static long CacheBytes(Backbone backbone) => 2L * sizeof(float) * backbone.BlockCount * backbone.KeptHeads.Width;

    /// <summary>Tokens in a row.</summary>
    public int Length(int row) => _lengths[row];

    /// <summary>Appends tokens to one row.</summary>
    public void Read(int row, int[] ids)
    {
        // The engine continues a row by more than one token only where it is alone.
        Run(row, 1, ids);
        _lengths[row] += ids.Length;
    }

    /// <summary>Appends one token to each of the first rows.</summary>
    public void Step(int[] ids)
    {
        Run(0, ids.Length, ids);
        for (int row = 0; row < ids.Length; row++) _lengths[row]++;
    }

    /// <summary>Forgets what a row holds behind its first tokens.</summary>
    public void Cut(int row, int length) => _lengths[row] = Math.Min(_lengths[row], length);

    /// <summary>Makes a row hold what another one does.</summary>
    public void Copy(int from, int to)
    {
        _cache.Copy(from, to);
        _lengths[to] = _lengths[from];
    }

    /// <summary>Exchanges what two rows hold. Before log-probabilities of them are asked for, both must grow again.</summary>
    public void Swap(int first, int second)
    {
        if (first != second) _cache.Swap(first, second);
        (_lengths[first], _lengths[second]) = (_lengths[second], _lengths[first]);
    }

    /// <summary>
    /// [rows,V]: for each of the first rows the log-probability of every token to come next. Asked for after <see cref="Read"/> or
    /// <see cref="Step"/>, before <see cref="Cut"/>.
    /// </summary>
    /// <returns>Valid until the next call.</returns>
    public ReadOnlySpan<float> LogProbabilities(int rows)
    {
        using GraphFeeds feeds = new(), results = new();
        feeds.Add(nameof(_states), _states, rows, _backbone.HiddenSize);
        results.Add("log_probabilities", _logProbabilities, rows, _backbone.VocabularySize);
        _head.Run(feeds, results);
        return _logProbabilities.AsSpan(0, rows * _backbone.VocabularySize);
    }

    public void Dispose()
    {
        _blocks.Dispose();
        _head.Dispose();
    }

    private void Run(int firstRow, int rows, int[] ids)
    {
        int length = ids.Length / rows, size = _backbone.HiddenSize; // T
        float[] embeddings = new float[ids.Length * size]; // [B,T,H]
        _backbone.Embed(ids, embeddings);
        int[] lastIndex = [.. Enumerable.Range(firstRow, rows).Select(row => _lengths[row] + length - 1)];
        if (lastIndex.Max() >= Capacity) throw new InvalidOperationException($"A row of {Capacity} tokens is full.");
        using GraphFeeds feeds = new(), results = new();
        feeds.Add(Embeddings, embeddings, rows, length, size)
            .Add(LastIndex, lastIndex, rows)
            .Add(TotalLength, [lastIndex.Max() + 1])
            .Add(LastPosition, [.. Enumerable.Range(0, rows).SelectMany(row => new long[] { row, length - 1 })], rows, 2);
        _cache.AddTo(feeds, results, firstRow, rows);
        results.Add("state", _states.AsMemory(firstRow * size), rows, size);
        _blocks.Run(feeds, results);
        TokensRead += ids.Length;
    }

    /// <summary>Token embeddings [B,T,H] → the last token's state [B,H].</summary>
    private void AddBlocks(Layers layers)
    {
        OnnxGraph graph = layers.Graph;
        AttentionInputs inputs = new(
            graph.Input(Embeddings, OnnxType.Float, null, null, _backbone.HiddenSize),
            Lengths: "",
            Capacity)
        {
            Growing = new(
                graph.Input(LastIndex, OnnxType.Int32, [null]), graph.Input(TotalLength, OnnxType.Int32), block => _cache.Declare(graph, block)),
        };
        graph.Input(LastPosition, OnnxType.Int64, null, 2);
        string state = "";
        _backbone.Forward(layers, inputs, new BlockRange(0, _backbone.BlockCount), (_, hidden) => state = hidden);
        graph.Output(graph.Node("GatherND", [state, LastPosition]), "state", OnnxType.Float, null, _backbone.HiddenSize);
    }

    /// <summary>[B,H] → [B,V].</summary>
    private void AddHead(Layers layers)
    {
        OnnxGraph graph = layers.Graph;
        string states = graph.Input(nameof(_states), OnnxType.Float, null, _backbone.HiddenSize);
        string logits = layers.Linear(states, _backbone.LanguageHead!);
        graph.Output(graph.Node("LogSoftmax", [logits], ("axis", -1)), "log_probabilities", OnnxType.Float, null, _backbone.VocabularySize);
    }
}
