using System.Runtime.InteropServices;
using LlmEmbed.Files;

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
internal readonly record struct OnnxAttribute(string Name, object Value)
{
    public static implicit operator OnnxAttribute((string Name, int Value) pair) => new(pair.Name, (long)pair.Value);

    public static implicit operator OnnxAttribute((string Name, float Value) pair) => new(pair.Name, pair.Value);

    public static implicit operator OnnxAttribute((string Name, string Value) pair) => new(pair.Name, pair.Value);

    public static implicit operator OnnxAttribute((string Name, long[] Value) pair) => new(pair.Name, pair.Value);
}

/// <summary>
/// An ONNX model under construction. Values are named by strings: every method that adds a node returns the name of what it computes, so that a forward pass
/// reads like the formula it implements. Large weights stay outside the model (<see cref="Weight"/>), because a Protocol Buffers message ends at 2 GB.
/// </summary>
internal sealed class OnnxGraph
{
    /// <summary>ONNX Runtime's own operators (fused attention, normalisation, quantised products).</summary>
    public const string ContribDomain = "com.microsoft";

    /// <summary>The file that weights claim to lie in. It is empty: the session supplies their values from memory.</summary>
    public const string WeightPlaceholder = "weights";

    private const int IrVersion = 10;
    private const int OpsetVersion = 21;

    private static readonly HashSet<string> ContribOperators = new(StringComparer.Ordinal)
    {
        "FusedMatMul", "GroupQueryAttention", "MatMulIntegerToFloat", "QuickGelu", "SkipSimplifiedLayerNormalization",
    };

    private readonly ProtobufWriter _nodes = new();
    private readonly ProtobufWriter _initializers = new();
    private readonly ProtobufWriter _inputs = new();
    private readonly ProtobufWriter _outputs = new();
    private readonly List<WeightBuffer> _weights = [];
    private readonly List<string> _outputNames = [];
    private int _values;

    public IReadOnlyList<WeightBuffer> Weights => _weights;

    public IReadOnlyList<string> OutputNames => _outputNames;

    /// <summary>Declares a value that each run feeds; null stands for a size that differs from run to run.</summary>
    public string Input(string name, OnnxType type, params ReadOnlySpan<int?> shape)
    {
        WriteValueInfo(_inputs, 11, name, type, shape);
        return name;
    }

    /// <summary>Names a value as a result of the model.</summary>
    public void Output(string value, string name, OnnxType type, params ReadOnlySpan<int?> shape)
    {
        Node("Identity", [value], [name]);
        Output(name, type, shape);
    }

    /// <summary>Makes a value a result of the model as it is: the node that computes it writes into memory that the caller gives.</summary>
    public void Output(string name, OnnxType type, params ReadOnlySpan<int?> shape)
    {
        WriteValueInfo(_outputs, 12, name, type, shape);
        _outputNames.Add(name);
    }

    /// <summary>A small constant kept inside the model.</summary>
    public string Constant<T>(ReadOnlySpan<T> values, params ReadOnlySpan<long> shape)
        where T : unmanaged
    {
        string name = NextName("constant");
        byte[] bytes = MemoryMarshal.AsBytes(values).ToArray();
        WriteTensor(name, TypeOf<T>(), shape, tensor => tensor.Bytes(9, bytes));
        return name;
    }

    /// <summary>A scalar constant.</summary>
    public string Scalar<T>(T value)
        where T : unmanaged => Constant<T>([value]);

    /// <summary>A large constant in memory of its own, handed to the engine without passing through the model's bytes.</summary>
    public string Weight(WeightBuffer weight)
    {
        string name = NextName("weight");
        weight.ValueName = name;
        _weights.Add(weight);
        WriteTensor(name, weight.Type, weight.Shape, static tensor =>
        {
            tensor.Message(13, static entry =>
            {
                entry.Text(1, "location");
                entry.Text(2, WeightPlaceholder);
            });
            tensor.Int(14, 1); // data_location = EXTERNAL
        });
        return name;
    }

