using System.Numerics.Tensors;
using System.Text.Json.Nodes;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// A BERT as exporters write it: token ids in, the last hidden state out, standard operators only, weights inside. With dynamic int8 as the usual
/// quantizer adds it: one scale for a whole tensor, inputs quantized as they come. The engine that runs the graph fuses what it can.
/// </summary>
internal sealed class ExportedEncoder
{
    private readonly Dictionary<string, Tensor> _weights;
    private readonly OnnxModel _graph = new();
    private readonly bool _isInt8;
    private readonly string _prefix;
    private readonly int _hidden, _heads, _blocks;
    private readonly float _epsilon;

    private ExportedEncoder(string checkpoint, bool isInt8)
    {
        const string Words = "embeddings.word_embeddings.weight";
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(checkpoint, "config.json")))!;
        (_hidden, _heads, _blocks) = ((int)config["hidden_size"]!, (int)config["num_attention_heads"]!, (int)config["num_hidden_layers"]!);
        (_epsilon, _isInt8) = ((float)config["layer_norm_eps"]!, isInt8);
        _weights = Safetensors.Read(Path.Combine(checkpoint, "model.safetensors"));
        _prefix = _weights.Keys.Single(name => name.EndsWith(Words, StringComparison.Ordinal))[..^Words.Length];
    }

    /// <summary>Writes the graph of a checkpoint.</summary>
    /// <param name="checkpoint">The folder of a BERT.</param>
    /// <param name="isInt8">Whether linear layers are computed in int8.</param>
    /// <param name="path">The file to write.</param>
    public static void Write(string checkpoint, bool isInt8, string path)
    {
        ExportedEncoder encoder = new(checkpoint, isInt8);
        encoder.Build();
        encoder._graph.Save(path);
    }

    private void Build()
    {
        string ids = _graph.Input("input_ids", OnnxModel.ElementType.Int64, null, null); // [B,T]
        string mask = _graph.Input("attention_mask", OnnxModel.ElementType.Int64, null, null); // [B,T]
        string isText = Cast(_graph.Node("Unsqueeze", [mask, _graph.Constant([1L, 2], 2)]));
        string bias = _graph.Node("Mul", [_graph.Node("Sub", [_graph.Scalar(1f), isText]), _graph.Scalar(-10000f)]); // [B,1,1,T]
        string hidden = LayerNorm(Embeddings(ids), "embeddings.LayerNorm"); // [B,T,H]
        for (int block = 0; block < _blocks; block++)
        {
            string layer = $"encoder.layer.{block}";
            string attention = Linear(Attention(hidden, $"{layer}.attention.self", bias), $"{layer}.attention.output.dense");
            hidden = LayerNorm(_graph.Node("Add", [attention, hidden]), $"{layer}.attention.output.LayerNorm");
            string inner = Gelu(Linear(hidden, $"{layer}.intermediate.dense"));
            hidden = LayerNorm(_graph.Node("Add", [Linear(inner, $"{layer}.output.dense"), hidden]), $"{layer}.output.LayerNorm");
        }
        _graph.Output(hidden, "last_hidden_state", OnnxModel.ElementType.Float, null, null, _hidden);
    }

    private string Embeddings(string ids)
    {
        string length = _graph.Node("Gather", [_graph.Node("Shape", [ids]), _graph.Scalar(1L)]);
        string positions = _graph.Node("Range", [_graph.Scalar(0L), length, _graph.Scalar(1L)]); // [T]
        string words = _graph.Node("Gather", [Table("word"), ids]);
        string type = _graph.Node("Gather", [Table("token_type"), _graph.Scalar(0L)]); // [H]
        return _graph.Node("Add", [_graph.Node("Add", [words, type]), _graph.Node("Gather", [Table("position"), positions])]);
    }

    private string Attention(string hidden, string name, string bias)
    {
        int size = _hidden / _heads;
        string Split(string part) => _graph.Node("Reshape", [Linear(hidden, $"{name}.{part}"), _graph.Constant([0L, 0, _heads, size], 4)]);
        string query = _graph.Node("Transpose", [Split("query")], ("perm", new long[] { 0, 2, 1, 3 }));
        string key = _graph.Node("Transpose", [Split("key")], ("perm", new long[] { 0, 2, 3, 1 }));
        string value = _graph.Node("Transpose", [Split("value")], ("perm", new long[] { 0, 2, 1, 3 }));
        string scores = _graph.Node("Div", [_graph.Node("MatMul", [query, key]), _graph.Scalar(MathF.Sqrt(size))]);
        string weights = _graph.Node("Softmax", [_graph.Node("Add", [scores, bias])], ("axis", -1));
        string mixed = _graph.Node("Transpose", [_graph.Node("MatMul", [weights, value])], ("perm", new long[] { 0, 2, 1, 3 }));
        return _graph.Node("Reshape", [mixed, _graph.Constant([0L, 0, _hidden], 3)]);
    }

    private string Linear(string input, string name)
    {
        Tensor stored = _weights[$"{_prefix}{name}.weight"]; // [out,in]
        int outputs = (int)stored.Shape[0], inputs = (int)stored.Shape[1];
        float[] values = stored.Values, transposed = new float[values.Length]; // [in,out]
        for (int row = 0; row < outputs; row++)
            for (int column = 0; column < inputs; column++) transposed[column * outputs + row] = values[row * inputs + column];
        string product = _isInt8
            ? Int8Product(input, transposed, inputs, outputs)
            : _graph.Node("MatMul", [input, _graph.Constant(transposed, inputs, outputs)]);
        return _graph.Node("Add", [product, Weight($"{name}.bias")]);
    }

    private string Int8Product(string input, float[] weight, int inputs, int outputs)
    {
        float scale = Math.Abs(TensorPrimitives.MaxMagnitude<float>(weight)) / 127;
        sbyte[] levels = [.. weight.Select(value => (sbyte)MathF.Round(value / scale))];
        string quantized = _graph.NextName("quantized"), inputScale = _graph.NextName("scale"), zeroPoint = _graph.NextName("zero");
        _graph.Node("DynamicQuantizeLinear", [input], [quantized, inputScale, zeroPoint]);
        string sums = _graph.Node("MatMulInteger", [quantized, _graph.Constant(levels, inputs, outputs), zeroPoint, _graph.Scalar((sbyte)0)]);
        return _graph.Node("Mul", [Cast(sums), _graph.Node("Mul", [inputScale, _graph.Scalar(scale)])]);
    }

    private string Gelu(string input)
    {
        string erf = _graph.Node("Erf", [_graph.Node("Div", [input, _graph.Scalar(MathF.Sqrt(2))])]);
        return _graph.Node("Mul", [_graph.Node("Mul", [input, _graph.Node("Add", [erf, _graph.Scalar(1f)])]), _graph.Scalar(0.5f)]);
    }

    private string LayerNorm(string input, string name) =>
        _graph.Node("LayerNormalization", [input, Weight($"{name}.weight"), Weight($"{name}.bias")], ("axis", -1), ("epsilon", _epsilon));

    private string Cast(string input) => _graph.Node("Cast", [input], ("to", (int)OnnxModel.ElementType.Float));

    private string Table(string kind) => Weight($"embeddings.{kind}_embeddings.weight");

    private string Weight(string name)
    {
        Tensor weight = _weights[$"{_prefix}{name}"];
        return _graph.Constant(weight.Values, weight.Shape);
    }
}
