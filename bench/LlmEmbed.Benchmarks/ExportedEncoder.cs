using System.Numerics.Tensors;
using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// A BERT as exporters write it: ids in, the last hidden state out, standard operators only, weights inside. With dynamic int8 as the usual quantizer adds it: a scale
/// for a whole tensor, inputs quantized as they come. Whatever fuses is the engine's affair.
/// </summary>
internal sealed class ExportedEncoder
{
    private readonly Checkpoint _checkpoint;
    private readonly OnnxGraph _graph = new();
    private readonly bool _isInt8;
    private readonly string _prefix;
    private readonly int _hidden, _heads, _blocks;
    private readonly float _epsilon;

    private ExportedEncoder(Checkpoint checkpoint, bool isInt8)
    {
        (_checkpoint, _isInt8) = (checkpoint, isInt8);
        ModelConfig config = checkpoint.Config;
        (_hidden, _heads, _blocks) = (config.Size("hidden_size"), config.Size("num_attention_heads"), config.Size("num_hidden_layers"));
        _epsilon = (float)config.Number("layer_norm_eps");
        _prefix = checkpoint.Weights.Keys.Single(name => name.EndsWith("embeddings.word_embeddings.weight", StringComparison.Ordinal)).Replace("embeddings.word_embeddings.weight", "", StringComparison.Ordinal);
    }

    public static void Write(Checkpoint checkpoint, bool isInt8, string path) => File.WriteAllBytes(path, new ExportedEncoder(checkpoint, isInt8).Build());

    private byte[] Build()
    {
        string ids = _graph.Input("input_ids", OnnxType.Int64, null, null); // [B,T]
        string mask = _graph.Input("attention_mask", OnnxType.Int64, null, null); // [B,T]
        string bias = _graph.Node("Mul", [_graph.Node("Sub", [_graph.Scalar(1f), Cast(_graph.Node("Unsqueeze", [mask, _graph.Constant<long>([1, 2], 2)]))]), _graph.Scalar(-10000f)]); // [B,1,1,T]
        string hidden = LayerNorm(Embeddings(ids), "embeddings.LayerNorm"); // [B,T,H]
        for (int block = 0; block < _blocks; block++)
        {
            string layer = $"encoder.layer.{block}";
            string attention = Linear(Attention(hidden, $"{layer}.attention.self", bias), $"{layer}.attention.output.dense");
            hidden = LayerNorm(_graph.Node("Add", [attention, hidden]), $"{layer}.attention.output.LayerNorm");
            string inner = Gelu(Linear(hidden, $"{layer}.intermediate.dense"));
            hidden = LayerNorm(_graph.Node("Add", [Linear(inner, $"{layer}.output.dense"), hidden]), $"{layer}.output.LayerNorm");
        }
        _graph.Output(hidden, "last_hidden_state", OnnxType.Float, null, null, _hidden);
        return _graph.ToModel();
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
        string Split(string part) => _graph.Node("Reshape", [Linear(hidden, $"{name}.{part}"), _graph.Constant<long>([0, 0, _heads, size], 4)]);
        string query = _graph.Node("Transpose", [Split("query")], ("perm", new long[] { 0, 2, 1, 3 }));
        string key = _graph.Node("Transpose", [Split("key")], ("perm", new long[] { 0, 2, 3, 1 }));
        string value = _graph.Node("Transpose", [Split("value")], ("perm", new long[] { 0, 2, 1, 3 }));
        string scores = _graph.Node("Div", [_graph.Node("MatMul", [query, key]), _graph.Scalar(MathF.Sqrt(size))]);
        string weights = _graph.Node("Softmax", [_graph.Node("Add", [scores, bias])], ("axis", -1));
        string mixed = _graph.Node("Transpose", [_graph.Node("MatMul", [weights, value])], ("perm", new long[] { 0, 2, 1, 3 }));
        return _graph.Node("Reshape", [mixed, _graph.Constant<long>([0, 0, _hidden], 3)]);
    }

    private string Linear(string input, string name)
    {
        Weight stored = _checkpoint.Weights[$"{_prefix}{name}.weight"]; // [out,in]
        int outputs = (int)stored.Shape[0], inputs = (int)stored.Shape[1];
        float[] values = Values(stored), transposed = new float[values.Length]; // [in,out]
        for (int row = 0; row < outputs; row++)
            for (int column = 0; column < inputs; column++) transposed[column * outputs + row] = values[row * inputs + column];
        string product = _isInt8 ? Int8Product(input, transposed, inputs, outputs) : _graph.Node("MatMul", [input, _graph.Constant<float>(transposed, inputs, outputs)]);
        return _graph.Node("Add", [product, Vector($"{name}.bias")]);
    }

    private string Int8Product(string input, float[] weight, int inputs, int outputs)
    {
        float scale = Math.Abs(TensorPrimitives.MaxMagnitude<float>(weight)) / 127;
        sbyte[] levels = [.. weight.Select(value => (sbyte)MathF.Round(value / scale))];
        string quantized = _graph.NextName("quantized"), inputScale = _graph.NextName("scale"), zeroPoint = _graph.NextName("zero");
        _graph.Node("DynamicQuantizeLinear", [input], [quantized, inputScale, zeroPoint]);
        string sums = _graph.Node("MatMulInteger", [quantized, _graph.Constant<sbyte>(levels, inputs, outputs), zeroPoint, _graph.Scalar((sbyte)0)]);
        return _graph.Node("Mul", [Cast(sums), _graph.Node("Mul", [inputScale, _graph.Scalar(scale)])]);
    }

    private string Gelu(string input)
    {
        string erf = _graph.Node("Erf", [_graph.Node("Div", [input, _graph.Scalar(MathF.Sqrt(2))])]);
        return _graph.Node("Mul", [_graph.Node("Mul", [input, _graph.Node("Add", [erf, _graph.Scalar(1f)])]), _graph.Scalar(0.5f)]);
    }

    private string LayerNorm(string input, string name) => _graph.Node("LayerNormalization", [input, Vector($"{name}.weight"), Vector($"{name}.bias")], ("axis", -1), ("epsilon", _epsilon));

    private string Cast(string input) => _graph.Node("Cast", [input], ("to", (int)OnnxType.Float));

    private string Table(string kind)
    {
        Weight table = _checkpoint.Weights[$"{_prefix}embeddings.{kind}_embeddings.weight"];
        return _graph.Constant<float>(Values(table), [.. table.Shape]);
    }

    private string Vector(string name)
    {
        Weight vector = _checkpoint.Weights[$"{_prefix}{name}"];
        return _graph.Constant<float>(Values(vector), [.. vector.Shape]);
    }

    private static float[] Values(Weight weight)
    {
        float[] values = new float[weight.ElementCount];
        weight.CopyTo(values);
        return values;
    }
}
