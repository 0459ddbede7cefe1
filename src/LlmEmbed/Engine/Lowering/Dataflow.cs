namespace LlmEmbed.Engine;

/// <summary>Which nodes of a graph compute and read each value.</summary>
internal sealed class Dataflow
{
    private readonly Dictionary<string, OnnxNode> _producers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<OnnxNode>> _readers = new(StringComparer.Ordinal);
    private readonly HashSet<string> _outputs;

    public Dataflow(OnnxGraph graph)
    {
        _outputs = new(graph.OutputNames, StringComparer.Ordinal);
        foreach (OnnxNode node in graph.Nodes)
        {
            foreach (string output in node.Outputs) _producers.TryAdd(output, node);
            foreach (string input in node.Inputs)
            {
                if (!_readers.TryGetValue(input, out List<OnnxNode>? readers)) _readers.Add(input, readers = []);
                readers.Add(node);
            }
        }
    }

    /// <summary>The node that computes a value; null if it is an input of the graph or a constant.</summary>
    public OnnxNode? ProducerOf(string value) => _producers.GetValueOrDefault(value);

    /// <summary>The nodes that read a value, in the order of the graph. A node that reads it twice is there twice.</summary>
    public IReadOnlyList<OnnxNode> ReadersOf(string value) => _readers.GetValueOrDefault(value) ?? [];

    /// <summary>The only node that reads a value; null if several do or the value is a result of the graph.</summary>
    public OnnxNode? OnlyReaderOf(string value) => _outputs.Contains(value) || ReadersOf(value) is not [OnnxNode reader] ? null : reader;

    /// <summary>The linear layers that read a value, without those that stay in fp32.</summary>
    public IEnumerable<OnnxNode> LinearReadersOf(string value) => ReadersOf(value).Where(node => node.Layer is LinearLayer { StaysFloat32: false });

    /// <summary>Whether a value is read, and only by linear layers that do not stay in fp32, so that nothing needs its fp32 form.</summary>
    public bool IsReadByLinearsOnly(string value) =>
        !_outputs.Contains(value) && ReadersOf(value).Count > 0 && LinearReadersOf(value).Count() == ReadersOf(value).Count;
}
