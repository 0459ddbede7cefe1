using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using LlmEmbed.Reports;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class AttentionPoolingTests
{
    private const int HiddenSize = 12;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void The_gradient_is_that_of_the_log_loss(int classCount)
    {
        DeterministicRandom random = new(5);
        AttentionPooling pooling = new(new Standardization([.. Normals(random, HiddenSize)], [.. Enumerable.Repeat(2f, HiddenSize)]), classCount);
        foreach (HeadTensor parameter in pooling.Parameters)
            for (int i = 0; i < parameter.Values.Length; i++) parameter.Values[i] = (float)(0.3 * HeadProblems.Normal(random));
        float[] states = Normals(random, 5 * HiddenSize);
        const float Weight = 0.7f;
        double Loss()
        {
            double[] logits = new double[classCount];
            pooling.Logits(states, logits);
            return Weight * (Math.Log(logits.Sum(Math.Exp)) - logits[^1]);
        }

        float[][] gradients = [.. pooling.Parameters.Select(parameter => new float[parameter.Values.Length])];
        pooling.AddGradient(states, label: classCount - 1, Weight, new(HiddenSize, classCount), gradients);
        foreach ((HeadTensor parameter, float[] gradient) in pooling.Parameters.Zip(gradients))
        {
            for (int i = 0; i < gradient.Length; i++)
            {
                const float Step = 1e-2f;
                float value = parameter.Values[i];
                parameter.Values[i] = value + Step;
                double above = Loss();
                parameter.Values[i] = value - Step;
                double below = Loss();
                parameter.Values[i] = value;
                Assert.Equal((above - below) / (2 * Step), gradient[i], 2e-3);
            }
            Assert.Contains(gradient, slope => Math.Abs(slope) > 0.01);
        }
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void A_token_that_tells_the_class_among_many_that_do_not_is_found(int classCount)
    {
        HeadTrainingData data = Problem(2000, classCount, seed: 1, tells: true), unseen = Problem(500, classCount, seed: 2, tells: true);
        TrainedHead trained = Train(data), without = Train(data with { Tokens = null });
        AttentionView view = trained.Find<AttentionView>()!;
        FeatureMatrix features = view.AddTo(unseen.Features, unseen.Layout, unseen.Tokens!);
        double accuracy = trained.Accuracy(features, new string[unseen.Rows], unseen.Labels);
        Assert.InRange(accuracy, without.Accuracy(unseen.Features, new string[unseen.Rows], unseen.Labels) + 0.1, 1);
        // What cross-validation promises is what new texts give.
        Assert.Equal(accuracy, trained.CrossValidation!.Chosen.Accuracy, 0.06);
        Assert.Equal(GainIn(trained)!.LogLoss, trained.CrossValidation.RowLosses(data.Labels).Average(), 1e-9);
        Assert.Equal(HiddenSize, view.Query.Length);
    }

    [Fact]
    public void Tokens_that_tell_no_more_than_their_mean_are_left_out()
    {
        TrainedHead trained = Train(Problem(1000, 2, seed: 1, tells: false));
        Assert.Null(trained.Find<AttentionView>());
        Assert.Null(GainIn(trained));
        Assert.Contains("attention pooling adds nothing", HeadSentences.Of(trained.Decisions), StringComparison.Ordinal);
    }

    [Fact]
    public void Only_the_default_head_learns_to_pool()
    {
        HeadTrainingData data = Problem(1000, 2, seed: 1, tells: true);
        Assert.Null(Train(data, new HeadOptions.Linear()).Find<AttentionView>());
        Assert.NotNull(Train(data).Find<AttentionView>());
    }

    [Fact]
    public void The_result_does_not_depend_on_the_number_of_threads()
    {
        HeadTrainingData data = Problem(1000, 2, seed: 1, tells: true);
        float[] Query(int threads) => HeadTrainer.Train(data, new(new HeadOptions.Automatic()) { Threads = threads }, progress: null, Cancellation)
            .Find<AttentionView>()!.Query;
        Assert.Equal(Query(1), Query(2));
    }

    private static TrainedHead Train(HeadTrainingData data, HeadOptions? head = null) =>
        HeadTrainer.Train(data, new LearningPlan(head ?? new HeadOptions.Automatic()), progress: null, Cancellation);

    private static AdditionGain? GainIn(TrainedHead trained) =>
        trained.Decisions.Additions.Single(addition => addition.Name == "attention_pooling").Gain;

    private static float[] Normals(DeterministicRandom random, int count) =>
        [.. Enumerable.Range(0, count).Select(_ => (float)HeadProblems.Normal(random))];

    /// <summary>
    /// Texts of thirty tokens of noise, one of them marked by its first channel and with a channel for its class, and their means as features.
    /// </summary>
    private static HeadTrainingData Problem(int rows, int classCount, ulong seed, bool tells)
    {
        const int Count = 30;
        DeterministicRandom random = new(seed);
        int[] labels = [.. Enumerable.Range(0, rows).Select(row => row % classCount)];
        TokenStates tokens = TokenStates.Allocate("decoder", [0], HiddenSize, [.. labels.Select(_ => Count)], long.MaxValue)!;
        float[] means = new float[rows * HiddenSize];
        for (int row = 0; row < rows; row++)
        {
            Normals(random, Count * HiddenSize).CopyTo(tokens.Of(row, 0));
            int marked = random.Next(Count) * HiddenSize;
            tokens.Of(row, 0)[marked] += 6;
            tokens.Of(row, 0)[marked + 1 + (tells ? labels[row] : random.Next(classCount))] += 3;
            for (int i = 0; i < Count * HiddenSize; i++) means[row * HiddenSize + i % HiddenSize] += tokens.Of(row, 0)[i] / Count;
        }
        return HeadProblems.Data(means, labels, classCount) with { Tokens = tokens };
    }
}
