using System.Numerics.Tensors;
using LlmEmbed.Checkpoints;

namespace LlmEmbed.Engine;

/// <summary>
/// Computes matrix products in int8: inputs u8 with a scale per token, weights s8 with a scale per output (<see cref="Int8Weights"/>), sums exact in
/// 32 bits. Everything between two products is one pass over the rows (<see cref="FusedOperators"/>). Attention, norms and residual sums are fp32. A
/// value that several linear layers read is quantized once. What no pattern covers is computed as in fp32.
/// </summary>
internal sealed class Int8Lowering(Checkpoint checkpoint, WeightStore store, Int8Weights weights) : Float32Lowering(checkpoint, store)
{
    private readonly Dictionary<string, Rows> _quantized = new(StringComparer.Ordinal);
    private readonly HashSet<OnnxNode> _multiplied = [];

    protected override void Linear(OnnxNode node, LinearLayer layer)
    {
        if (layer.StaysFloat32)
        {
            base.Linear(node, layer);
            return;
        }
        if (_multiplied.Contains(node)) return; // together with another linear layer of its group
        OnnxNode[] linears = [.. Flow.LinearReadersOf(node.Input)];
        _multiplied.UnionWith(linears);
        LinearGroup group = LinearGroup.Of(linears);
        Int8Matrix matrix = weights.Of(group);
        Rows rows = Quantized(node.Input);
        for (int part = 0; part < matrix.Values.Count; part++)
        {
            WeightBuffer values = matrix.Values[part];
            // [B,T,in] u8 · [in,out] s8 → [B,T,out] fp32, still to be multiplied by each row's scale.
            string product = Graph.Node(
                "MatMulIntegerToFloat",
                [
                    rows.Value,
                    Graph.Weight(Store.Get($"{group.Name}.int8.{part}", values.Share)),
                    Graph.Scalar(1f),
                    Graph.Constant<float>(matrix.ScalesOf(part), values.Shape[1]),
                    Graph.Scalar(FusedOperators.ZeroPoint),
                ]);
            KeepUnfinished(new Product(product, rows.Scale, group.IsSplit ? [linears[part]] : linears));
        }
    }

    protected override void Finish(Product product)
    {
        if (product.IsFloat32)
        {
            base.Finish(product);
            return;
        }
        string[] outputs = [.. product.Linears.Select(linear => linear.Output)];
        if (outputs.Length == 3)
        {
            Graph.Node("SplitRows", [product.Value, product.Scale, .. product.Linears.Select(linear => Biases([linear]))], outputs);
            return;
        }
        string finished = product.IsAlone ? outputs[0] : Graph.NextName("finished");
        Graph.Node("Add", [Graph.Node("Mul", [product.Value, product.Scale]), Biases(product.Linears)], [finished]);
        if (product.IsAlone) return;
        long[] widths = [.. product.Linears.Select(linear => (long)((LinearLayer)linear.Layer!).Outputs)];
        Graph.Node("Split", [finished, Graph.Constant<long>(widths, widths.Length)], outputs, ("axis", -1));
    }

    protected override void Norm(OnnxNode node, NormLayer layer)
    {
        if (layer is RmsNormLayer rms && Flow.IsReadByLinearsOnly(node.Output))
            Graph.Node("RmsNormQuantize", [Finished(node.Input), .. RmsNormConstants(rms, node.Output)], NewRows(node.Output));
        else base.Norm(node, layer);
    }

    protected override void AddAndNorm(OnnxNode add, OnnxNode norm)
    {
        if (ProductAndResidual(add) is not (Product product, string residual))
        {
            base.AddAndNorm(add, norm);
            return;
        }
        string[] sum = [product.Value, product.Scale, Biases(product.Linears), Finished(residual)];
        if (norm.Layer is RmsNormLayer rms)
        {
            Graph.Node("AddRmsNormQuantize", [.. sum, .. RmsNormConstants(rms, norm.Output)], [.. NewRows(norm.Output), add.Output]);
            return;
        }
        LayerNormLayer layer = (LayerNormLayer)norm.Layer!;
        if (Flow.OnlyReaderOf(add.Output) is null)
        {
            string[] constants = [Smoothed(WeightOf(layer), norm.Output), Smoothed(BiasOf(layer), norm.Output), Epsilon(layer)];
            Graph.Node("AddPreLayerNormQuantize", [.. sum, .. constants], [.. NewRows(norm.Output), add.Output]);
            return;
        }
        // No linear layer reads the state behind the last block. It is quantized nevertheless, since no operator does the rest alone in one pass.
        bool isQuantized = Flow.LinearReadersOf(norm.Output).Any();
        string smoothing = isQuantized ? Smoothing(norm.Output) : Filled(1, layer.Size);
        string[] rows = isQuantized ? NewRows(norm.Output) : [Graph.NextName("quantized"), Graph.NextName("scale")];
        Graph.Node("AddLayerNormQuantize", [.. sum, .. LayerNormConstants(layer), smoothing, Epsilon(layer)], [.. rows, norm.Output]);
    }

    protected override void Add(OnnxNode node)
    {
        if (ProductAndResidual(node) is (Product product, string residual))
            Graph.Node("AddRows", [product.Value, product.Scale, Biases(product.Linears), Finished(residual)], [node.Output]);
        else base.Add(node);
    }

