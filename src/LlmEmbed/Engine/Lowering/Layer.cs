using LlmEmbed.Checkpoints;

namespace LlmEmbed.Engine;

/// <summary>
/// A step of a network, as its architecture names it: what is computed, not how. A <see cref="Lowering"/> turns layers into operators of the engine,
/// in one precision. Values are fp32 and of shape [B,T,·] between all layers.
/// </summary>
internal abstract record Layer;

/// <summary>A linear layer y = x·Wᵀ + b, with W [outputs, inputs] as checkpoints store it: [B,T,inputs] → [B,T,outputs].</summary>
/// <param name="Name">
/// Its full name in the checkpoint, without ".weight" and ".bias"; a name of its own if it is a part of what the checkpoint stores together.
/// </param>
/// <param name="Inputs">Columns of W.</param>
/// <param name="Outputs">Rows of W.</param>
/// <param name="HasBias">Whether there is a b.</param>
internal sealed record LinearLayer(string Name, int Inputs, int Outputs, bool HasBias) : Layer
{
    /// <summary>Whether it is computed in fp32 in every precision, as a layer is that reads one row per text only.</summary>
    public bool StaysFloat32 { get; init; }

    /// <summary>What its output is multiplied by; weights and biases are, when they are read.</summary>
    public float Factor { get; init; } = 1;

    /// <summary>Where its rows lie, if the checkpoint stores several layers in one tensor; else null.</summary>
    private StoredTogether? Together { get; init; }

    /// <summary>Weights and biases.</summary>
    public long ParameterCount => (long)Outputs * Inputs + (HasBias ? Outputs : 0);

    /// <summary>Layers that read the same value and whose rows a checkpoint stores below each other in one tensor.</summary>
    /// <param name="name">The full name of what is stored, without ".weight" and ".bias".</param>
    /// <param name="inputs">Columns of each layer.</param>
    /// <param name="hasBias">Whether there are biases, which are stored together too.</param>
    /// <param name="parts">What each layer is called and its rows, in the order in which they are stored.</param>
    public static LinearLayer[] StoredIn(string name, int inputs, bool hasBias, params (string Part, int Outputs)[] parts)
    {
        int rows = parts.Sum(part => part.Outputs);
        LinearLayer LayerAt(int index) => new($"{name}.{parts[index].Part}", inputs, parts[index].Outputs, hasBias)
        {
            Together = new StoredTogether(name, parts.Take(index).Sum(part => part.Outputs), rows),
        };
        return [.. Enumerable.Range(0, parts.Length).Select(LayerAt)];
    }

    /// <summary>W, times the factor.</summary>
    /// <exception cref="LlmEmbedException">It is missing or has another shape.</exception>
    public Weight WeightIn(Checkpoint checkpoint) => (Together is { } stored
        ? checkpoint.Require($"{stored.Name}.weight", stored.Rows, Inputs).Slice(stored.First, Outputs)
        : checkpoint.Require($"{Name}.weight", Outputs, Inputs)).Times(Factor);

    /// <summary>b, times the factor.</summary>
    /// <exception cref="LlmEmbedException">It is missing or has another shape.</exception>
    public Weight BiasIn(Checkpoint checkpoint) => (Together is { } stored
        ? checkpoint.Require($"{stored.Name}.bias", stored.Rows).Slice(stored.First, Outputs)
        : checkpoint.Require($"{Name}.bias", Outputs)).Times(Factor);

    private sealed record StoredTogether(string Name, int First, int Rows);
}

/// <summary>A norm over the last axis: [B,T,size] → the same shape.</summary>
/// <param name="Weight">Full name of the weight [size].</param>
/// <param name="Size">Channels.</param>
/// <param name="Epsilon">Added to the mean square or to the variance.</param>
internal abstract record NormLayer(string Weight, int Size, float Epsilon) : Layer
{
    /// <summary>Weights and biases.</summary>
    public virtual long ParameterCount => Size;
}

/// <summary>x / √(mean of x² + epsilon) · (weight + offset).</summary>
internal sealed record RmsNormLayer(string Weight, int Size, float Epsilon) : NormLayer(Weight, Size, Epsilon)
{
    /// <summary>Added to each weight; 1 if a checkpoint stores how far weights are from 1.</summary>
    public float WeightOffset { get; init; }
}

/// <summary>(x − mean) / √(variance + epsilon) · weight + bias.</summary>
/// <param name="Weight">Full name of the weight [size].</param>
/// <param name="Bias">Full name of the bias [size]; null if the norm has none.</param>
/// <param name="Size">Channels.</param>
/// <param name="Epsilon">Added to the variance.</param>
internal sealed record LayerNormLayer(string Weight, string? Bias, int Size, float Epsilon) : NormLayer(Weight, Size, Epsilon)
{
    public override long ParameterCount => Bias is null ? Size : 2 * Size;
}

/// <summary>
/// Attention. Its inputs are queries [B,T,heads·d], keys and values [B,T,kv·d], cosines and sines [positions,r/2], I32 tokens of each text [B], the
/// keys and values [P,kv·d] of the prefix, and scores by distance [heads,2·positions − 1]. Inputs that the shape does not need are
/// constants that nothing reads.
/// </summary>
internal sealed record AttentionLayer(AttentionShape Shape) : Layer;

/// <summary>A function of every value by itself.</summary>
internal sealed record ActivationLayer(Activation Function) : Layer;

/// <summary>The sum of two values of the same shape.</summary>
internal sealed record AddLayer : Layer;

/// <summary>The product, value by value, of two values of the same shape.</summary>
internal sealed record MultiplyLayer : Layer;

/// <summary>The functions between the linear layers of an MLP.</summary>
internal enum Activation
{
    /// <summary>x / (1 + e⁻ˣ).</summary>
    Silu,

    /// <summary>x·(1 + erf(x/√2))/2.</summary>
    Gelu,

    /// <summary>x·(1 + tanh(√(2/π)·(x + 0.044715·x³)))/2.</summary>
    TanhGelu,

    /// <summary>The larger one of x and 0.</summary>
    Relu,
}
