namespace LlmEmbed;

/// <summary>What a classifier says about one text.</summary>
public sealed class Prediction
{
    internal Prediction(IReadOnlyList<string> labels, ReadOnlySpan<float> probabilities)
    {
        LabelProbability[] all = new LabelProbability[labels.Count];
        for (int i = 0; i < all.Length; i++) all[i] = new LabelProbability(labels[i], probabilities[i]);
        Ranked = all.OrderByDescending(item => item.Probability).ToArray();
    }

    private Prediction() => Ranked = [];

    /// <summary>The most probable label; empty for a text without content (<see cref="IsEmpty"/>).</summary>
    public string Label => IsEmpty ? "" : Ranked[0].Label;

    /// <summary>The probability of <see cref="Label"/>, 0 to 1; 0 for a text without content.</summary>
    public double Probability => IsEmpty ? 0 : Ranked[0].Probability;

    /// <summary>All labels, most probable first; labels of equal probability keep the classifier's order. Empty for a text without content.</summary>
    public IReadOnlyList<LabelProbability> Ranked { get; }

    /// <summary>True for a text that is empty, all white space or gives no token, so that there was nothing to classify.</summary>
    public bool IsEmpty => Ranked.Count == 0;

    internal static Prediction None { get; } = new();
}

/// <summary>A label and its probability.</summary>
/// <param name="Label">The label.</param>
/// <param name="Probability">0 to 1; over all labels of a prediction they sum to 1.</param>
public readonly record struct LabelProbability(string Label, double Probability);
