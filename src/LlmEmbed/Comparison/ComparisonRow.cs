namespace LlmEmbed.Comparison;

/// <summary>A share with the interval in which it lies 95 times of 100.</summary>
internal readonly record struct Interval(double Value, double Low, double High);

/// <summary>One method on the user's data.</summary>
/// <param name="Method">Its name.</param>
/// <param name="Note">What it did, in a few words.</param>
/// <param name="Report">Quality on the test texts; of the first seed where several ran.</param>
/// <param name="Predicted">[N], the class of each test text.</param>
/// <param name="SeedAccuracies">Accuracy with each seed; one entry for a method without chance.</param>
/// <param name="Parameters">Weights of the blocks and the head that a text passes.</param>
/// <param name="Tokens">Tokens that went through backbones, training and test texts together.</param>
/// <param name="CachedBytes">Bytes of features of the training texts.</param>
/// <param name="Training">From texts to the trained classifier; of one seed.</param>
/// <param name="Prediction">Of all test texts.</param>
internal sealed record ComparisonRow(
    string Method,
    string Note,
    EvaluationReport Report,
    int[] Predicted,
    IReadOnlyList<double> SeedAccuracies,
    long Parameters,
    long Tokens,
    long CachedBytes,
    Cost Training,
    Cost Prediction)
{
    public Interval Accuracy { get; init; }

    public Interval MacroF1 { get; init; }

    /// <summary>McNemar's exact probability that this method and the best one of the others are equally good.</summary>
    public double? PAgainstAuto { get; init; }
}
