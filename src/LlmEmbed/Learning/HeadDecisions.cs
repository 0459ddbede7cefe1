using System.Text.Json.Serialization;

namespace LlmEmbed.Learning;

/// <summary>
/// What was decided while a head was trained, and on what evidence. It holds values only and is saved with the classifier; sentences for people are
/// made of it in Reports. All log losses and accuracies are those of texts that the fit had not seen.
/// </summary>
/// <param name="Head">The head that was taken.</param>
internal sealed record HeadDecisions(HeadDecision Head)
{
    /// <summary>What each learned attention looks at; empty if none was learned.</summary>
    public IReadOnlyList<AttentionSummary> Attention { get; init => field = value ?? []; } = []; // null where a file does not have it
}

/// <summary>Which head was taken, and how it was trained.</summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(RegressionDecision), "regression")]
[JsonDerivedType(typeof(MixtureDecision), "mixture")]
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

/// <summary>A mixture of experts: a weighted sum of their log-probabilities.</summary>
/// <param name="Experts">Those that were kept, the heaviest first.</param>
/// <param name="ClassWeighting">How rare classes are weighed.</param>
/// <param name="Accuracy">Of the mixture by cross-validation, mean over the folds.</param>
/// <param name="AccuracyDeviation">Standard deviation over the folds.</param>
/// <param name="LogLoss">Mean log loss of calibrated probabilities.</param>
internal sealed record MixtureDecision(
    IReadOnlyList<ExpertDecision> Experts, ClassWeighting ClassWeighting, double Accuracy, double AccuracyDeviation, double LogLoss) : HeadDecision
{
    /// <summary>What the mixture would be worth if it were made in other ways.</summary>
    public IReadOnlyList<MixtureVariant> Variants { get; init => field = value ?? []; } = []; // null where a file does not have it

    /// <summary>What unlabelled texts brought; null if there were none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SelfTrainingDecision? SelfTraining { get; init; }
}

/// <summary>Whether regressions were trained again with unlabelled texts, as examples of the classes that they had predicted for them.</summary>
/// <param name="Given">The unlabelled texts that were given.</param>
/// <param name="Unlabelled">Those of them that were read.</param>
/// <param name="Taken">Those that were taken for examples.</param>
/// <param name="IsKept">Whether the classifier is the one with them.</param>
/// <param name="LogLossBefore">Of the mixture without them.</param>
/// <param name="LogLossWith">Of the mixture with them.</param>
internal sealed record SelfTrainingDecision(int Given, int Unlabelled, int Taken, bool IsKept, double LogLossBefore, double LogLossWith);

/// <summary>What an expert brings to a mixture.</summary>
/// <param name="Expert">What it is.</param>
/// <param name="Weight">Its weight; the weights of all experts sum to 1, but that of the names of the classes is added to these.</param>
/// <param name="Accuracy">Of the expert alone; null for the names of the classes.</param>
/// <param name="LogLoss">Of the expert alone, at the temperature that it is mixed with; null for the names of the classes.</param>
internal sealed record ExpertDecision(ExpertFacts Expert, double Weight, double? Accuracy, double? LogLoss);

/// <summary>
/// What a mixture is worth that was made in some way. The weights are learned on some folds and measured on the others, so that the comparison is
/// fair; at most <see cref="MixtureAccount.MostTexts"/> texts take part.
/// </summary>
/// <param name="Name">For example "equal weights" or "without attention".</param>
/// <param name="Accuracy">Share of these texts that are right.</param>
/// <param name="LogLoss">Their mean log loss.</param>
internal sealed record MixtureVariant(string Name, double Accuracy, double LogLoss);

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
