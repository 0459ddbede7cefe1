using LlmEmbed.Evaluation;

namespace LlmEmbed.Comparison;

/// <summary>One method on the user's data.</summary>
/// <param name="Method">Its name.</param>
/// <param name="Note">What it did, in a few words.</param>
/// <param name="Report">Quality on the test texts; of the first seed where several ran.</param>
/// <param name="Predicted">[N], the class of each test text.</param>
/// <param name="Accuracy">The bootstrap's interval of the report's accuracy.</param>
/// <param name="MacroF1">The bootstrap's interval of the report's macro-F1.</param>
/// <param name="Cost">What it took.</param>
internal sealed record ComparisonRow(string Method, string Note, EvaluationReport Report, int[] Predicted, Interval Accuracy, Interval MacroF1, MethodCost Cost)
{
    /// <summary>Accuracy with each seed; one entry for a method without chance.</summary>
    public IReadOnlyList<double> SeedAccuracies { get; init; } = [Report.Accuracy];

    /// <summary>McNemar's exact probability that this method and auto are equally good; null for auto itself.</summary>
    public double? PAgainstAuto { get; init; }
}

/// <summary>What a method took.</summary>
/// <param name="Parameters">Weights of the blocks and the head that a text passes.</param>
/// <param name="Tokens">Tokens that went through backbones, training and test texts together.</param>
/// <param name="FeatureBytes">Bytes of features of the training texts.</param>
/// <param name="Training">From texts to the trained classifier; of one seed.</param>
/// <param name="Prediction">Of all test texts.</param>
internal readonly record struct MethodCost(long Parameters, long Tokens, long FeatureBytes, Cost Training, Cost Prediction);
