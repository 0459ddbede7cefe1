using LlmEmbed.Learning;
using Xunit;

namespace LlmEmbed.Tests.Learning;

/// <summary>What experts are trained on, without the mixture.</summary>
internal static class MixtureProblems
{
    /// <summary>The task that the automatic head makes of some data.</summary>
    public static MixtureTask TaskOf(HeadTrainingData data, LearningPlan plan)
    {
        HeadTrainingData first = data.SelectViews(plan.ViewSets?[0] ?? data.Layout.Keys);
        TrainedHead regression = LogisticRegression.Train(first, plan, progress: null, TestContext.Current.CancellationToken);
        return new MixtureTask(data, plan, regression with { Layout = first.Layout }, regression.CrossValidation!);
    }
}
