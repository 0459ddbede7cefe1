using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// The layers that architectures are made of: each method reads its weights from the checkpoint by name and expected shape and adds its nodes to the graph.
/// What a matrix product reads and gives is the precision's own affair (<see cref="Rows"/>, <see cref="Product"/>), and so norms and activations name the
/// projections that read them; hidden states between blocks are fp32 everywhere.
/// </summary>
internal abstract class Layers(Checkpoint checkpoint, OnnxGraph graph)
{
    public OnnxGraph Graph { get; } = graph;

    protected Checkpoint Checkpoint { get; } = checkpoint;

    /// <summary>Makes an fp32 value ready for these projections.</summary>
    public abstract Rows Prepare(string input, ProjectionGroup consumer);

    /// <summary>The root-mean-square norm of an fp32 value, for the projections that read it.</summary>
    public abstract Rows PreparedRmsNorm(string input, RmsNormWeight norm, ProjectionGroup consumer);

    /// <summary>Products of each part of the group, in fp32: [B,T,in] → [B,T,out] each.</summary>
    public abstract string[] Project(Rows input, ProjectionGroup group);

    /// <summary>Attention whose queries, keys and values are the group's parts: [B,T,in] → [B,T,heads·d], in fp32.</summary>
    public abstract string Attend(Rows input, ProjectionGroup queryKeyValue, Attention attention);

    /// <summary>The same over queries, keys and values that are complete but for these biases, side by side.</summary>
    public string Attend(string[] queryKeyValue, string biases, Attention attention) => Graph.Node("Attention", [.. queryKeyValue, biases, .. attention.Constants(Graph)]);

    /// <summary>The product of a group's only part, to be added to a residual.</summary>
    public abstract Product Multiply(Rows input, ProjectionGroup group);

    /// <summary>product + residual, in fp32.</summary>
    public abstract string Add(Product product, string residual);

    /// <summary>The root-mean-square norm of product + residual, and that sum.</summary>
    public abstract (Rows Normalized, string Sum) AddAndRmsNorm(Product product, string residual, RmsNormWeight norm, ProjectionGroup consumer);

    /// <summary>The layer norm of product + residual, for the projections that read it next and in fp32.</summary>
    public abstract (Rows Normalized, string Sum) AddAndLayerNorm(Product product, string residual, LayerNormWeights norm, ProjectionGroup consumer);

    /// <summary>SiLU(gate) · up, where the group's parts are gate and up.</summary>
    public abstract Rows SwiGlu(Rows input, ProjectionGroup gateAndUp, ProjectionGroup consumer);

    /// <summary>GELU of the group's only part, by the error function.</summary>
    public abstract Rows Gelu(Rows input, ProjectionGroup group, ProjectionGroup consumer);

    /// <summary>Root-mean-square norm over the last axis, in fp32.</summary>
    public string RmsNorm(string input, RmsNormWeight norm) =>
        Graph.Node("SimplifiedLayerNormalization", [input, Vector(norm.Name, norm.Size)], ("axis", -1), ("epsilon", norm.Epsilon), ("stash_type", 1));

    /// <summary>Layer norm with weight and bias over the last axis, in fp32.</summary>
    public string LayerNorm(string input, LayerNormWeights norm) =>
        Graph.Node("LayerNormalization", [input, Vector(norm.Weight, norm.Size), Vector(norm.Bias, norm.Size)], ("axis", -1), ("epsilon", norm.Epsilon));

    /// <summary>A vector kept inside the model.</summary>
    protected string Vector(string name, int size) => Graph.Constant<float>(Read(name, size), size);

    protected float[] Read(string name, int size)
    {
        float[] values = new float[size];
        Checkpoint.Require(name, size).CopyTo(values);
        return values;
    }
}

/// <summary>An attention over texts that stand alone.</summary>
/// <param name="Shape">Its sizes, without the prefix.</param>
/// <param name="Lengths">I32 [B], tokens of each text.</param>
/// <param name="Rotary">Decoders: tables of positions.</param>
/// <param name="Prefix">Keys and values [P,kv·d] of the tokens before each text; none where P is 0.</param>
internal sealed record Attention(AttentionShape Shape, string Lengths, Rotary? Rotary = null, (int Length, float[] Keys, float[] Values) Prefix = default)
{
    /// <summary>The operator's inputs behind the biases. What is not needed is a constant that nothing reads.</summary>
    public string[] Constants(OnnxGraph graph)
    {
        string unused = graph.Constant<float>([0], 1);
        string Given(float[]? values) => values is null ? unused : graph.Constant<float>(values, Prefix.Length, values.Length / Prefix.Length);
        float[] shape = (Shape with { PrefixLength = Prefix.Length }).ToVector();
        return [Rotary?.Cos ?? unused, Rotary?.Sin ?? unused, Lengths, Given(Prefix.Keys), Given(Prefix.Values), graph.Constant<float>(shape, shape.Length)];
    }
}

/// <summary>What matrix products read: fp32 values, or quantized ones with a scale for each row.</summary>
/// <param name="Value">[B,T,in].</param>
/// <param name="Scale">[B,T,1]; empty in fp32.</param>
internal readonly record struct Rows(string Value, string Scale = "");

/// <summary>What a matrix product gives, with what is still to be applied to it.</summary>
/// <param name="Value">[B,T,out].</param>
/// <param name="Scale">[B,T,1], a factor for each row; empty where it is applied already.</param>
/// <param name="Bias">[out]; empty where it is added already.</param>
internal readonly record struct Product(string Value, string Scale = "", string Bias = "");

/// <summary>A root-mean-square norm.</summary>
internal readonly record struct RmsNormWeight(string Layer, int Size, float Epsilon)
{
    public string Name => $"{Layer}.weight";
}

/// <summary>Full names of a layer norm's two weights: checkpoints of the first years call them gamma and beta.</summary>
internal readonly record struct LayerNormWeights(string Weight, string Bias, int Size, float Epsilon);
