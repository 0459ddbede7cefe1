using LlmEmbed.Engine;
using LlmEmbed.Models;

namespace LlmEmbed.Comparison;

/// <summary>
/// Keys and values of B rows of at most T tokens, [B,kv,T,d] for each block. The engine reads them and writes the new ones behind, in place.
/// </summary>
internal sealed class KeyValueCache(int blocks, KeptHeads heads, int rows, int capacity)
{
    private readonly int _rowValues = checked(heads.Width * capacity);
    private readonly (string Name, float[] Values)[] _buffers =
        [
            .. Enumerable.Range(0, blocks).SelectMany(block => new[] { $"keys_{block}", $"values_{block}" }).Select(
                name => (name, new float[checked(rows * heads.Width * capacity)])),
        ];

    /// <summary>Adds a block's inputs and outputs to the graph.</summary>
    public BlockCache Declare(OnnxGraph graph, int block)
    {
        string[] names = [_buffers[2 * block].Name, _buffers[2 * block + 1].Name];
        foreach (string name in names)
        {
            graph.Input(name, OnnxType.Float, null, heads.Heads, capacity, heads.Size);
            graph.Output(Grown(name), OnnxType.Float, null, heads.Heads, capacity, heads.Size);
        }
        return new BlockCache(names[0], names[1], Grown(names[0]), Grown(names[1]));
    }

    /// <summary>Gives a run the memory of some rows, for what it reads and for what it writes.</summary>
    public void AddTo(GraphFeeds feeds, GraphFeeds results, int firstRow, int count)
    {
        foreach ((string name, float[] values) in _buffers)
        {
            Memory<float> memory = values.AsMemory(firstRow * _rowValues);
            feeds.Add(name, memory, count, heads.Heads, capacity, heads.Size);
            results.Add(Grown(name), memory, count, heads.Heads, capacity, heads.Size);
        }
    }

    /// <summary>Makes a row equal to another one.</summary>
    public void Copy(int from, int to)
    {
        foreach ((_, float[] values) in _buffers) values.AsSpan(from * _rowValues, _rowValues).CopyTo(values.AsSpan(to * _rowValues, _rowValues));
    }

    /// <summary>Exchanges two rows.</summary>
    public void Swap(int first, int second)
    {
        float[] kept = new float[_rowValues];
        foreach ((_, float[] values) in _buffers)
        {
            Span<float> a = values.AsSpan(first * _rowValues, _rowValues), b = values.AsSpan(second * _rowValues, _rowValues);
            a.CopyTo(kept);
            b.CopyTo(a);
            kept.CopyTo(b);
        }
    }

    private static string Grown(string name) => $"grown_{name}";
}
