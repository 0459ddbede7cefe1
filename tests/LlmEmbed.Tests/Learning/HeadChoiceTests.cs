using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using LlmEmbed.Reports;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class HeadChoiceTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void The_average_of_regressions_has_the_weighted_mean_of_their_calibrated_logits(int classCount)
    {
        HeadTrainingData data = HeadProblems.Clusters(160, 6, classCount, seed: 4, spread: 3);
        data = new HeadTrainingData(data.Features, data.Labels, classCount, HeadProblems.Layout(2, 4));
        IReadOnlyList<ViewKey> views = data.Layout.Keys;
        WeightedViews[] parts = [new(views, 0.3), new([views[1]], 0.7)];
        LinearOptions options = new() { Seed = 2 };
        LinearMixture mixture = LinearMixture.Train(data, parts, options, cancellationToken: Cancellation);

        double[] expected = new double[data.Rows * classCount];
        foreach (WeightedViews part in parts)
        {
            HeadTrainingData own = data.SelectViews(part.Views);
            LinearTraining training = LinearHeadTrainer.Train(own, options, cancellationToken: Cancellation);
            foreach ((int i, float logit) in HeadProblems.Logits(training.Head, own).Index())
                expected[i] += part.Weight / training.Temperature * logit;
        }
        float[] actual = HeadProblems.Logits(mixture.Head, data);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-4);
        Assert.Equal(160, mixture.CrossValidation!.Rows.Length);
        Assert.InRange(mixture.CrossValidation.Chosen.Accuracy, 1.2 / classCount, 1);
    }

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
    public void A_network_is_chosen_where_classes_cannot_be_told_apart_by_a_line_and_the_linear_head_where_they_can()
    {
        TrainedHead crossed = Train(ExclusiveOr(1200)), separate = Train(HeadProblems.Clusters(1200, 6, 2, seed: 3, spread: 2));
        Assert.Equal(CooccurrenceHead.KindName, crossed.Head.Kind);
        Assert.True(crossed.Accuracy(ExclusiveOr(400, seed: 9).Features, new string[400], ExclusiveOr(400, seed: 9).Labels) > 0.9);
        Assert.Equal(LinearHead.KindName, separate.Head.Kind);
        Assert.Contains("multi-layer perceptron +", HeadSentences.Of(separate.Decisions), StringComparison.Ordinal);

        static TrainedHead Train(HeadTrainingData data) =>
            HeadTrainer.Train(data, new LearningPlan(new HeadOptions.Automatic()), progress: null, Cancellation);
    }

    [Fact]
    public void A_perceptron_is_the_same_when_loaded()
    {
        HeadTrainingData data = ExclusiveOr(300);
        TrainedHead trained = HeadTrainer.Train(data, new LearningPlan(new HeadOptions.Perceptron()), progress: null, Cancellation);
        SavedHead saved = new(trained.Head.Settings, trained.Head.Tensors, data.Layout, data.ClassCount, Terms: null, Threads: 1);
        using IHead loaded = HeadTrainer.Load(trained.Head.Kind, saved);
        Assert.Equal(HeadProblems.Logits(trained.Head, data), HeadProblems.Logits(loaded, data));
        Assert.StartsWith("multi-layer perceptron", HeadSentences.Of(trained.Decisions), StringComparison.Ordinal);
    }

    /// <summary>The class is whether two channels have the same sign; two more say nothing.</summary>
    private static HeadTrainingData ExclusiveOr(int rows, ulong seed = 5)
    {
        DeterministicRandom random = new(seed);
        float[] features = [.. Enumerable.Range(0, rows * 4).Select(_ => (float)HeadProblems.Normal(random))];
        int[] labels = [.. features.Chunk(4).Select(row => row[0] * row[1] > 0 ? 1 : 0)];
        return new HeadTrainingData(new ArrayFeatures(features, rows, 4), labels, 2, HeadProblems.Layout(2, 2));
    }
}
