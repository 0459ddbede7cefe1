using System.Numerics.Tensors;
using LlmEmbed.Checkpoints;

namespace LlmEmbed.Engine;

/// <summary>
/// Turns one graph of layers into operators of the engine, in one precision, and finds by the flow of data which neighbouring layers one operator
/// computes in a single pass. Values keep the names that they have in the graph of layers. What a linear layer computes may stay unfinished at first:
/// whoever reads it alone applies scale and bias in its own pass, and for every other reader it is finished once, when it is first read.
/// </summary>
/// <param name="checkpoint">Where the weights are.</param>
/// <param name="store">Keeps the weights that other graphs over the same checkpoint use too. It serves one precision.</param>
internal abstract class Lowering(Checkpoint checkpoint, WeightStore store)
{
    private readonly Dictionary<string, Product> _unfinished = new(StringComparer.Ordinal);
    private readonly HashSet<OnnxNode> _fused = [];
    private OnnxGraph? _graph;
    private Dataflow? _flow;

    /// <summary>Keeps the weights.</summary>
    public WeightStore Store => store;

    protected Checkpoint Checkpoint => checkpoint;

    /// <summary>The graph of operators.</summary>
    protected OnnxGraph Graph => _graph ?? throw new InvalidOperationException("No graph is being lowered.");

    /// <summary>Who reads what in the graph of layers.</summary>
    protected Dataflow Flow => _flow ?? throw new InvalidOperationException("No graph is being lowered.");

    /// <summary>Lowers and compiles a graph. A lowering serves one graph.</summary>
    /// <param name="layers">The graph of layers. It must not be used afterwards.</param>
    /// <param name="threads">Threads within one operator, 0 for one per physical core.</param>
    public GraphSession Compile(OnnxGraph layers, int threads) => new(Lower(layers), threads, store);

    /// <summary>The graph of operators that computes what a graph of layers does.</summary>
    public OnnxGraph Lower(OnnxGraph layers)
    {
        (_graph, _flow) = (layers.WithoutNodes(), new Dataflow(layers));
        foreach (OnnxNode node in layers.Nodes)
            if (!_fused.Contains(node)) Lower(node);
        foreach (string output in layers.OutputNames) Finished(output);
        return Graph;
    }

    protected abstract void Linear(OnnxNode node, LinearLayer layer);

    protected abstract void Norm(OnnxNode node, NormLayer layer);

    protected abstract void Attend(OnnxNode node, AttentionLayer layer);

    protected abstract void Activate(OnnxNode node, ActivationLayer layer);

    protected abstract void Add(OnnxNode node);

    /// <summary>A sum and the norm that reads it, in one pass.</summary>
    protected abstract void AddAndNorm(OnnxNode add, OnnxNode norm);

    protected abstract void Multiply(OnnxNode node);

    /// <summary>Adds the nodes that finish a product. Their results have the names of its linear layers' outputs.</summary>
    protected abstract void Finish(Product product);

    /// <summary>Remembers what linear layers computed.</summary>
    protected void KeepUnfinished(Product product)
    {
        foreach (OnnxNode linear in product.Linears) _unfinished.Add(linear.Output, product);
    }

    /// <summary>The unfinished form of a value, if a linear layer computed it and one node alone reads it; else null.</summary>
    protected Product? UnfinishedOf(string value) =>
        _unfinished.TryGetValue(value, out Product? product) && Flow.OnlyReaderOf(value) is not null ? product : null;

    /// <summary>Makes sure that a value can be read as fp32.</summary>
    /// <returns>Its name.</returns>
    protected string Finished(string value)
    {
        if (_unfinished.TryGetValue(value, out Product? product))
        {
            foreach (OnnxNode linear in product.Linears) _unfinished.Remove(linear.Output);
            Finish(product);
        }
        return value;
    }

    /// <summary>A vector of the checkpoint, kept inside the model.</summary>
    protected string Vector(string name, int size) => Graph.Constant<float>(Read(name, size), size);

    /// <summary>What a norm multiplies by.</summary>
    protected float[] WeightOf(NormLayer norm)
    {
        float[] weight = Read(norm.Weight, norm.Size);
        if (norm is RmsNormLayer { WeightOffset: not 0 and float offset }) TensorPrimitives.Add(weight, offset, weight);
        return weight;
    }

    /// <summary>What a layer norm adds.</summary>
    protected float[] BiasOf(LayerNormLayer norm) => norm.Bias is string bias ? Read(bias, norm.Size) : new float[norm.Size];

    /// <summary>A constant vector of one value repeated.</summary>
    protected string Filled(float value, int size) => Graph.Constant<float>(Enumerable.Repeat(value, size).ToArray(), size);

    /// <summary>All biases of linear layers side by side, 0 if a layer has none.</summary>
    protected string Biases(IEnumerable<OnnxNode> linears)
    {
        float[] biases = [.. linears.Select(linear => (LinearLayer)linear.Layer!).SelectMany(BiasOf)];
        return Graph.Constant<float>(biases, biases.Length);
    }

    protected float[] Read(string name, int size)
    {
        float[] values = new float[size];
        checkpoint.Require(name, size).CopyTo(values);
        return values;
    }

    private float[] BiasOf(LinearLayer layer)
    {
        float[] values = new float[layer.Outputs];
        if (layer.HasBias) layer.CopyBias(checkpoint, values);
        return values;
    }

    private void Lower(OnnxNode node)
    {
        switch (node.Layer)
        {
            case LinearLayer layer:
                Linear(node, layer);
                break;
            case NormLayer layer:
                Norm(node, layer);
                break;
            case AttentionLayer layer:
                Attend(node, layer);
                break;
            case ActivationLayer layer:
                Activate(node, layer);
                break;
            case AddLayer when NormOf(node) is OnnxNode norm:
                _fused.Add(norm);
                AddAndNorm(node, norm);
                break;
            case AddLayer:
                Add(node);
                break;
            case MultiplyLayer:
                Multiply(node);
                break;
            default:
                foreach (string input in node.Inputs) Finished(input);
                Graph.Add(node);
                break;
        }
    }

    /// <summary>The norm of a sum that one pass can compute with the sum; null if there is none.</summary>
    private OnnxNode? NormOf(OnnxNode add)
    {
        // Behind a residual sum stands a layer norm that alone reads it, or a norm for linear layers alone, whose pass gives the sum too.
        if (Flow.OnlyReaderOf(add.Output) is { Layer: LayerNormLayer } only) return only;
        return Flow.ReadersOf(add.Output).FirstOrDefault(reader => reader.Layer is NormLayer && Flow.IsReadByLinearsOnly(reader.Output));
    }
}

/// <summary>What linear layers computed, before it is finished.</summary>
/// <param name="Value">[B,T,outputs of all the linear layers side by side].</param>
/// <param name="Scale">[B,T,1], a factor for each row that is still to be applied; empty if there is none.</param>
/// <param name="Linears">The linear layers, whose biases are still to be added.</param>
internal sealed record Product(string Value, string Scale, IReadOnlyList<OnnxNode> Linears)
{
    /// <summary>Whether nothing but a bias is still to be applied.</summary>
    public bool IsFloat32 => Scale.Length == 0;

    /// <summary>Whether it belongs to one linear layer alone.</summary>
    public bool IsAlone => Linears.Count == 1;
}
