using System.Numerics.Tensors;
using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// Layers whose matrix products are int8: inputs u8 with a scale per token, weights s8 with a scale per output (<see cref="Int8Weights"/>), sums exact in 32 bits.
/// Everything between two products is one pass over the rows (<see cref="FusedOperators"/>). Attention, norms and residual sums are fp32.
/// </summary>
internal sealed class Int8Layers(Checkpoint checkpoint, OnnxGraph graph, Int8Weights weights) : Layers(checkpoint, graph)
{
    public override Rows Prepare(string input, ProjectionGroup consumer)
    {
        Rows rows = NewRows();
        Graph.Node("QuantizeRows", [input, Smoothing(consumer)], [rows.Value, rows.Scale]);
        return rows;
    }

    public override Rows PreparedRmsNorm(string input, RmsNormWeight norm, ProjectionGroup consumer)
    {
        Rows rows = NewRows();
        Graph.Node("RmsNormQuantize", [input, .. NormConstants(norm, consumer)], [rows.Value, rows.Scale]);
        return rows;
    }

    public override string[] Project(Rows input, ProjectionGroup group)
    {
        if (group.Parts.Count != 3) throw new ArgumentException("Three parts are what attention reads.", nameof(group));
        string[] parts = [Graph.NextName("query"), Graph.NextName("key"), Graph.NextName("value")];
        string[] biases = [.. group.Parts.Select(part => Graph.Constant<float>(part.ReadBias(Checkpoint), part.Width))];
        Graph.Node("SplitRows", [MatMul(input, group), input.Scale, .. biases], parts);
        return parts;
    }

    public override string Attend(Rows input, ProjectionGroup queryKeyValue, Attention attention) =>
        Graph.Node("AttentionOfProduct", [MatMul(input, queryKeyValue), input.Scale, Biases(queryKeyValue), .. attention.Constants(Graph)]);

    public override Product Multiply(Rows input, ProjectionGroup group) => new(MatMul(input, group), input.Scale, Biases(group));

    public override string Add(Product product, string residual) => Graph.Node("AddRows", [product.Value, product.Scale, product.Bias, residual]);

    public override (Rows Normalized, string Sum) AddAndRmsNorm(Product product, string residual, RmsNormWeight norm, ProjectionGroup consumer)
    {
        (Rows rows, string sum) = (NewRows(), Graph.NextName("sum"));
        Graph.Node("AddRmsNormQuantize", [product.Value, product.Scale, product.Bias, residual, .. NormConstants(norm, consumer)], [rows.Value, rows.Scale, sum]);
        return (rows, sum);
    }

    public override (Rows Normalized, string Sum) AddAndLayerNorm(Product product, string residual, LayerNormWeights norm, ProjectionGroup consumer)
    {
        (Rows rows, string normalized) = (NewRows(), Graph.NextName("normalized"));
        Graph.Node(
            "AddLayerNormQuantize",
            [product.Value, product.Scale, product.Bias, residual, Vector(norm.Weight, norm.Size), Vector(norm.Bias, norm.Size), Smoothing(consumer), Graph.Constant<float>([norm.Epsilon], 1)],
            [rows.Value, rows.Scale, normalized]);
        return (rows, normalized);
    }

    public override Rows SwiGlu(Rows input, ProjectionGroup gateAndUp, ProjectionGroup consumer)
    {
        Rows rows = NewRows();
        string[] products = MatMuls(input, gateAndUp);
        Graph.Node("SwiGluQuantize", [products[0], products[^1], input.Scale, Biases(gateAndUp), Smoothing(consumer)], [rows.Value, rows.Scale]);
        return rows;
    }

    public override Rows Gelu(Rows input, ProjectionGroup group, ProjectionGroup consumer)
    {
        Rows rows = NewRows();
        Graph.Node("GeluQuantize", [MatMul(input, group), input.Scale, Biases(group), Smoothing(consumer)], [rows.Value, rows.Scale]);
        return rows;
    }

    /// <summary>The norm's weight with the consumer's smoothing in it, and epsilon.</summary>
    private string[] NormConstants(RmsNormWeight norm, ProjectionGroup consumer)
    {
        float[] weight = Read(norm.Name, norm.Size);
        TensorPrimitives.Multiply(weight, weights[consumer].Smoothing, weight);
        return [Graph.Constant<float>(weight, norm.Size), Graph.Constant<float>([norm.Epsilon], 1)];
    }

    private Rows NewRows() => new(Graph.NextName("quantized"), Graph.NextName("scale"));

    private string Biases(ProjectionGroup group) => Graph.Constant<float>(group.ReadBiases(Checkpoint), group.Width);

    private string Smoothing(ProjectionGroup consumer) => Graph.Constant<float>(weights[consumer].Smoothing, consumer.InputWidth);

    /// <summary>[B,T,in] u8 · [in,out] s8 → [B,T,out] fp32, still to be multiplied by each row's scale.</summary>
    private string MatMul(Rows input, ProjectionGroup group) => MatMuls(input, group).Single();

    /// <summary>The same, for each part by itself where the group is split.</summary>
    private string[] MatMuls(Rows input, ProjectionGroup group)
    {
        Int8Matrix matrix = weights[group];
        return
        [
            .. matrix.Values.Select((values, part) => Graph.Node(
                "MatMulIntegerToFloat",
                [input.Value, Graph.Weight(values.Share()), Graph.Scalar(1f), Graph.Constant<float>(matrix.ScalesOf(part), values.Shape[1]), Graph.Scalar(FusedOperators.ZeroPoint)])),
        ];
    }
}
