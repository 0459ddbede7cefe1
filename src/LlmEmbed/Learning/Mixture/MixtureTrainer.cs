using System.Numerics.Tensors;
using LlmEmbed.Evaluation;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// The automatic head: a mixture of experts of several kinds. Each is trained on parts of the texts and predicts the others; its predictions are
/// calibrated; weights are learned from them; what has no weight is left out; the rest is trained on all texts and added up to one linear head beside
/// the words. Where there are unlabelled texts, they may make further examples (see <see cref="SelfTraining"/>).
/// </summary>
internal static class MixtureTrainer
{
    public static TrainedHead Train(HeadTrainingData data, LearningPlan plan, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        TrainedHead regression = First(data, plan, progress, cancellationToken);
        if (regression.CrossValidation is not { } validation) return regression;

        MixtureTask task = new(data, plan, regression, validation);
        List<Expert> experts = [];
        foreach ((int done, ExpertKind kind) in ExpertKind.All.Index())
        {
            progress?.Report(new WorkProgress(kind.Stage, done, ExpertKind.All.Count, "kinds of experts"));
            experts.AddRange(kind.Train(task, cancellationToken));
        }
        progress?.Report(new WorkProgress("Mixing experts", ExpertKind.All.Count, ExpertKind.All.Count, "kinds of experts"));
        Mixture mixture = Mixture.Of(task, experts, cancellationToken);
        if (data.Unlabelled is null) return HeadOf(task, mixture, selfTraining: null);
        progress?.Report(new WorkProgress(SelfTraining.Stage, 0, data.Unlabelled.Texts.Count, "texts"));
        (MixtureTask chosenTask, Mixture chosen, SelfTrainingDecision decision) = SelfTraining.Try(task, mixture, cancellationToken);
        return HeadOf(chosenTask, chosen, decision);
    }

    /// <summary>The regression on the first set of views, whose folds are those of all experts.</summary>
    public static TrainedHead First(HeadTrainingData data, LearningPlan plan, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        if (plan.ViewSets is not [var views, ..] || SameViews.Comparer.Equals(views, data.Layout.Keys))
            return LogisticRegression.Train(data, plan, progress, cancellationToken) with { Layout = data.Layout };
        HeadTrainingData first = data.SelectViews(views);
        using FeatureMatrix _ = first.Features;
        return LogisticRegression.Train(first, plan, progress, cancellationToken) with { Layout = first.Layout };
    }

    private static TrainedHead HeadOf(MixtureTask task, Mixture mixture, SelfTrainingDecision? selfTraining)
    {
        List<ExpertDecision> decided = [.. mixture.Kept.OrderByDescending(member => member.Weight).Select(member => member.Decide(mixture.Labels))];
        List<(LinearPart, float)> parts = [.. mixture.Kept.Where(member => member.Expert.Linear is not null)
            .Select(member => (member.Expert.Linear!(), (float)member.Factor))];
        if (mixture.Names is var (share, factor, names))
        {
            parts.Add((names, (float)factor));
            decided.Add(new ExpertDecision(new ExpertFacts(ClassNames.Kind), share, Accuracy: null, LogLoss: null));
        }
        // A mixture of words alone still needs features of the form that prediction reads.
        if (parts.Count == 0) parts.Add((mixture.Tried.First(member => member.Expert.Linear is not null).Expert.Linear!(), 0));
        FoldedHead folded = FoldedHead.Of(parts, task.Data.Layout);
        MixtureMember? words = mixture.Kept.FirstOrDefault(member => member.Expert.Words is not null);
        PenaltyScore score = mixture.Validation.Chosen;
        MixtureDecision decision = new(decided, task.Weighting, score.Accuracy, score.AccuracyDeviation, score.CalibratedLogLoss)
        {
            Variants = MixtureAccount.Of(
                [.. mixture.Tried.Select(member => member.Expert)],
                [.. mixture.Tried.Select(member => member.LogProbabilities)],
                task.Validation,
                mixture.Labels,
                task.Plan.Seed),
            SelfTraining = selfTraining,
        };
        return new TrainedHead(folded.Head, score.Temperature, new HeadDecisions(decision))
        {
            Layout = folded.Layout,
            Queries = folded.Queries,
            Words = words?.Expert.Words!(words.Factor),
            CrossValidation = mixture.Validation,
            TemperatureWithoutWords = words is null ? null : WithoutWords(mixture, words),
        };
    }

    /// <summary>The temperature that suits the mixture without its words.</summary>
    private static double WithoutWords(Mixture mixture, MixtureMember words)
    {
        double[] rest = [.. mixture.Validation.Logits];
        TensorPrimitives.MultiplyAdd(words.LogProbabilities, -words.Weight, rest, rest);
        return TemperatureScaling.Fit(rest, mixture.Labels, TemperatureScaling.SmoothingFor(mixture.Labels.Length, Mixture.Doubt));
    }
}
