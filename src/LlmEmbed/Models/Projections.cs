using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>A linear layer y = x·Wᵀ + b, with W [out,in] as checkpoints store it.</summary>
/// <param name="Name">Its full name, without ".weight" and ".bias".</param>
/// <param name="Outputs">Rows of W.</param>
/// <param name="HasBias">Whether there is a b.</param>
/// <param name="OutputHeads">Where outputs are attention heads that the engine wants padded.</param>
internal sealed record Projection(string Name, int Outputs, bool HasBias, HeadShape? OutputHeads = null)
{
    /// <summary>Outputs with padding.</summary>
    public int Width => OutputHeads?.PaddedWidth ?? Outputs;

    public float[] ReadBias(Checkpoint checkpoint)
    {
        float[] bias = new float[Width];
        if (!HasBias) return bias;
        float[] stored = new float[Outputs];
        checkpoint.Require($"{Name}.bias", Outputs).CopyTo(stored);
        if (OutputHeads is { } heads) heads.Scatter(stored, bias);
        else stored.CopyTo(bias, 0);
        return bias;
    }
}

/// <summary>Linear layers that read the same input, so that it needs to be prepared only once.</summary>
/// <param name="Inputs">Columns of each W.</param>
/// <param name="InputHeads">Where inputs are attention heads that the engine padded.</param>
/// <param name="Parts">The layers.</param>
internal sealed record ProjectionGroup(int Inputs, HeadShape? InputHeads, params IReadOnlyList<Projection> Parts)
{
    public ProjectionGroup(int inputs, params IReadOnlyList<Projection> parts)
        : this(inputs, null, parts)
    {
    }

    private const int MostTogether = 8192;

    /// <summary>Stands for the group in tables.</summary>
    public string Name => Parts[0].Name;

    /// <summary>Inputs with padding.</summary>
    public int InputWidth => InputHeads?.PaddedWidth ?? Inputs;

    /// <summary>
    /// Gate and up whose int8 products together would outgrow the processor's cache. A product goes over all of its outputs several times and then takes up to 1.4 times as
    /// long, so each part has one of its own; narrow ones are a tenth faster together.
    /// </summary>
    public bool IsSplit => Parts.Count == 2 && Width > MostTogether;

    /// <summary>All outputs side by side.</summary>
    public int Width => Parts.Sum(part => part.Width);

    /// <summary>All biases side by side, 0 where there is none.</summary>
    public float[] ReadBiases(Checkpoint checkpoint) => [.. Parts.SelectMany(part => part.ReadBias(checkpoint))];

    /// <summary>One layer's weights [part.Width, InputWidth]: the mapped file itself where it can be used as it is, else a copy.</summary>
    public WeightBuffer ReadWeight(Checkpoint checkpoint, Projection part)
    {
        Weight weight = checkpoint.Require($"{part.Name}.weight", part.Outputs, Inputs);
        bool padded = part.OutputHeads is { IsPadded: true } || InputHeads is { IsPadded: true };
        if (!padded && weight.TryGetMappedFloat32(out nint address)) return WeightBuffer.View<float>(address, part.Outputs, Inputs);
        WeightBuffer buffer = WeightBuffer.Allocate<float>(part.Width, InputWidth);
        if (padded) CopyPadded(weight, part, buffer.Span<float>());
        else weight.CopyTo(buffer.Span<float>());
        return buffer;
    }

    private void CopyPadded(Weight weight, Projection part, Span<float> destination)
    {
        destination.Clear();
        float[] values = new float[Inputs];
        for (int row = 0; row < part.Outputs; row++)
        {
            weight.CopyRow(row, values);
            Span<float> padded = destination.Slice((part.OutputHeads?.PaddedIndex(row) ?? row) * InputWidth, InputWidth);
            if (InputHeads is { } heads) heads.Scatter(values, padded);
            else values.CopyTo(padded);
        }
    }
}

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
