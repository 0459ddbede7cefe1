namespace LlmEmbed.Learning;

/// <summary>The kinds of head that are networks: the co-occurrence head and the multi-layer perceptron.</summary>
internal static class Networks
{
    public static TrainedHead TrainCooccurrence(
        HeadTrainingData data, LearningPlan plan, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        HeadOptions.Cooccurrence head = (HeadOptions.Cooccurrence)plan.Head;
        return Train(data, plan, (plan.Network ?? new CooccurrenceOptions()) with { Fusion = head.Fusion }, progress, cancellationToken);
    }

    public static TrainedHead TrainPerceptron(
        HeadTrainingData data, LearningPlan plan, IProgress<WorkProgress>? progress, CancellationToken cancellationToken) =>
        Train(data, plan, CooccurrenceOptions.Mlp, progress, cancellationToken);

    private static TrainedHead Train(
        HeadTrainingData data, LearningPlan plan, CooccurrenceOptions network, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        network = network with { ClassWeighting = plan.Head.ClassWeighting, Seed = plan.Seed, Threads = plan.Threads };
        CooccurrenceTraining training = CooccurrenceTrainer.Train(data, network, progress, cancellationToken);
        NetworkDecision decision = new(
            network.Recipe,
            network.Fusion == FusionOperators.None ? null : network.Sigma,
            training.Epochs,
            network.Patience is null ? null : training.HeldOutRows.Length,
            network.ClassWeighting == ClassWeighting.Balanced ? ClassWeighting.Balanced : ClassWeighting.None);
        return new TrainedHead(training.Head, training.Temperature, new HeadDecisions(decision)) { CrossValidation = HeldOutOf(training, data) };
    }

    /// <summary>The rows whose loss ended the training, as a cross-validation of one fold; null if there were none.</summary>
    private static CrossValidation? HeldOutOf(CooccurrenceTraining training, HeadTrainingData data)
    {
        if (training.HeldOutLogits.Length == 0) return null;
        int[] rows = training.HeldOutRows, folds = new int[rows.Length];
        int[] labels = [.. rows.Select(row => data.Labels[row])];
        PenaltyScore score = PenaltyCandidate.ScoreOf(double.NaN, training.HeldOutLogits, labels, folds, foldCount: 1);
        return new CrossValidation([], score, rows, training.HeldOutLogits, folds);
    }
}
