using LlmEmbed.Checkpoints;
using LlmEmbed.Graphs;

namespace LlmEmbed.Backbones;

/// <summary>The layers that architectures are made of: each method reads its weights from the checkpoint by name and expected shape and adds its nodes to the graph.</summary>
internal sealed class Layers(Checkpoint checkpoint, OnnxGraph graph)
{
    public OnnxGraph Graph { get; } = graph;

    /// <summary>y = x·Wᵀ + b, with W [out,in] as checkpoints store it.</summary>
    public string Linear(string input, string name, int outputs, int inputs, bool bias)
    {
        string product = Graph.Node("FusedMatMul", [input, Matrix($"{name}.weight", outputs, inputs)], ("transB", 1));
        return bias ? Graph.Node("Add", [product, Vector($"{name}.bias", outputs)]) : product;
    }

    /// <summary>A linear layer whose outputs are attention heads: [B,T,in] → [B,T,heads·padded].</summary>
    public string LinearToHeads(string input, string name, HeadShape heads, int inputs, bool bias)
    {
        if (!heads.IsPadded) return Linear(input, name, heads.Width, inputs, bias);
        Weight weight = checkpoint.Require($"{name}.weight", heads.Width, inputs);
        WeightBuffer padded = WeightBuffer.Allocate<float>(heads.PaddedWidth, inputs);
        Span<float> rows = padded.Span<float>();
        rows.Clear();
        for (int row = 0; row < heads.Width; row++) weight.CopyRow(row, rows.Slice(heads.PaddedIndex(row) * inputs, inputs));
        string product = Graph.Node("FusedMatMul", [input, Graph.Weight(padded)], ("transB", 1));
        if (!bias) return product;
        float[] paddedBias = new float[heads.PaddedWidth];
        heads.Scatter(Read($"{name}.bias", heads.Width), paddedBias);
        return Graph.Node("Add", [product, Graph.Constant<float>(paddedBias, heads.PaddedWidth)]);
    }

    /// <summary>A linear layer whose inputs are attention heads: [B,T,heads·padded] → [B,T,out].</summary>
    public string LinearFromHeads(string input, string name, int outputs, HeadShape heads, bool bias)
    {
        if (!heads.IsPadded) return Linear(input, name, outputs, heads.Width, bias);
        Weight weight = checkpoint.Require($"{name}.weight", outputs, heads.Width);
        WeightBuffer padded = WeightBuffer.Allocate<float>(outputs, heads.PaddedWidth);
        Span<float> rows = padded.Span<float>();
        rows.Clear();
        float[] row = new float[heads.Width];
        for (int output = 0; output < outputs; output++)
        {
            weight.CopyRow(output, row);
            heads.Scatter(row, rows.Slice(output * heads.PaddedWidth, heads.PaddedWidth));
        }
        string product = Graph.Node("FusedMatMul", [input, Graph.Weight(padded)], ("transB", 1));
        return bias ? Graph.Node("Add", [product, Vector($"{name}.bias", outputs)]) : product;
    }

    /// <summary>Root-mean-square norm over the last axis.</summary>
    public string RmsNorm(string input, string name, int size, float epsilon) =>
        Graph.Node("SimplifiedLayerNormalization", [input, Vector($"{name}.weight", size)], ("axis", -1), ("epsilon", epsilon), ("stash_type", 1));

    /// <summary>The norm of a residual sum, and the sum itself.</summary>
    public (string Normalized, string Sum) AddAndRmsNorm(string input, string residual, string name, int size, float epsilon)
    {
        string normalized = Graph.NextName("normalized");
        string sum = Graph.NextName("sum");
        Graph.Node("SkipSimplifiedLayerNormalization", [input, residual, Vector($"{name}.weight", size)], [normalized, "", "", sum], ("epsilon", epsilon));
        return (normalized, sum);
    }

    /// <summary>Layer norm with weight and bias over the last axis.</summary>
    public string LayerNorm(string input, NormNames names, int size, float epsilon) =>
        Graph.Node("LayerNormalization", [input, Vector(names.Weight, size), Vector(names.Bias, size)], ("axis", -1), ("epsilon", epsilon));

    /// <summary>Layer norm of a residual sum.</summary>
    public string AddAndLayerNorm(string input, string residual, NormNames names, int size, float epsilon) =>
        Graph.Node("SkipLayerNormalization", [input, residual, Vector(names.Weight, size), Vector(names.Bias, size)], ("epsilon", epsilon));

    /// <summary>A vector kept inside the model.</summary>
    public string Vector(string name, int size) => Graph.Constant<float>(Read(name, size), size);

    private float[] Read(string name, int size)
    {
        float[] values = new float[size];
        checkpoint.Require(name, size).CopyTo(values);
        return values;
    }

    private string Matrix(string name, int rows, int columns)
    {
        Weight weight = checkpoint.Require(name, rows, columns);
        if (weight.TryGetMappedFloat32(out nint address)) return Graph.Weight(WeightBuffer.View<float>(address, rows, columns));
        WeightBuffer buffer = WeightBuffer.Allocate<float>(rows, columns);
        weight.CopyTo(buffer.Span<float>());
        return Graph.Weight(buffer);
    }
}

/// <summary>Full names of a layer norm's two weights: checkpoints of the first years call them gamma and beta.</summary>
internal readonly record struct NormNames(string Weight, string Bias);

/// <summary>
/// Attention heads of a size that the engine's rotary attention may not take: it wants a multiple of 16. Smaller heads are padded with zero channels, which changes
/// no score and no output. Rotary positions turn channel i of the first half with channel i of the second, so each half keeps its place at the start of a padded half.
/// </summary>
internal readonly record struct HeadShape(int Heads, int Size)
{
    private const int Multiple = 16;

    public int PaddedSize => (Size + Multiple - 1) / Multiple * Multiple;

    public bool IsPadded => PaddedSize != Size;

    public int Width => Heads * Size;

    public int PaddedWidth => Heads * PaddedSize;

    /// <summary>Where channel <paramref name="index"/> of all heads side by side lies after padding.</summary>
    public int PaddedIndex(int index)
    {
        int channel = index % Size;
        return index / Size * PaddedSize + (channel < Size / 2 ? channel : channel - Size / 2 + PaddedSize / 2);
    }

    public void Scatter(ReadOnlySpan<float> values, Span<float> padded)
    {
        for (int i = 0; i < values.Length; i++) padded[PaddedIndex(i)] = values[i];
    }
}
