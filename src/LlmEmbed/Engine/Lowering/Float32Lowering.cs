using LlmEmbed.Checkpoints;

namespace LlmEmbed.Engine;

/// <summary>Computes in fp32, with weights straight from the mapped checkpoint if it stores fp32.</summary>
internal class Float32Lowering(Checkpoint checkpoint, WeightStore store) : Lowering(checkpoint, store)
{
    protected override void Linear(OnnxNode node, LinearLayer layer)
    {
        Product product = new(layer.HasBias ? Graph.NextName("product") : node.Output, Scale: "", [node]);
        string weight = Graph.Weight(Store.Get($"{layer.Key}.weight", () => ReadWeight(layer)));
        Graph.Node("FusedMatMul", [Finished(node.Input), weight], [product.Value], ("transB", 1));
        KeepUnfinished(product);
    }

    protected override void Finish(Product product)
    {
        OnnxNode linear = product.Linears[0];
        if (product.Value != linear.Output) Graph.Node("Add", [product.Value, Biases(product.Linears)], [linear.Output]);
    }

    protected override void Norm(OnnxNode node, NormLayer layer)
    {
        string[] inputs = [Finished(node.Input), Graph.Constant<float>(WeightOf(layer), layer.Size)];
        if (layer is LayerNormLayer { Bias: string bias }) inputs = [.. inputs, Vector(bias, layer.Size)];
        if (layer is RmsNormLayer)
            Graph.Node("SimplifiedLayerNormalization", inputs, [node.Output], ("axis", -1), ("epsilon", layer.Epsilon), ("stash_type", 1));
        else
            Graph.Node("LayerNormalization", inputs, [node.Output], ("axis", -1), ("epsilon", layer.Epsilon));
    }

    protected override void AddAndNorm(OnnxNode add, OnnxNode norm)
    {
        if (norm.Layer is LayerNormLayer several && Flow.OnlyReaderOf(add.Output) is null)
        {
            Add(add);
            Norm(norm, several);
            return;
        }
        if (norm.Layer is LayerNormLayer layer)
        {
            (string value, string bias, string residual) = WithBias(add, layer.Size);
            Graph.Node("AddLayerNorm", [value, bias, residual, .. LayerNormConstants(layer), Epsilon(layer)], [norm.Output]);
            return;
        }
        RmsNormLayer rms = (RmsNormLayer)norm.Layer!;
        Graph.Node(
            "SkipSimplifiedLayerNormalization",
            [Finished(add.Inputs[0]), Finished(add.Inputs[1]), Graph.Constant<float>(WeightOf(rms), rms.Size)],
            [norm.Output, "", "", add.Output],
            ("epsilon", rms.Epsilon));
    }

    protected override void Add(OnnxNode node) => Graph.Node("Add", [Finished(node.Inputs[0]), Finished(node.Inputs[1])], [node.Output]);

    protected override void Multiply(OnnxNode node) => Graph.Node("Mul", [Finished(node.Inputs[0]), Finished(node.Inputs[1])], [node.Output]);

    protected override void Activate(OnnxNode node, ActivationLayer layer)
    {
        if (layer.Function == Activation.Gelu && UnfinishedOf(node.Input) is { IsFloat32: true } product)
        {
            Graph.Node("GeluRows", [product.Value, Biases(product.Linears)], [node.Output]);
            return;
        }
        // QuickGelu with alpha 1 is SiLU, in one pass over the values.
        (string type, OnnxAttribute[] attributes) = layer.Function switch
        {
            Activation.Silu => ("QuickGelu", [("alpha", 1f)]),
            Activation.Gelu => ("Gelu", [("approximate", "none")]),
            Activation.TanhGelu => ("Gelu", [("approximate", "tanh")]),
            Activation.Relu => ("Relu", (OnnxAttribute[])[]),
            _ => throw new ArgumentOutOfRangeException(nameof(layer), layer.Function, null),
        };
        Graph.Node(type, [Finished(node.Input)], [node.Output], attributes);
    }

    protected override void Attend(OnnxNode node, AttentionLayer layer)
    {
        ReadOnlySpan<string> queryKeyValue = node.Inputs.AsSpan(0, 3);
        Product[] products = [.. node.Inputs.Take(3).Select(UnfinishedOf).OfType<Product>().Where(product => product.IsFloat32)];
        bool areUnfinished = products.Length == 3;
        if (!areUnfinished)
            foreach (string value in queryKeyValue) Finished(value);
        int width = layer.Shape.Width + 2 * layer.Shape.KeyValueWidth;
        string biases = areUnfinished ? Biases(products.SelectMany(product => product.Linears)) : Filled(0, width);
        Graph.Node(
            "Attention",
            [
                .. areUnfinished ? [.. products.Select(product => product.Value)] : queryKeyValue,
                biases,
                .. AttentionConstants(node, layer),
            ],
            [node.Output]);
    }

    /// <summary>The inputs of an attention operator behind the biases.</summary>
    protected string[] AttentionConstants(OnnxNode node, AttentionLayer layer)
    {
        float[] shape = layer.Shape.ToVector();
        return [.. node.Inputs[3..], Graph.Constant<float>(shape, shape.Length)];
    }

    /// <summary>Weight and bias of a layer norm.</summary>
    protected string[] LayerNormConstants(LayerNormLayer layer) =>
        [Vector(layer.Weight, layer.Size), layer.Bias is string bias ? Vector(bias, layer.Size) : Filled(0, layer.Size)];

    protected string Epsilon(NormLayer layer) => Graph.Constant<float>([layer.Epsilon], 1);

    /// <summary>The operands of a sum, one of them without its bias if that is still to be added.</summary>
    private (string Value, string Bias, string Residual) WithBias(OnnxNode add, int size)
    {
        for (int operand = 0; operand < 2; operand++)
            if (UnfinishedOf(add.Inputs[operand]) is { IsFloat32: true } product)
                return (product.Value, Biases(product.Linears), Finished(add.Inputs[1 - operand]));
        return (Finished(add.Inputs[0]), Filled(0, size), Finished(add.Inputs[1]));
    }

    /// <summary>The weights of a linear layer [outputs, inputs]: the mapped file itself if it can be used as it is, else a copy.</summary>
    private WeightBuffer ReadWeight(LinearLayer layer)
    {
        if (layer.WeightIn(Checkpoint)?.TryGetMappedFloat32(out nint address) == true)
            return WeightBuffer.View<float>(address, layer.Outputs, layer.Inputs);
        WeightBuffer buffer = WeightBuffer.Allocate<float>(layer.Outputs, layer.Inputs);
        layer.CopyWeight(Checkpoint, buffer.Span<float>());
        return buffer;
    }
}
