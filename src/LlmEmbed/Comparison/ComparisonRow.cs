using LlmEmbed.Evaluation;
using LlmEmbed.Learning;

namespace LlmEmbed.Comparison;

/// <summary>One method on the user's data.</summary>
/// <param name="Method">Its name.</param>
/// <param name="Note">What it read or did, in a few words.</param>
/// <param name="Report">Quality on the test texts; of the first seed where several ran.</param>
/// <param name="Predicted">The class of each test text, or of each in the sample.</param>
/// <param name="Accuracy">The bootstrap's interval of the report's accuracy.</param>
/// <param name="MacroF1">The bootstrap's interval of the report's macro-F1.</param>
/// <param name="Cost">What it took.</param>
public sealed record ComparisonRow(
    string Method, string Note, EvaluationReport Report, IReadOnlyList<int> Predicted, Interval Accuracy, Interval MacroF1, MethodCost Cost)
{
    /// <summary>What was decided about its head; null for a method without one.</summary>
    internal HeadDecisions? Head { get; init; }

    /// <summary>Accuracy with each seed; one entry for a method without chance.</summary>
    public IReadOnlyList<double> SeedAccuracies { get; init; } = [Report.Accuracy];

    /// <summary>Whether it asks a language model in words.</summary>
    public bool IsPrompted { get; init; }

    /// <summary>
    /// The test texts that were predicted where it was only a sample; the cost of prediction is then computed for all of them. Null for all.
    /// </summary>
    public int[]? Sample { get; init; }

    /// <summary>McNemar's exact probability that this method and auto are equally good; null for auto itself.</summary>
    public double? PAgainstAuto { get; init; }
}

/// <summary>What auto takes, as a share of what another method takes for the same test texts: the figures of the paper's abstract.</summary>
/// <param name="Method">The other method.</param>
/// <param name="Parameters">Of the parameters.</param>
/// <param name="Energy">Of the electricity of prediction.</param>
/// <param name="Runtime">Of the seconds of prediction.</param>
/// <param name="EnergyWithTraining">Of the electricity of training and prediction.</param>
/// <param name="RuntimeWithTraining">Of the seconds of training and prediction.</param>
public sealed record CostShare(string Method, double Parameters, double Energy, double Runtime, double EnergyWithTraining, double RuntimeWithTraining)
{
    internal static CostShare Of(ComparisonRow auto, ComparisonRow other)
    {
        Cost own = auto.Cost.Prediction, its = other.Cost.Prediction, ownAll = own + auto.Cost.Training, itsAll = its + other.Cost.Training;
        return new(
            other.Method,
            (double)auto.Cost.Parameters / other.Cost.Parameters,
            own.Joules / its.Joules,
            own.Seconds / its.Seconds,
            ownAll.Joules / itsAll.Joules,
            ownAll.Seconds / itsAll.Seconds);
    }
}

/// <summary>What a method took.</summary>
/// <param name="Parameters">Weights of the blocks and the head that a text passes.</param>
/// <param name="Tokens">Tokens that went through backbones, training and test texts together.</param>
/// <param name="FeatureBytes">Bytes of features of the training texts.</param>
/// <param name="Training">From texts to the trained classifier; of one seed.</param>
/// <param name="Prediction">Of all test texts.</param>
public readonly record struct MethodCost(long Parameters, long Tokens, long FeatureBytes, Cost Training, Cost Prediction)
{
    /// <summary>Seconds of the reading alone, training and test texts together; 0 for a method that reads nothing or only asks.</summary>
    public double ReadingSeconds { get; init; }
}
