using System.Runtime.InteropServices;

namespace LlmEmbed.Engine;

/// <summary>Element types with the numbers of ONNX's TensorProto.DataType.</summary>
internal enum OnnxType
{
    Float = 1,
    UInt8 = 2,
    Int8 = 3,
    Int32 = 6,
    Int64 = 7,
    Bool = 9,
    Double = 11,
}

/// <summary>A named, typed attribute of a node.</summary>
internal readonly record struct OnnxAttribute
{
    /// <exception cref="NotSupportedException">The value is none of long, float, string and long[].</exception>
    public OnnxAttribute(string name, object value)
    {
        if (value is not (long or float or string or long[])) throw new NotSupportedException($"Attribute {name} has the type {value.GetType()}.");
        (Name, Value) = (name, value);
    }

    public string Name { get; }

    public object Value { get; }

    public static implicit operator OnnxAttribute((string Name, int Value) pair) => new(pair.Name, (long)pair.Value);

    public static implicit operator OnnxAttribute((string Name, float Value) pair) => new(pair.Name, pair.Value);

    public static implicit operator OnnxAttribute((string Name, string Value) pair) => new(pair.Name, pair.Value);

    public static implicit operator OnnxAttribute((string Name, long[] Value) pair) => new(pair.Name, pair.Value);
}

/// <summary>An operator of the engine, or a layer that is still to be lowered to operators.</summary>
/// <param name="type">The operator's name; of a layer the name of its kind, for messages.</param>
/// <param name="inputs">Names of the values that it reads; an empty name stands for an optional input that is left out.</param>
/// <param name="outputs">Names of the values that it computes; an empty name stands for an optional result that is not wanted.</param>
/// <param name="attributes">The operator's attributes.</param>
/// <param name="layer">What a layer computes; null for an operator.</param>
internal sealed class OnnxNode(string type, string[] inputs, string[] outputs, OnnxAttribute[] attributes, Layer? layer = null)
{
    public string Type => type;

    public string[] Inputs => inputs;

    public string[] Outputs => outputs;

    public OnnxAttribute[] Attributes => attributes;

    public Layer? Layer => layer;

    /// <summary>The first input.</summary>
    public string Input => inputs[0];

    /// <summary>The first output.</summary>
    public string Output => outputs[0];
}

/// <summary>A value that a graph declares.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Type">Type of its elements.</param>
/// <param name="Shape">Its sizes; null stands for a size that differs from run to run.</param>
internal sealed record OnnxValue(string Name, OnnxType Type, int?[] Shape);

/// <summary>A constant.</summary>
/// <param name="Name">The name of its value.</param>
/// <param name="Type">Type of its elements.</param>
/// <param name="Shape">Its sizes.</param>
/// <param name="Bytes">Its elements; null if they lie outside the model in a <see cref="WeightBuffer"/>.</param>
internal sealed record OnnxConstant(string Name, OnnxType Type, long[] Shape, byte[]? Bytes);

/// <summary>
/// A network under construction: a list of nodes that can be read and rewritten before it becomes an ONNX model (<see cref="OnnxModel"/>). Values are
/// named by strings: every method that adds a node returns the name of what it computes, so that a forward pass reads like the formula it implements.
/// Large weights stay outside the model (<see cref="Weight"/>), because a Protocol Buffers message ends at 2 GB.
/// </summary>
internal sealed class OnnxGraph
{
    private readonly List<OnnxNode> _nodes = [];
    private readonly List<OnnxConstant> _constants = [];
    private readonly List<OnnxValue> _inputs = [];
    private readonly List<OnnxValue> _outputs = [];
    private readonly List<(string Name, WeightBuffer Buffer)> _weights = [];
    private int _values;

    public IReadOnlyList<OnnxNode> Nodes => _nodes;

    public IReadOnlyList<OnnxConstant> Constants => _constants;

    public IReadOnlyList<OnnxValue> Inputs => _inputs;

    public IReadOnlyList<OnnxValue> Outputs => _outputs;

    /// <summary>Weights that lie outside the model's bytes, by the names of their values.</summary>
    public IReadOnlyList<(string Name, WeightBuffer Buffer)> Weights => _weights;

    public IReadOnlyList<string> OutputNames => [.. _outputs.Select(output => output.Name)];