    /// <summary>Adds an operator with one result and returns the result's name. An empty input name stands for an optional input that is left out.</summary>
    public string Node(string operatorType, ReadOnlySpan<string> inputs, params ReadOnlySpan<OnnxAttribute> attributes)
    {
        string output = NextName(operatorType);
        Node(operatorType, inputs, [output], attributes);
        return output;
    }

    /// <summary>Adds an operator with several results; an empty output name stands for an optional result that is not wanted.</summary>
    public void Node(string operatorType, ReadOnlySpan<string> inputs, ReadOnlySpan<string> outputs, params ReadOnlySpan<OnnxAttribute> attributes)
    {
        ProtobufWriter node = new();
        foreach (string input in inputs) node.Text(1, input);
        foreach (string output in outputs) node.Text(2, output);
        node.Text(4, operatorType);
        foreach (OnnxAttribute attribute in attributes) node.Message(5, writer => WriteAttribute(writer, attribute));
        if (ContribOperators.Contains(operatorType)) node.Text(7, ContribDomain);
        else if (FusedOperators.All.Any(fused => fused.Name == operatorType)) node.Text(7, EngineApi.Domain);
        _nodes.Bytes(1, node.Written);
    }

    /// <summary>A fresh name for a value.</summary>
    public string NextName(string kind) => $"{kind}_{_values++}";

    /// <summary>The model as ONNX Runtime reads it: a serialized ModelProto.</summary>
    public byte[] ToModel()
    {
        ProtobufWriter model = new();
        model.Int(1, IrVersion);
        model.Text(2, "LlmEmbed");
        model.Bytes(7, [.. _nodes.Written, .. GraphName(), .. _initializers.Written, .. _inputs.Written, .. _outputs.Written]);
        foreach ((string domain, int version) in new[] { ("", OpsetVersion), (ContribDomain, 1), (EngineApi.Domain, 1) })
        {
            model.Message(8, opset =>
            {
                opset.Text(1, domain);
                opset.Int(2, version);
            });
        }
        return model.Written.ToArray();
    }

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

    private static ReadOnlySpan<byte> GraphName()
    {
        ProtobufWriter name = new();
        name.Text(2, "graph");
        return name.Written;
    }

    private void WriteTensor(string name, OnnxType type, ReadOnlySpan<long> shape, Action<ProtobufWriter> writeData)
    {
        ProtobufWriter tensor = new();
        foreach (long size in shape) tensor.Int(1, size);
        tensor.Int(2, (long)type);
        tensor.Text(8, name);
        writeData(tensor);
        _initializers.Bytes(5, tensor.Written);
    }

    private static void WriteValueInfo(ProtobufWriter writer, int field, string name, OnnxType type, ReadOnlySpan<int?> shape)
    {
        ProtobufWriter dimensions = new();
        foreach (int? size in shape)
        {
            dimensions.Message(1, dimension =>
            {
                if (size is int known) dimension.Int(1, known);
            });
        }
        writer.Message(field, info =>
        {
            info.Text(1, name);
            info.Message(2, typeProto => typeProto.Message(1, tensor =>
            {
                tensor.Int(1, (long)type);
                tensor.Bytes(2, dimensions.Written);
            }));
        });
    }

    private static void WriteAttribute(ProtobufWriter writer, OnnxAttribute attribute)
    {
        writer.Text(1, attribute.Name);
        switch (attribute.Value)
        {
            case float value:
                writer.Float(2, value);
                writer.Int(20, 1);
                break;
            case long value:
                writer.Int(3, value);
                writer.Int(20, 2);
                break;
            case string value:
                writer.Text(4, value);
                writer.Int(20, 3);
                break;
            case long[] values:
                foreach (long value in values) writer.Int(8, value);
                writer.Int(20, 7);
                break;
            default:
                throw new NotSupportedException($"Attribute {attribute.Name} has the type {attribute.Value.GetType()}.");
        }
    }
}
