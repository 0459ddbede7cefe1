using System.Text.Json.Serialization;

namespace LlmEmbed.Learning;

/// <summary>
/// What was decided while a head was trained, and on what evidence. It holds values only and is saved with the classifier; sentences for people are
/// made of it in Reports. All log losses and accuracies are those of texts that the fit had not seen.
/// </summary>
/// <param name="Head">The head that was taken.</param>
internal sealed record HeadDecisions(HeadDecision Head)
{
    /// <summary>The other heads that were compared with logistic regression; empty if none were.</summary>
    public IReadOnlyList<ComparedHead> ComparedHeads { get; init; } = [];

    /// <summary>The additions that were tried, in the order in which they were.</summary>
    public IReadOnlyList<AdditionDecision> Additions { get; init; } = [];

    /// <summary>What each learned attention looks at; empty if none was learned.</summary>
    public IReadOnlyList<AttentionSummary> Attention { get; init; } = [];
}

/// <summary>Which head was taken, and how it was trained.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(RegressionDecision), "regression")]
[JsonDerivedType(typeof(AverageDecision), "average")]
[JsonDerivedType(typeof(NearestMeanDecision), "nearest_mean")]
[JsonDerivedType(typeof(NetworkDecision), "network")]
internal abstract record HeadDecision;

/// <summary>One logistic regression.</summary>
/// <param name="C">The inverse strength of its penalty.</param>
/// <param name="ClassWeighting">How rare classes are weighed.</param>
/// <param name="CrossValidation">The penalties that were tried, in ascending order of C; empty if there were too few texts to hold any out.</param>
internal sealed record RegressionDecision(double C, ClassWeighting ClassWeighting, IReadOnlyList<TriedPenalty> CrossValidation) : HeadDecision
{
    /// <summary>What cross-validation found for the penalty that was chosen; null if there were too few texts.</summary>
    [JsonIgnore]
    public TriedPenalty? Chosen => CrossValidation.FirstOrDefault(tried => tried.C == C);
}

/// <summary>What cross-validation found for one penalty.</summary>
/// <param name="C">The inverse strength of the penalty.</param>
/// <param name="Accuracy">Mean over the folds.</param>
/// <param name="AccuracyDeviation">Standard deviation over the folds.</param>
/// <param name="MacroF1">Of the predictions of all folds together.</param>
/// <param name="LogLoss">Mean log loss of calibrated probabilities.</param>
internal sealed record TriedPenalty(double C, double Accuracy, double AccuracyDeviation, double MacroF1, double LogLoss)
{
    public static TriedPenalty Of(PenaltyScore score) =>
        new(score.C, score.Accuracy, score.AccuracyDeviation, score.MacroF1, score.CalibratedLogLoss);
}

/// <summary>The average of several logistic regressions, because there were too few texts to choose one.</summary>
/// <param name="Mixture">The regressions.</param>
/// <param name="Accuracy">Of the average by cross-validation, mean over the folds; null if there were too few texts to hold any out.</param>
/// <param name="AccuracyDeviation">Standard deviation over the folds; null together with <paramref name="Accuracy"/>.</param>
internal sealed record AverageDecision(IReadOnlyList<AveragedRegression> Mixture, double? Accuracy, double? AccuracyDeviation) : HeadDecision;

/// <summary>One regression of an average.</summary>
/// <param name="Weight">Its share of the average; all shares sum to 1.</param>
/// <param name="Views">The number of views that it reads.</param>
/// <param name="C">The inverse strength of its penalty.</param>
internal sealed record AveragedRegression(double Weight, int Views, double C);

/// <summary>The class whose mean is nearest, where nothing is to be chosen.</summary>
internal sealed record NearestMeanDecision : HeadDecision;

/// <summary>A network, trained by gradient descent.</summary>
/// <param name="Recipe">Whose options it was trained with.</param>
/// <param name="Sigma">σ of the power normalization of the co-occurrence head; null for a multi-layer perceptron, which has none.</param>
/// <param name="Epochs">The passes over the training texts that the network is from.</param>
/// <param name="HeldOutTexts">The texts whose log loss ended the training; null if it ran for a given number of epochs.</param>
/// <param name="ClassWeighting">How rare classes are weighed.</param>
internal sealed record NetworkDecision(
    NetworkRecipe Recipe, float? Sigma, int Epochs, int? HeldOutTexts, ClassWeighting ClassWeighting) : HeadDecision;

/// <summary>Another head that was compared with logistic regression.</summary>
/// <param name="Head">The name of its kind (see <see cref="HeadTrainer.Kinds"/>).</param>
/// <param name="ExcessLogLoss">
/// How much higher its mean log loss is than that of logistic regression on the same texts; below 0 if it is better.
/// </param>
/// <param name="StandardError">Of that difference.</param>
internal sealed record ComparedHead(string Head, double ExcessLogLoss, double StandardError);

/// <summary>What was found out about an addition.</summary>
/// <param name="Name">The name of the addition (see <see cref="Addition.All"/>).</param>
/// <param name="Gain">What it brings; null if it was tried and brings nothing.</param>
internal sealed record AdditionDecision(string Name, AdditionGain? Gain);

/// <summary>What an addition brings to a head.</summary>
/// <param name="Weight">Its share: by how much its calibrated logits are multiplied before they are added to those of the head.</param>
/// <param name="LogLossWithout">Mean log loss of the head before.</param>
/// <param name="LogLoss">Mean log loss of both together.</param>
/// <param name="AccuracyWithout">Accuracy of the head before, mean over the folds.</param>
/// <param name="Accuracy">Accuracy of both together, mean over the folds.</param>
/// <param name="TemperatureWithout">The temperature that calibrates the head before.</param>
internal sealed record AdditionGain(
    double Weight, double LogLossWithout, double LogLoss, double AccuracyWithout, double Accuracy, double TemperatureWithout)
{
    /// <summary>The number of words and pairs of words that were learned; null if the addition learns none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Terms { get; init; }

    /// <summary>The backbone whose tokens are pooled; null if no pooling was learned.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Backbone { get; init; }

    /// <summary>The depth of the states that are pooled; null together with <see cref="Backbone"/>.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? Depth { get; init; }

    /// <summary>What cross-validation says of a head without and with an addition.</summary>
    public static AdditionGain Of(double weight, CrossValidation without, CrossValidation with) => new(
        weight,
        without.Chosen.CalibratedLogLoss,
        with.Chosen.CalibratedLogLoss,
        without.Chosen.Accuracy,
        with.Chosen.Accuracy,
        without.Chosen.Temperature);
}