    /// <summary>Declares a value that each run feeds; null stands for a size that differs from run to run.</summary>
    public string Input(string name, OnnxType type, params ReadOnlySpan<int?> shape)
    {
        _inputs.Add(new OnnxValue(name, type, shape.ToArray()));
        return name;
    }

    /// <summary>Names a value as a result of the model.</summary>
    public void Output(string value, string name, OnnxType type, params ReadOnlySpan<int?> shape)
    {
        Node("Identity", [value], [name]);
        Output(name, type, shape);
    }

    /// <summary>Makes a value a result of the model as it is: the node that computes it writes into memory that the caller gives.</summary>
    public void Output(string name, OnnxType type, params ReadOnlySpan<int?> shape) => _outputs.Add(new OnnxValue(name, type, shape.ToArray()));

    /// <summary>A small constant kept inside the model.</summary>
    public string Constant<T>(ReadOnlySpan<T> values, params ReadOnlySpan<long> shape)
        where T : unmanaged
    {
        string name = NextName("constant");
        _constants.Add(new OnnxConstant(name, TypeOf<T>(), shape.ToArray(), MemoryMarshal.AsBytes(values).ToArray()));
        return name;
    }

    /// <summary>A scalar constant.</summary>
    public string Scalar<T>(T value)
        where T : unmanaged => Constant<T>([value]);

    /// <summary>A large constant in memory of its own, handed to the engine without passing through the model's bytes.</summary>
    public string Weight(WeightBuffer weight)
    {
        string name = NextName("weight");
        _weights.Add((name, weight));
        _constants.Add(new OnnxConstant(name, weight.Type, weight.Shape, Bytes: null));
        return name;
    }

    /// <summary>
    /// Adds an operator with one result and returns the result's name. An empty input name stands for an optional input that is left out.
    /// </summary>
    public string Node(string operatorType, ReadOnlySpan<string> inputs, params ReadOnlySpan<OnnxAttribute> attributes)
    {
        string output = NextName(operatorType);
        Node(operatorType, inputs, [output], attributes);
        return output;
    }

    /// <summary>Adds an operator with several results; an empty output name stands for an optional result that is not wanted.</summary>
    public void Node(string operatorType, ReadOnlySpan<string> inputs, ReadOnlySpan<string> outputs, params ReadOnlySpan<OnnxAttribute> attributes) =>
        Add(new OnnxNode(operatorType, inputs.ToArray(), outputs.ToArray(), attributes.ToArray()));

    /// <summary>Adds a layer, which has to be lowered before the graph can be compiled (<see cref="Lowering"/>).</summary>
    /// <returns>The name of what it computes.</returns>
    public string Node(Layer layer, params ReadOnlySpan<string> inputs)
    {
        string kind = layer.GetType().Name;
        string output = NextName(kind);
        Add(new OnnxNode(kind, inputs.ToArray(), [output], [], layer));
        return output;
    }

    public void Add(OnnxNode node) => _nodes.Add(node);

    /// <summary>A fresh name for a value.</summary>
    public string NextName(string kind) => $"{kind}_{_values++}";

    /// <summary>
    /// The same inputs, outputs, constants and weights without any node. The weights are taken over: this graph must not be used afterwards.
    /// </summary>
    public OnnxGraph WithoutNodes()
    {
        OnnxGraph graph = new() { _values = _values };
        graph._inputs.AddRange(_inputs);
        graph._outputs.AddRange(_outputs);
        graph._constants.AddRange(_constants);
        graph._weights.AddRange(_weights);
        return graph;
    }

    /// <summary>The model as ONNX Runtime reads it.</summary>
    /// <exception cref="InvalidOperationException">A layer has not been lowered to operators.</exception>
    public byte[] ToModel() => OnnxModel.Serialize(this);

    public static OnnxType TypeOf<T>()
        where T : unmanaged => Type.GetTypeCode(typeof(T)) switch
        {
            TypeCode.Single => OnnxType.Float,
            TypeCode.Double => OnnxType.Double,
            TypeCode.Byte => OnnxType.UInt8,
            TypeCode.SByte => OnnxType.Int8,
            TypeCode.Int32 => OnnxType.Int32,
            TypeCode.Int64 => OnnxType.Int64,
            TypeCode.Boolean => OnnxType.Bool,
            _ => throw new NotSupportedException($"No ONNX type for {typeof(T)}."),
        };
}
