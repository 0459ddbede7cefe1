using System.Numerics.Tensors;
using System.Text.Json.Nodes;

namespace LlmEmbed.Learning;

/// <summary>Multinomial logistic regression on standardized features.</summary>
internal sealed class LinearHead : IHead
{
    public const string KindName = "linear";

    private readonly float[] _weights, _intercepts;

    /// <param name="classCount">C.</param>
    /// <param name="standardization">Of the F features.</param>
    /// <param name="weights">
    /// [K,F] for standardized features; K is 1 for two classes (the second against the first, as scikit-learn has it), else C.
    /// </param>
    /// <param name="intercepts">[K].</param>
    public LinearHead(int classCount, Standardization standardization, float[] weights, float[] intercepts)
    {
        ClassCount = classCount;
        (Standardization, _weights, _intercepts) = (standardization, weights, intercepts);
        Tensors =
        [
            .. standardization.Tensors,
            new HeadTensor("weight", [intercepts.Length, FeatureCount], weights),
            new HeadTensor("bias", [intercepts.Length], intercepts),
        ];
    }

    /// <summary>Of the F features.</summary>
    public Standardization Standardization { get; }

    /// <summary>[K,F].</summary>
    public float[] Weights => _weights;

    /// <summary>[K].</summary>
    public float[] Intercepts => _intercepts;

    public string Kind => KindName;

    public int FeatureCount => Standardization.Mean.Length;

    public int ClassCount { get; }

    public IReadOnlyList<HeadTensor> Tensors { get; }

    public JsonObject Settings => [];

    public static LinearHead Load(SavedHead saved) => Load(saved.Tensors, saved.Layout.FeatureCount, saved.ClassCount);

    public static LinearHead Load(IReadOnlyList<HeadTensor> tensors, int featureCount, int classCount)
    {
        int outputs = LogisticLoss.OutputsFor(classCount);
        return new LinearHead(
            classCount,
            Standardization.Load(tensors, featureCount),
            HeadTensor.Take(tensors, "weight", outputs, featureCount),
            HeadTensor.Take(tensors, "bias", outputs));
    }

    public void Logits(ReadOnlySpan<float> features, int rows, Span<float> logits)
    {
        // Row by row, so that no row's result depends on another.
        float[] standardized = new float[FeatureCount];
        for (int row = 0; row < rows; row++)
        {
            Standardization.Apply(features.Slice(row * FeatureCount, FeatureCount), standardized);
            Span<float> target = logits.Slice(row * ClassCount, ClassCount);
            target.Clear();
            target = target[(ClassCount - _intercepts.Length)..];
            for (int k = 0; k < target.Length; k++)
                target[k] = _intercepts[k] + TensorPrimitives.Dot<float>(standardized, _weights.AsSpan(k * FeatureCount, FeatureCount));
        }
    }

    public void Dispose()
    {
    }
}
