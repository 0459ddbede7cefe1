using LlmEmbed.Data;
using LlmEmbed.Learning;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class SelfTrainingTests
{
    private const int Columns = 24;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Unlabelled_texts_help_where_few_have_a_label(int classCount)
    {
        HeadTrainingData unseen = HeadProblems.Clusters(600, Columns, classCount, seed: 2, spread: 2.5);
        double with = 0, without = 0;
        for (ulong seed = 10; seed < 16; seed++)
        {
            HeadTrainingData few = HeadProblems.Clusters(5 * classCount, Columns, classCount, seed, spread: 2.5);
            without += HeadProblems.Accuracy(Train(few).Head, unseen) / 6;
            HeadTrainingData others = HeadProblems.Clusters(400, Columns, classCount, seed + 100, spread: 2.5);
            with += HeadProblems.Accuracy(Train(Beside(few, others)).Head, unseen) / 6;
        }
        Assert.InRange(with, without + 0.02, 1);
    }

    [Fact]
    public void The_decision_says_what_was_learned_from()
    {
        HeadTrainingData few = HeadProblems.Clusters(20, Columns, 2, seed: 1, spread: 2);
        HeadTrainingData others = HeadProblems.Clusters(100, Columns, 2, seed: 2, spread: 2);
        SelfTrainingDecision decision = Decision(Train(Beside(few, others)))!;
        Assert.True(decision.IsKept);
        Assert.Equal((100, 100), (decision.Given, decision.Unlabelled));
        Assert.InRange(decision.Taken, 30, 32); // 30 % of each predicted class, rounded up
        Assert.Null(Decision(Train(few)));
    }

    [Fact]
    public void What_is_worse_on_texts_that_were_held_out_is_not_kept()
    {
        // Only the first feature tells the classes apart, and the unlabelled texts differ in the second one alone.
        HeadTrainingData few = Plane(60, 1, (random, label) => (2 * label - 1 + 0.7 * HeadProblems.Normal(random), HeadProblems.Normal(random)));
        HeadTrainingData others = Plane(400, 2, (random, label) => (0, 3 * (2 * label - 1) + 0.1 * HeadProblems.Normal(random)));
        TrainedHead without = Train(few), with = Train(Beside(few, others));
        SelfTrainingDecision decision = Decision(with)!;
        Assert.False(decision.IsKept);
        Assert.True(decision.LogLossWith > decision.LogLossBefore);
        Assert.Equal(HeadProblems.Logits(without.Head, few), HeadProblems.Logits(with.Head, few));
    }

    [Fact]
    public void No_fit_learns_from_predictions_that_know_the_texts_that_it_is_judged_by()
    {
        // One labelled text alone says of which class texts are whose second feature is 1.
        const int Known = 7;
        HeadTrainingData few = Plane(40, seed: 1, (random, label) => (2 * label - 1 + 0.5 * HeadProblems.Normal(random), 0));
        Assert.Equal(1, few.Labels[Known]);
        few.Features.RowTarget(Known)[1] = 1;
        HeadTrainingData others = Plane(80, seed: 2, (random, label) => (label == 0 ? -1.5 : -0.2, label));
        MixtureTask task = TaskOf(Beside(few, others));
        int fold = task.Validation.Folds[Known];
        HeadTrainingData extended = SelfTraining.Extend(task, ViewsExperts.Train(task, Cancellation), Cancellation);
        int[] like = [.. Enumerable.Range(few.Rows, extended.Rows - few.Rows).Where(row => extended.Features.Row(row)[1] == 1)];
        Assert.Contains(like, row => extended.LabelsFor(fold: null)[row] == 1);
        Assert.DoesNotContain(like, row => extended.LabelsFor(fold)[row] == 1);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void A_supposed_class_counts_like_a_label_and_a_text_without_one_not_at_all(int classCount)
    {
        HeadTrainingData few = HeadProblems.Clusters(30, 6, classCount, seed: 1, spread: 3);
        HeadTrainingData others = HeadProblems.Clusters(12, 6, classCount, seed: 2, spread: 3);
        int[] all = [.. Enumerable.Range(0, 12)], none = [.. all.Select(_ => -1)];
        LinearOptions options = new() { Penalties = [0.1, 1] };
        HeadTrainingData beside = Beside(few, others);
        AssertSame(Train(few, options), Train(beside.With(all, [none, none, none, none, none, none]), options));

        LinearOptions one = new() { Penalties = [0.1], Standardization = Standardization.Of(few, 1, Cancellation) };
        HeadTrainingData joined = HeadProblems.Data([.. Values(few), .. Values(others)], [.. few.Labels, .. others.Labels], classCount);
        AssertSame(Train(joined, one), Train(beside.With(all, [none, none, none, none, none, others.Labels]), one));

        static LinearTraining Train(HeadTrainingData data, LinearOptions options) =>
            LinearHeadTrainer.Train(data, options, cancellationToken: Cancellation);

        void AssertSame(LinearTraining expected, LinearTraining actual)
        {
            Assert.Equal(expected.CrossValidation?.Rows, actual.CrossValidation?.Rows);
            Assert.Equal(expected.CrossValidation?.Folds, actual.CrossValidation?.Folds);
            foreach ((double logit, double same) in (expected.CrossValidation?.Logits ?? []).Zip(actual.CrossValidation?.Logits ?? []))
                Assert.Equal(logit, same, 1e-3);
            foreach ((float weight, float same) in expected.Head.Weights.Zip(actual.Head.Weights)) Assert.Equal(weight, same, 1e-3);
        }
    }

    private static TrainedHead Train(HeadTrainingData data) =>
        HeadTrainer.Train(data, new LearningPlan(new HeadOptions.Automatic()), progress: null, Cancellation);

    private static SelfTrainingDecision? Decision(TrainedHead head) => ((MixtureDecision)head.Decisions.Head).SelfTraining;

    private static MixtureTask TaskOf(HeadTrainingData data)
    {
        LearningPlan plan = new(new HeadOptions.Automatic());
        TrainedHead first = MixtureTrainer.First(data, plan, progress: null, Cancellation);
        return new MixtureTask(data, plan, first, first.CrossValidation!);
    }

    private static HeadTrainingData Beside(HeadTrainingData labelled, HeadTrainingData others) =>
        labelled with { Unlabelled = new UnlabelledTexts(others.Features, [.. others.Labels.Select(_ => "")], others.Rows) };

    private static float[] Values(HeadTrainingData data) => data.Features.Block(0, data.Rows).ToArray();

    /// <summary>Texts of two classes in turn with two features.</summary>
    private static HeadTrainingData Plane(int rows, ulong seed, Func<DeterministicRandom, int, (double, double)> featuresOf)
    {
        DeterministicRandom random = new(seed);
        int[] labels = [.. Enumerable.Range(0, rows).Select(row => row % 2)];
        (double First, double Second)[] pairs = [.. labels.Select(label => featuresOf(random, label))];
        return HeadProblems.Data([.. pairs.SelectMany(pair => new[] { (float)pair.First, (float)pair.Second })], labels, classCount: 2);
    }
}
