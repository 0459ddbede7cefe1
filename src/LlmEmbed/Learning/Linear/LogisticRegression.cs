using LlmEmbed.Evaluation;

namespace LlmEmbed.Learning;

/// <summary>
/// The kind of head that most classifiers get: logistic regression, its penalty and the weights of the classes chosen by cross-validation.
/// </summary>
internal static class LogisticRegression
{
    /// <summary>
    /// Weights are only compared if the largest class is so many times as large as the smallest; otherwise they are not worth the time.
    /// </summary>
    private const int LeastImbalance = 2;

    public static TrainedHead Train(HeadTrainingData data, LearningPlan plan, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        LinearOptions options = LinearOptions.Of(plan);
        (LinearTraining training, ClassWeighting weighting) = options.ClassWeighting == ClassWeighting.Auto
            ? ChooseWeighting(data, options, progress, cancellationToken)
            : (LinearHeadTrainer.Train(data, options, progress, cancellationToken), options.ClassWeighting);
        RegressionDecision decision = new(training.C, weighting, [.. (training.CrossValidation?.Table ?? []).Select(TriedPenalty.Of)]);
        return new TrainedHead(training.Head, training.Temperature, new HeadDecisions(decision)) { CrossValidation = training.CrossValidation };
    }

    /// <summary>
    /// Balanced weights help rare classes and harm common ones. They are taken if macro-F1 gains more on unseen texts than accuracy loses, and
    /// accuracy does not lose clearly.
    /// </summary>
    private static (LinearTraining Training, ClassWeighting Weighting) ChooseWeighting(
        HeadTrainingData data, LinearOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        LinearTraining even = LinearHeadTrainer.Train(data, options with { ClassWeighting = ClassWeighting.None }, progress, cancellationToken);
        int[] counts = [.. data.ClassCounts.Where(count => count > 0)];
        if (even.CrossValidation is not { } plain || counts.Max() < LeastImbalance * counts.Min()) return (even, ClassWeighting.None);

        LinearTraining balanced = LinearHeadTrainer.Train(
            data, options with { ClassWeighting = ClassWeighting.Balanced }, progress, cancellationToken);
        CrossValidation weighted = balanced.CrossValidation!;
        (double moreErrors, double error) = PairedLosses.Excess(Errors(weighted, data), Errors(plain, data));
        bool isBetter = weighted.Chosen.MacroF1 - plain.Chosen.MacroF1 > Math.Max(0, moreErrors) && moreErrors <= 2 * error;
        return isBetter ? (balanced, ClassWeighting.Balanced) : (even, ClassWeighting.None);
    }

    /// <summary>For each row that was held out 1 if the class with the highest logit is not its own, else 0.</summary>
    private static double[] Errors(CrossValidation validation, HeadTrainingData data) =>
    [
        .. validation.Rows.Zip(
            RowMaxima.IndexesOf<double>(validation.Logits, data.ClassCount),
            (row, predicted) => predicted == data.Labels[row] ? 0.0 : 1.0),
    ];
}
