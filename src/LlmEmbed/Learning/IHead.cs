using System.Text.Json.Nodes;

namespace LlmEmbed.Learning;

/// <summary>
/// A trained map from fused features to logits. Its state is <see cref="Tensors"/> and <see cref="Settings"/>, from which it can be built again.
/// </summary>
internal interface IHead : IDisposable
{
    /// <summary>The name of the form in which it is saved.</summary>
    string Kind { get; }

    /// <summary>F.</summary>
    int FeatureCount { get; }

    /// <summary>C.</summary>
    int ClassCount { get; }

    /// <summary>Everything that was trained.</summary>
    IReadOnlyList<HeadTensor> Tensors { get; }

    /// <summary>What else is needed to build the head again.</summary>
    JsonObject Settings { get; }

    /// <summary>Computes logits. Thread-safe; a row's logits do not depend on the rows beside it beyond rounding.</summary>
    /// <param name="features">[N,F], row after row.</param>
    /// <param name="rows">N.</param>
    /// <param name="logits">[N,C], row after row.</param>
    void Logits(ReadOnlySpan<float> features, int rows, Span<float> logits);
}

/// <summary>One named fp32 tensor of a head.</summary>
internal sealed record HeadTensor(string Name, long[] Shape, float[] Values)
{
    /// <summary>The tensor of a name, with the shape it must have.</summary>
    public static float[] Take(IReadOnlyList<HeadTensor> tensors, string name, params ReadOnlySpan<long> shape)
    {
        HeadTensor tensor = tensors.FirstOrDefault(t => t.Name == name)
            ?? throw new LlmEmbedException($"The head's tensor '{name}' is missing, found {string.Join(", ", tensors.Select(t => t.Name))}.");
        if (tensor.Shape.AsSpan().SequenceEqual(shape)) return tensor.Values;
        string expected = string.Join(", ", shape.ToArray());
        throw new LlmEmbedException($"The head's tensor '{name}' has the shape [{string.Join(", ", tensor.Shape)}], expected [{expected}].");
    }
}
