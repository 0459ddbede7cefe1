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
    /// <summary>Whether it is computed in fp32 in every precision, as a layer is that is small or reads one row per text only.</summary>
    public bool StaysFloat32 { get; init; }

    /// <summary>What its output is multiplied by; weights and biases are, when they are read.</summary>
    public float Factor { get; init; } = 1;

    /// <summary>Whether the checkpoint stores W as [inputs, outputs], as GPT-2's do. The values of b are stored as ever.</summary>
    public bool IsTransposed { get; init; }

    /// <summary>
    /// For each output the stored row that it is, counted from the first one of this layer; null if they are stored in order.
    /// </summary>
    public IReadOnlyList<int>? RowOrder { get; init; }

    /// <summary>Where its rows lie, if the checkpoint stores several layers in one tensor; else null.</summary>
    private StoredTogether? Together { get; init; }

    /// <summary>Stands for its weights: layers that have all of a tensor in common have the same key, whatever they are called.</summary>
    public string Key => Together is { First: 0 } stored && stored.Rows == Outputs && RowOrder is null ? stored.Name : Name;

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

    /// <summary>A layer whose rows lie scattered among those of others in one tensor.</summary>
    /// <param name="name">The full name of what is stored, without ".weight" and ".bias".</param>
    /// <param name="part">What the layer is called.</param>
    /// <param name="inputs">Columns of the layer.</param>
    /// <param name="storedRows">Rows of what is stored.</param>
    /// <param name="rows">Which of them are the layer's, in order.</param>
    /// <param name="hasBias">Whether there are biases, which are stored like the rows.</param>
    public static LinearLayer OfRows(string name, string part, int inputs, int storedRows, IReadOnlyList<int> rows, bool hasBias) =>
        new($"{name}.{part}", inputs, rows.Count, hasBias) { Together = new StoredTogether(name, 0, storedRows), RowOrder = rows };

    /// <summary>The same weights under a name of its own, for a layer that several blocks have in common.</summary>
    public LinearLayer Named(string name) => this with { Name = name, Together = Stored };

    /// <summary>
    /// W, times the factor, as the checkpoint stores it; null if its values have to be brought into order (<see cref="CopyWeight"/>).
    /// </summary>
    /// <exception cref="LlmEmbedException">It is missing or has another shape.</exception>
    public Weight? WeightIn(Checkpoint checkpoint)
    {
        Weight stored = StoredWeight(checkpoint);
        return IsTransposed || RowOrder is not null ? null : stored.Slice(Stored.First, Outputs).Times(Factor);
    }

    /// <summary>Widens W [outputs, inputs], times the factor, to fp32, row after row.</summary>
    /// <exception cref="LlmEmbedException">It is missing, has another shape or holds NaN or infinity.</exception>
    public void CopyWeight(Checkpoint checkpoint, Span<float> destination)
    {
        if (WeightIn(checkpoint) is { } inOrder)
        {
            inOrder.CopyTo(destination);
            return;
        }
        Weight stored = StoredWeight(checkpoint).Times(Factor);
        if (!IsTransposed)
        {
            for (int output = 0; output < Outputs; output++) stored.CopyRow(StoredRow(output), destination.Slice(output * Inputs, Inputs));
            return;
        }
        float[] ofInput = new float[Stored.Rows];
        for (int input = 0; input < Inputs; input++)
        {
            stored.CopyRow(input, ofInput);
            for (int output = 0; output < Outputs; output++) destination[output * Inputs + input] = ofInput[StoredRow(output)];
        }
    }

    /// <summary>Widens b, times the factor, to fp32.</summary>
    /// <exception cref="LlmEmbedException">It is missing, has another shape or holds NaN or infinity.</exception>
    public void CopyBias(Checkpoint checkpoint, Span<float> destination)
    {
        float[] stored = new float[Stored.Rows];
        checkpoint.Require($"{Stored.Name}.bias", Stored.Rows).Times(Factor).CopyTo(stored);
        for (int output = 0; output < Outputs; output++) destination[output] = stored[StoredRow(output)];
    }

    private StoredTogether Stored => Together ?? new StoredTogether(Name, 0, Outputs);

    private Weight StoredWeight(Checkpoint checkpoint) => IsTransposed
        ? checkpoint.Require($"{Stored.Name}.weight", Inputs, Stored.Rows)
        : checkpoint.Require($"{Stored.Name}.weight", Stored.Rows, Inputs);

    private int StoredRow(int output) => Stored.First + (RowOrder?[output] ?? output);

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
