using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// Logistic regressions on sets of views: on the set that was chosen or, with few texts, which cannot tell sets apart, on several broad ones.
/// </summary>
internal static class ViewsExperts
{
    public const string Kind = "views";

    public static IReadOnlyList<Expert> Train(MixtureTask task, CancellationToken cancellationToken) =>
    [
        ExpertOf(task, (LinearHead)task.First.Head, task.First.Layout!, ((RegressionDecision)task.First.Decisions.Head).C, task.Validation),
        .. (task.Plan.ViewSets ?? []).Skip(1).Select(views => Train(task, views, cancellationToken)),
    ];

    private static Expert Train(MixtureTask task, IReadOnlyList<ViewKey> views, CancellationToken cancellationToken)
    {
        HeadTrainingData part = task.Data.SelectViews(views);
        LinearOptions options = LinearOptions.Of(task.Plan) with { ClassWeighting = task.Weighting };
        LinearTraining training = LinearHeadTrainer.Train(part, options, progress: null, cancellationToken);
        return ExpertOf(task, training.Head, part.Layout, training.C, training.CrossValidation!);
    }

    private static Expert ExpertOf(MixtureTask task, LinearHead head, FeatureLayout layout, double c, CrossValidation validation) =>
        new(new ExpertFacts(Kind) { Views = layout.Views.Count, C = c }, Share: 1, validation.Logits)
        {
            Linear = () => new LinearPart(head, layout),
            UnlabelledLogits = fold => task.UnlabelledLogits(fold is int held ? validation.FoldHeads[held] : head, layout),
        };
}
