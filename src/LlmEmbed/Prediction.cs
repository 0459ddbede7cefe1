namespace LlmEmbed;

/// <summary>What a classifier says about one text.</summary>
public sealed class Prediction
{
    private Prediction(IEnumerable<LabelProbability> all) => Ranked = [.. all.OrderByDescending(item => item.Probability)];

    /// <summary>The most probable label; empty for a text without content (<see cref="IsEmpty"/>).</summary>
    public string Label => IsEmpty ? "" : Ranked[0].Label;

    /// <summary>The probability of <see cref="Label"/>, 0 to 1; 0 for a text without content.</summary>
    public double Probability => IsEmpty ? 0 : Ranked[0].Probability;

    /// <summary>All labels, most probable first; labels of equal probability keep the classifier's order. Empty for a text without content.</summary>
    public IReadOnlyList<LabelProbability> Ranked { get; }

    /// <summary>True for a text that is empty, all white space or gives no token, so that there was nothing to classify.</summary>
    public bool IsEmpty => Ranked.Count == 0;

    /// <summary>Whether the text was longer than the classifier reads, so that its end did not count.</summary>
    public bool IsTruncated { get; init; }

    /// <summary>The prediction for a text without content.</summary>
    public static Prediction Empty { get; } = new([]);

    /// <summary>A prediction made by hand, for tests of programs that use a classifier.</summary>
    /// <param name="probabilities">The labels with their probabilities, in any order.</param>
    /// <exception cref="ArgumentException">There is no label, or a probability is not between 0 and 1.</exception>
    public static Prediction Of(params IReadOnlyList<LabelProbability> probabilities)
    {
        ArgumentNullException.ThrowIfNull(probabilities);
        if (probabilities.Count == 0 || probabilities.Any(item => item.Probability is not (>= 0 and <= 1)))
            throw new ArgumentException("Expected at least one label and probabilities from 0 to 1.", nameof(probabilities));
        return new Prediction(probabilities);
    }

    internal static Prediction Of(IReadOnlyList<string> labels, ReadOnlySpan<float> probabilities, bool isTruncated)
    {
        LabelProbability[] all = new LabelProbability[labels.Count];
        for (int i = 0; i < all.Length; i++) all[i] = new LabelProbability(labels[i], probabilities[i]);
        return new Prediction(all) { IsTruncated = isTruncated };
    }
}

/// <summary>A label and its probability.</summary>
/// <param name="Label">The label.</param>
/// <param name="Probability">0 to 1; over all labels of a prediction they sum to 1.</param>
public readonly record struct LabelProbability(string Label, double Probability);
