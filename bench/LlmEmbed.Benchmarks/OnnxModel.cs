using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;

namespace LlmEmbed.Benchmarks;

/// <summary>A model in the ONNX format. It is made of standard operators only, as exporters write it. Values are named by strings.</summary>
internal sealed class OnnxModel
{
    private const int IrVersion = 10, OpsetVersion = 21;

    private readonly Message _graph = new();
    private int _values;

    /// <summary>Element types with the numbers of ONNX's TensorProto.DataType.</summary>
    public enum ElementType
    {
        Float = 1,
        Int8 = 3,
        Int64 = 7,
    }

    /// <summary>A value that each run feeds. A size of null differs from run to run.</summary>
    public string Input(string name, ElementType type, params int?[] shape)
    {
        _graph.Add(11, ValueInfo(name, type, shape));
        return name;
    }

    /// <summary>Names a value as the result of the model.</summary>
    public void Output(string value, string name, ElementType type, params int?[] shape)
    {
        Node("Identity", [value], [name]);
        _graph.Add(12, ValueInfo(name, type, shape));
    }

    /// <summary>A constant. Returns its name.</summary>
    public string Constant<T>(T[] values, params long[] shape)
        where T : unmanaged
    {
        Message tensor = new();
        foreach (long size in shape) tensor.Add(1, size);
        ElementType type = values switch
        {
            float[] => ElementType.Float,
            long[] => ElementType.Int64,
            object other when other.GetType() == typeof(sbyte[]) => ElementType.Int8,
            _ => throw new NotSupportedException($"No ONNX type for {typeof(T)}."),
        };
        string name = NextName("constant");
        tensor.Add(2, (long)type);
        tensor.Add(8, name);
        tensor.Add(9, MemoryMarshal.AsBytes<T>(values));
        _graph.Add(5, tensor);
        return name;
    }

    public string Scalar<T>(T value)
        where T : unmanaged => Constant<T>([value]);

    /// <summary>Adds an operator with one result. Returns the result's name.</summary>
    public string Node(string operatorType, string[] inputs, params (string Name, object Value)[] attributes)
    {
        string output = NextName(operatorType);
        Node(operatorType, inputs, [output], attributes);
        return output;
    }

    /// <summary>Adds an operator.</summary>
    public void Node(string operatorType, string[] inputs, string[] outputs, params (string Name, object Value)[] attributes)
    {
        Message node = new();
        foreach (string input in inputs) node.Add(1, input);
        foreach (string output in outputs) node.Add(2, output);
        node.Add(4, operatorType);
        foreach ((string name, object value) in attributes) node.Add(5, Attribute(name, value));
        _graph.Add(1, node);
    }

    /// <summary>A fresh name for a value.</summary>
    public string NextName(string kind) => $"{kind}_{_values++}";

    public void Save(string path)
    {
        Message model = new(), opset = new();
        opset.Add(2, OpsetVersion);
        _graph.Add(2, "graph");
        model.Add(1, IrVersion);
        model.Add(7, _graph);
        model.Add(8, opset);
        File.WriteAllBytes(path, model.Bytes());
    }

    private static Message ValueInfo(string name, ElementType type, int?[] shape)
    {
        Message info = new(), kind = new(), tensor = new(), dimensions = new();
        foreach (int? size in shape)
        {
            Message dimension = new();
            if (size is int known) dimension.Add(1, known);
            dimensions.Add(1, dimension);
        }
        tensor.Add(1, (long)type);
        tensor.Add(2, dimensions);
        kind.Add(1, tensor);
        info.Add(1, name);
        info.Add(2, kind);
        return info;
    }

    private static Message Attribute(string name, object value)
    {
        Message attribute = new();
        attribute.Add(1, name);
        switch (value)
        {
            case float number:
                attribute.Add(2, number);
                attribute.Add(20, 1);
                break;
            case int number:
                attribute.Add(3, number);
                attribute.Add(20, 2);
                break;
            case long[] numbers:
                foreach (long number in numbers) attribute.Add(8, number);
                attribute.Add(20, 7);
                break;
            default: throw new NotSupportedException($"The attribute {name} is a {value.GetType()}.");
        }
        return attribute;
    }

    /// <summary>A message in the format of Protocol Buffers: fields, each with its number.</summary>
    private sealed class Message
    {
        private const int Varint = 0, Bytewise = 2, FourBytes = 5;

        private readonly ArrayBufferWriter<byte> _bytes = new();

        public ReadOnlySpan<byte> Bytes() => _bytes.WrittenSpan;

        public void Add(int field, long value)
        {
            Write(field << 3 | Varint);
            Write(value);
        }

        public void Add(int field, float value)
        {
            Write(field << 3 | FourBytes);
            _bytes.Write(BitConverter.GetBytes(value));
        }

        public void Add(int field, string value) => Add(field, Encoding.UTF8.GetBytes(value));

        public void Add(int field, Message value) => Add(field, value.Bytes());

        public void Add(int field, ReadOnlySpan<byte> value)
        {
            Write(field << 3 | Bytewise);
            Write(value.Length);
            _bytes.Write(value);
        }

        private void Write(long value)
        {
            ulong rest = (ulong)value;
            for (; rest > 127; rest >>= 7) _bytes.Write([(byte)(rest & 127 | 128)]);
            _bytes.Write([(byte)rest]);
        }
    }
}
