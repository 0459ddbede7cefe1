using LlmEmbed.Files;

namespace LlmEmbed.Engine;

/// <summary>Writes a graph as ONNX Runtime reads it: a serialized ModelProto (onnx.proto3).</summary>
internal static class OnnxModel
{
    /// <summary>The file that weights claim to lie in. It is empty: the session supplies their values from memory.</summary>
    public const string WeightPlaceholder = "weights";

    /// <summary>ONNX Runtime's own operators (attention over kept keys, norms, quantized products).</summary>
    private const string ContribDomain = "com.microsoft";

    private const int IrVersion = 10;
    private const int OpsetVersion = 21;

    private static readonly HashSet<string> ContribOperators = new(StringComparer.Ordinal)
    {
        "FusedMatMul", "GroupQueryAttention", "MatMulIntegerToFloat", "QuickGelu", "SkipSimplifiedLayerNormalization",
    };

    private static readonly HashSet<string> OwnOperators = new(FusedOperators.All.Select(fused => fused.Name), StringComparer.Ordinal);

    /// <summary>The bytes of the model.</summary>
    /// <exception cref="InvalidOperationException">A layer has not been lowered to operators.</exception>
    public static byte[] Serialize(OnnxGraph graph)
    {
        ProtobufWriter body = new();
        foreach (OnnxNode node in graph.Nodes) body.Message(1, writer => WriteNode(writer, node));
        body.Text(2, "graph");
        foreach (OnnxConstant constant in graph.Constants) body.Message(5, writer => WriteConstant(writer, constant));
        foreach (OnnxValue input in graph.Inputs) body.Message(11, writer => WriteValue(writer, input));
        foreach (OnnxValue output in graph.Outputs) body.Message(12, writer => WriteValue(writer, output));

        ProtobufWriter model = new();
        model.Int(1, IrVersion);
        model.Text(2, "LlmEmbed");
        model.Bytes(7, body.Written);
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

    private static void WriteNode(ProtobufWriter writer, OnnxNode node)
    {
        if (node.Layer is not null) throw new InvalidOperationException($"{node.Output} is a layer that has not been lowered to operators.");
        foreach (string input in node.Inputs) writer.Text(1, input);
        foreach (string output in node.Outputs) writer.Text(2, output);
        writer.Text(4, node.Type);
        foreach (OnnxAttribute attribute in node.Attributes) writer.Message(5, entry => WriteAttribute(entry, attribute));
        if (ContribOperators.Contains(node.Type)) writer.Text(7, ContribDomain);
        else if (OwnOperators.Contains(node.Type)) writer.Text(7, EngineApi.Domain);
    }

    private static void WriteConstant(ProtobufWriter writer, OnnxConstant constant)
    {
        foreach (long size in constant.Shape) writer.Int(1, size);
        writer.Int(2, (long)constant.Type);
        writer.Text(8, constant.Name);
        if (constant.Bytes is not null)
        {
            writer.Bytes(9, constant.Bytes);
            return;
        }
        writer.Message(13, static entry =>
        {
            entry.Text(1, "location");
            entry.Text(2, WeightPlaceholder);
        });
        writer.Int(14, 1); // data_location = EXTERNAL
    }

    private static void WriteValue(ProtobufWriter writer, OnnxValue value)
    {
        ProtobufWriter dimensions = new();
        foreach (int? size in value.Shape)
        {
            dimensions.Message(1, dimension =>
            {
                if (size is int known) dimension.Int(1, known);
            });
        }
        writer.Text(1, value.Name);
        writer.Message(2, type => type.Message(1, tensor =>
        {
            tensor.Int(1, (long)value.Type);
            tensor.Bytes(2, dimensions.Written);
        }));
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
            default:
                foreach (long value in (long[])attribute.Value) writer.Int(8, value);
                writer.Int(20, 7);
                break;
        }
    }
}
