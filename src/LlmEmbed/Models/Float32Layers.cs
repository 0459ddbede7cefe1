using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>Layers in fp32, with weights straight from the mapped checkpoint where it stores fp32.</summary>
internal class Float32Layers(Checkpoint checkpoint, OnnxGraph graph) : Layers(checkpoint, graph)
{
    public override Rows Prepare(string input, ProjectionGroup consumer) => new(input);

    public override Rows PreparedRmsNorm(string input, RmsNormWeight norm, ProjectionGroup consumer) => Prepare(RmsNorm(input, norm), consumer);

    public override string[] Project(Rows input, ProjectionGroup group)
    {
        string[] products = new string[group.Parts.Count];
        for (int i = 0; i < products.Length; i++)
        {
            Projection part = group.Parts[i];
            products[i] = MatMul(input, group, part);
            if (part.HasBias) products[i] = Graph.Node("Add", [products[i], Bias(part)]);
        }
        return products;
    }

    public override string Attend(Rows input, ProjectionGroup queryKeyValue, Attention attention) =>
        Attend([.. queryKeyValue.Parts.Select(part => MatMul(input, queryKeyValue, part))], Graph.Constant<float>(queryKeyValue.ReadBiases(Checkpoint), queryKeyValue.Width), attention);

    public override Product Multiply(Rows input, ProjectionGroup group) => new(MatMul(input, group, group.Parts[0]), Bias: group.Parts[0].HasBias ? Bias(group.Parts[0]) : "");

    public override string Add(Product product, string residual) => Graph.Node("Add", [Biased(product), residual]);

    public override (Rows Normalized, string Sum) AddAndRmsNorm(Product product, string residual, RmsNormWeight norm, ProjectionGroup consumer)
    {
        string normalized = Graph.NextName("normalized");
        string sum = Graph.NextName("sum");
        Graph.Node("SkipSimplifiedLayerNormalization", [Biased(product), residual, Vector(norm.Name, norm.Size)], [normalized, "", "", sum], ("epsilon", norm.Epsilon));
        return (Prepare(normalized, consumer), sum);
    }

    public override (Rows Normalized, string Sum) AddAndLayerNorm(Product product, string residual, LayerNormWeights norm, ProjectionGroup consumer)
    {
        string bias = product.Bias.Length > 0 ? product.Bias : Graph.Constant<float>(new float[norm.Size], norm.Size);
        string normalized = Graph.Node(
            "AddLayerNorm", [product.Value, bias, residual, Vector(norm.Weight, norm.Size), Vector(norm.Bias, norm.Size), Graph.Constant<float>([norm.Epsilon], 1)]);
        return (Prepare(normalized, consumer), normalized);
    }

    public override Rows SwiGlu(Rows input, ProjectionGroup gateAndUp, ProjectionGroup consumer)
    {
        // QuickGelu with alpha 1 is SiLU, in one pass over the values.
        string[] products = Project(input, gateAndUp);
        return Prepare(Graph.Node("Mul", [Graph.Node("QuickGelu", [products[0]], ("alpha", 1f)), products[1]]), consumer);
    }

    public override Rows Gelu(Rows input, ProjectionGroup group, ProjectionGroup consumer)
    {
        Projection part = group.Parts[0];
        string product = MatMul(input, group, part);
        return Prepare(Graph.Node("GeluRows", [product, Bias(part)]), consumer);
    }

    private string Biased(Product product) => product.Bias.Length > 0 ? Graph.Node("Add", [product.Value, product.Bias]) : product.Value;

    private string Bias(Projection part) => Graph.Constant<float>(part.ReadBias(Checkpoint), part.Width);

    private string MatMul(Rows input, ProjectionGroup group, Projection part) =>
        Graph.Node("FusedMatMul", [input.Value, Graph.Weight(group.ReadWeight(Checkpoint, part))], ("transB", 1));
}

/// <summary>The fp32 layers, which also report the largest magnitude of each channel of what projections read: what int8 has to leave room for.</summary>
internal sealed class CalibrationLayers(Checkpoint checkpoint, OnnxGraph graph) : Float32Layers(checkpoint, graph)
{
    private readonly List<ProjectionGroup> _groups = [];

    /// <summary>The groups in the order of the outputs, which are [1,1,in] each.</summary>
    public IReadOnlyList<ProjectionGroup> Groups => _groups;

    public override Rows Prepare(string input, ProjectionGroup consumer)
    {
        string largest = Graph.Node("ReduceMax", [Graph.Node("Abs", [input]), Graph.Constant<long>([0, 1], 2)]);
        Graph.Output(largest, $"largest_{_groups.Count}", OnnxType.Float, 1, 1, consumer.InputWidth);
        _groups.Add(consumer);
        return new Rows(input);
    }
}
