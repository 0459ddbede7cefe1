using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using LlmEmbed.Reports;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class LexicalHeadTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void Words_that_say_more_than_the_features_are_added_and_the_sum_is_the_prediction(int classCount)
    {
        HeadTrainingData data = Problem(300, classCount, seed: 1, wordsTell: true), unseen = Problem(300, classCount, seed: 2, wordsTell: true);
        TrainedHead trained = Train(data);
        LexicalHead words = trained.Find<LexicalHead>()!;
        double without = trained.WithoutWords()!.Accuracy(unseen.Features, unseen.Texts!, unseen.Labels);
        Assert.InRange(trained.Accuracy(unseen.Features, unseen.Texts!, unseen.Labels), without + 0.1, 1);
        Assert.Equal(GainIn(trained)!.LogLoss, trained.CrossValidation!.RowLosses(data.Labels).Average(), 1e-9);

        float[] expected = HeadProblems.Logits(trained.Head, unseen);
        words.AddLogits(unseen.Texts!, expected);
        float[] actual = trained.Probabilities(unseen.Features, unseen.Texts!);
        for (int row = 0; row < unseen.Rows; row++)
        {
            double[] powers = [.. expected.AsSpan(row * classCount, classCount).ToArray().Select(logit => Math.Exp(logit / trained.Temperature))];
            for (int k = 0; k < classCount; k++) Assert.Equal(powers[k] / powers.Sum(), actual[row * classCount + k], 1e-4);
        }
    }

    [Fact]
    public void Words_that_say_nothing_are_left_out()
    {
        TrainedHead trained = Train(Problem(300, 2, seed: 1, wordsTell: false));
        Assert.Null(trained.Find<LexicalHead>());
        Assert.Null(GainIn(trained));
        Assert.Null(trained.WithoutWords());
        Assert.EndsWith("words add nothing", HeadSentences.Of(trained.Decisions), StringComparison.Ordinal);
    }

    [Fact]
    public void The_head_without_words_is_the_one_that_is_trained_when_words_are_not_wanted()
    {
        HeadTrainingData data = Problem(300, 2, seed: 1, wordsTell: true);
        TrainedHead taken = Train(data).WithoutWords()!, never = Train(data, new HeadOptions.Automatic { UseWords = false });
        Assert.Equal(never.Temperature, taken.Temperature);
        Assert.Equal(never.Probabilities(data.Features, data.Texts!), taken.Probabilities(data.Features, data.Texts!));
        Assert.Equal(HeadSentences.Of(never.Decisions), HeadSentences.Of(taken.Decisions));
    }

    /// <summary>
    /// Words settle what the head only guesses of the common classes. The rare one, which it knows, has words of its own or theirs.
    /// </summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Words_weigh_no_more_than_a_rare_class_can_bear(bool rareClassHasWords)
    {
        const int Rows = 600;
        int[] labels = [.. Enumerable.Range(0, Rows).Select(row => row % 30 == 0 || row % 30 == 7 ? 2 : row % 2)];
        string Word(int label, int row) => (label == 2 ? rareClassHasWords ? 2 : row % 2 : label) switch { 0 => "red", 1 => "blue", _ => "green" };
        string[] texts = [.. labels.Select((label, row) => $"{Word(label, row)} words of text{row % 20}")];
        double[] logits =
        [
            .. labels.SelectMany((label, row) => Enumerable.Range(0, 3).Select(k =>
                label == 2 ? (k == 2 ? 0.1 : 0) : k == 2 ? -2 : k == (row % 5 == 1 ? 1 - label : label) ? 1 : 0)),
        ];
        int[] folds = [.. Enumerable.Range(0, Rows).Select(row => row / 30 % 5)];
        PenaltyScore score = PenaltyCandidate.ScoreOf(1, logits, labels, folds, foldCount: 5);
        CrossValidation validation = new([], score, [.. Enumerable.Range(0, Rows)], logits, folds);
        HeadTrainingData data = new(new ArrayFeatures(new float[Rows], Rows, 1), labels, 3, HeadProblems.Layout(1)) { Texts = texts };

        using LinearHead unused = new(3, Standardization.None(1), new float[3], new float[3]);
        TrainedHead head = new(unused, 1, new HeadDecisions(new NearestMeanDecision()));
        LearningPlan plan = new(new HeadOptions.Automatic()) { Seed = 1, Threads = 2 };
        Contribution found = new Words().FindOut(head, validation, data, plan, Cancellation)!;
        Assert.InRange(found.Together.Chosen.MacroF1, validation.Chosen.MacroF1, 1);
        Assert.Equal(rareClassHasWords, found.Gain.Weight > 0.5);
    }

    [Fact]
    public void Only_the_default_head_takes_words_and_only_if_it_may()
    {
        HeadTrainingData data = Problem(300, 2, seed: 1, wordsTell: true);
        Assert.Null(Train(data, new HeadOptions.Automatic { UseWords = false }).Find<LexicalHead>());
        Assert.Null(Train(data, new HeadOptions.Linear()).Find<LexicalHead>());
        Assert.Null(Train(Problem(300, 2, seed: 1, wordsTell: true, withTexts: false)).Find<LexicalHead>());
    }

    [Fact]
    public void A_term_of_one_text_alone_is_not_kept()
    {
        HeadTrainingData data = Problem(300, 2, seed: 1, wordsTell: true);
        IReadOnlyList<string> terms = Train(data).Find<LexicalHead>()!.Terms;
        Assert.All(terms, term => Assert.InRange(data.Texts!.Count(text => text.Contains(term, StringComparison.Ordinal)), 2, int.MaxValue));
        Assert.DoesNotContain(terms, term => term.Contains("number", StringComparison.Ordinal) && term.Any(char.IsDigit));
    }

    [Fact]
    public void It_is_the_same_when_loaded()
    {
        HeadTrainingData data = Problem(300, 3, seed: 1, wordsTell: true);
        LexicalHead trained = Train(data).Find<LexicalHead>()!, loaded = LexicalHead.Load(trained.Terms, trained.Tensors, 3);
        float[] one = new float[900], two = new float[900];
        trained.AddLogits(data.Texts!, one);
        loaded.AddLogits(data.Texts!, two);
        Assert.Equal(one, two);
        Assert.Contains(one, logit => logit != 0);
    }

    private static TrainedHead Train(HeadTrainingData data, HeadOptions? head = null) =>
        HeadTrainer.Train(data, new LearningPlan(head ?? new HeadOptions.Automatic()), progress: null, Cancellation);

    private static AdditionGain? GainIn(TrainedHead trained) => trained.Decisions.Additions.Single(addition => addition.Name == "words").Gain;

    /// <summary>Features that tell the classes apart now and then, and texts with a word of the class, or of any class, in three of four.</summary>
    private static HeadTrainingData Problem(int rows, int classCount, ulong seed, bool wordsTell, bool withTexts = true)
    {
        HeadTrainingData data = HeadProblems.Clusters(rows, 6, classCount, seed, spread: 3);
        DeterministicRandom random = new(seed + 100);
        string Word(int label) => random.Next(4) == 0 ? "plain" : $"colour{(wordsTell ? label : random.Next(classCount))}";
        string[] texts = [.. data.Labels.Select((label, row) => $"number{row} {Word(label)} words of text{random.Next(20)}")];
        return new HeadTrainingData(data.Features, data.Labels, classCount, data.Layout) { Texts = withTexts ? texts : null };
    }
}
