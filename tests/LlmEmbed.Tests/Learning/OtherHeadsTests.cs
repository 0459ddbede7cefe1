using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using LlmEmbed.Reports;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class OtherHeadsTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(2)]
    [InlineData(5)]
    public void Nearest_mean_takes_the_class_whose_mean_is_nearest(int classCount)
    {
        HeadTrainingData data = HeadProblems.Clusters(100, 7, classCount, seed: 4, spread: 2);
        (LinearHead head, CrossValidation? validation) = NearestMeanTrainer.Train(data, new LinearOptions(), Cancellation);
        Standardization standardization = Standardization.Of(data, 1, Cancellation);
        float[][] rows = [.. Enumerable.Range(0, data.Rows).Select(row =>
        {
            float[] values = new float[data.Features.Columns];
            standardization.Apply(data.Features.Row(row), values);
            return values;
        })];
        double MeanOf(int label, int column) => rows.Where((_, row) => data.Labels[row] == label).Average(row => row[column]);
        double[][] means =
        [
            .. Enumerable.Range(0, classCount).Select(label => Enumerable.Range(0, 7).Select(column => MeanOf(label, column)).ToArray()),
        ];
        int[] expected = [.. rows.Select(row => Array.IndexOf(means, means.MinBy(mean => mean.Zip(row, (m, x) => (m - x) * (m - x)).Sum())))];
        Assert.Equal(expected, HeadProblems.Predictions(head, data));
        Assert.Equal(100, validation!.Rows.Length);
    }

    [Fact]
    public void A_perceptron_tells_classes_that_no_line_tells_and_is_the_same_when_loaded()
    {
        HeadTrainingData data = ExclusiveOr(1200, seed: 5), unseen = ExclusiveOr(400, seed: 9);
        TrainedHead trained = HeadTrainer.Train(data, new LearningPlan(new HeadOptions.Perceptron()), progress: null, Cancellation);
        Assert.InRange(HeadProblems.Accuracy(trained.Head, unseen), 0.9, 1);
        SavedHead saved = new(trained.Head.Settings, trained.Head.Tensors, data.Layout, data.ClassCount, Terms: null, Threads: 1);
        using IHead loaded = HeadTrainer.Load(trained.Head.Kind, saved);
        Assert.Equal(HeadProblems.Logits(trained.Head, data), HeadProblems.Logits(loaded, data));
        Assert.StartsWith("multi-layer perceptron", HeadSentences.Of(trained.Decisions), StringComparison.Ordinal);
    }

    /// <summary>The class is whether two channels have the same sign; two more say nothing.</summary>
    private static HeadTrainingData ExclusiveOr(int rows, ulong seed)
    {
        DeterministicRandom random = new(seed);
        float[] features = [.. Enumerable.Range(0, rows * 4).Select(_ => (float)HeadProblems.Normal(random))];
        int[] labels = [.. features.Chunk(4).Select(row => row[0] * row[1] > 0 ? 1 : 0)];
        return new HeadTrainingData(new ArrayFeatures(features, rows, 4), labels, 2, HeadProblems.Layout(2, 2));
    }
}