    protected override void Multiply(OnnxNode node)
    {
        if (GateAndUp(node) is (Activation function, Product gate, Product up))
        {
            IEnumerable<OnnxNode> linears = gate == up ? gate.Linears : [.. gate.Linears, .. up.Linears];
            string[] inputs = [gate.Value, up.Value, gate.Scale, Biases(linears), Smoothing(node.Output)];
            Graph.Node(FusedOperators.GateQuantize(function), inputs, NewRows(node.Output));
        }
        else
        {
            base.Multiply(node);
        }
    }

    protected override void Activate(OnnxNode node, ActivationLayer layer)
    {
        // The pass of a gated unit, which begins at its multiplication, computes this function too.
        if (Flow.OnlyReaderOf(node.Output) is { Layer: MultiplyLayer } multiply && GateAndUp(multiply) is not null) return;
        if (UnfinishedOf(node.Input) is { IsFloat32: false, IsAlone: true } product && Flow.IsReadByLinearsOnly(node.Output))
        {
            string[] inputs = [product.Value, product.Scale, Biases(product.Linears), Smoothing(node.Output)];
            Graph.Node(FusedOperators.ActivateQuantize(layer.Function), inputs, NewRows(node.Output));
        }
        else
        {
            base.Activate(node, layer);
        }
    }

    protected override void Attend(OnnxNode node, AttentionLayer layer)
    {
        string[] queryKeyValue = node.Inputs[..3];
        if (UnfinishedOf(queryKeyValue[0]) is { IsFloat32: false } product
            && product.Linears.Select(linear => linear.Output).SequenceEqual(queryKeyValue, StringComparer.Ordinal)
            && queryKeyValue.All(value => UnfinishedOf(value) == product))
            Graph.Node(
                "AttentionOfProduct", [product.Value, product.Scale, Biases(product.Linears), .. AttentionConstants(node, layer)], [node.Output]);
        else base.Attend(node, layer);
    }

    /// <summary>The operands of a sum, if one of them is the unfinished product of one linear layer.</summary>
    private (Product Product, string Residual)? ProductAndResidual(OnnxNode add)
    {
        for (int operand = 0; operand < 2; operand++)
            if (UnfinishedOf(add.Inputs[operand]) is { IsFloat32: false, IsAlone: true } product) return (product, add.Inputs[1 - operand]);
        return null;
    }

    /// <summary>
    /// The products of f(gate)·up, if linear layers alone read that and one pass can compute it. Both are one product, or one each.
    /// </summary>
    private (Activation Function, Product Gate, Product Up)? GateAndUp(OnnxNode multiply)
    {
        if (!Flow.IsReadByLinearsOnly(multiply.Output)) return null;
        for (int operand = 0; operand < 2; operand++)
        {
            if (Flow.ProducerOf(multiply.Inputs[operand]) is not { Layer: ActivationLayer { Function: var function } } activation) continue;
            if (Flow.OnlyReaderOf(activation.Output) is null) continue;
            (string gateValue, string upValue) = (activation.Input, multiply.Inputs[1 - operand]);
            if (UnfinishedOf(gateValue) is not { IsFloat32: false } gate || UnfinishedOf(upValue) is not { IsFloat32: false } up) continue;
            if (gate.Scale != up.Scale) continue;
            bool isTogether = gate.Linears is [OnnxNode first, OnnxNode second] && first.Output == gateValue && second.Output == upValue;
            if (isTogether || (gate.IsAlone && up.IsAlone)) return (function, gate, up);
        }
        return null;
    }

    /// <summary>The quantized form of a value, made once for all linear layers that read it.</summary>
    private Rows Quantized(string value)
    {
        if (!_quantized.TryGetValue(value, out Rows rows))
        {
            Graph.Node("QuantizeRows", [Finished(value), Smoothing(value)], NewRows(value));
            rows = _quantized[value];
        }
        return rows;
    }

    /// <summary>Fresh names for the quantized form of a value.</summary>
    private string[] NewRows(string value)
    {
        Rows rows = new(Graph.NextName("quantized"), Graph.NextName("scale"));
        _quantized.Add(value, rows);
        return [rows.Value, rows.Scale];
    }

    /// <summary>The norm's weight with the smoothing of its readers in it, and epsilon.</summary>
    private string[] RmsNormConstants(RmsNormLayer norm, string output) => [Smoothed(WeightOf(norm), output), Epsilon(norm)];

    /// <summary>A vector that a norm applies, with the smoothing of the norm's readers in it.</summary>
    private string Smoothed(float[] vector, string output)
    {
        TensorPrimitives.Multiply(vector, SmoothingOf(output), vector);
        return Graph.Constant<float>(vector, vector.Length);
    }

    private string Smoothing(string value) => Graph.Constant<float>(SmoothingOf(value), SmoothingOf(value).Length);

    /// <summary>[inputs], what a value is multiplied by before it is quantized.</summary>
    private float[] SmoothingOf(string value) => weights.Of(LinearGroup.Of(Flow.LinearReadersOf(value))).Smoothing;

    /// <summary>A quantized value: u8 [B,T,in] with a scale for each row [B,T,1].</summary>
    private readonly record struct Rows(string Value, string Scale);
}
