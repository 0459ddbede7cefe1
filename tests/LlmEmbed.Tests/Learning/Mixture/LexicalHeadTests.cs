using LlmEmbed.Data;
using LlmEmbed.Learning;
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
        Assert.InRange(Accuracy(trained, unseen), Accuracy(trained.WithoutWords()!, unseen) + 0.1, 1);

        float[] expected = HeadProblems.Logits(trained.Head, unseen);
        trained.Words!.AddLogits(unseen.Texts!, expected);
        float[] actual = trained.Probabilities(unseen.Features, unseen.Texts!);
        for (int row = 0; row < unseen.Rows; row++)
        {
            double[] powers = [.. expected.AsSpan(row * classCount, classCount).ToArray().Select(logit => Math.Exp(logit / trained.Temperature))];
            for (int k = 0; k < classCount; k++) Assert.Equal(powers[k] / powers.Sum(), actual[row * classCount + k], 1e-4);
        }
    }

    [Fact]
    public void The_head_without_words_is_as_good_as_one_that_is_trained_without_them()
    {
        HeadTrainingData data = Problem(300, 2, seed: 1, wordsTell: true), unseen = Problem(1000, 2, seed: 2, wordsTell: true);
        TrainedHead taken = Train(data).WithoutWords()!, never = Train(data, new HeadOptions.Automatic { UseWords = false });
        Assert.Null(taken.Words);
        Assert.Null(taken.WithoutWords());
        Assert.Null(never.WithoutWords());
        Assert.Equal(LogLoss(never, unseen), LogLoss(taken, unseen), 0.01);
        Assert.DoesNotContain("words", HeadSentences.Of(taken.Decisions), StringComparison.Ordinal);
    }

    [Fact]
    public void Only_the_default_head_takes_words_and_only_if_it_may()
    {
        HeadTrainingData data = Problem(300, 2, seed: 1, wordsTell: true);
        Assert.Null(Train(data, new HeadOptions.Automatic { UseWords = false }).Words);
        Assert.Null(Train(data, new HeadOptions.Linear()).Words);
        Assert.Null(Train(Problem(300, 2, seed: 1, wordsTell: true, withTexts: false)).Words);
        Assert.NotNull(Train(data).Words);
    }

    [Fact]
    public void A_term_of_one_text_alone_is_not_kept()
    {
        HeadTrainingData data = Problem(300, 2, seed: 1, wordsTell: true);
        IReadOnlyList<string> terms = Train(data).Words!.Terms;
        Assert.All(terms, term => Assert.InRange(data.Texts!.Count(text => text.Contains(term, StringComparison.Ordinal)), 2, int.MaxValue));
        Assert.DoesNotContain(terms, term => term.Contains("number", StringComparison.Ordinal) && term.Any(char.IsDigit));
    }

    [Fact]
    public void It_is_the_same_when_loaded()
    {
        HeadTrainingData data = Problem(300, 3, seed: 1, wordsTell: true);
        LexicalHead trained = Train(data).Words!, loaded = LexicalHead.Load(trained.Terms, trained.Tensors, 3);
        float[] one = new float[900], two = new float[900];
        trained.AddLogits(data.Texts!, one);
        loaded.AddLogits(data.Texts!, two);
        Assert.Equal(one, two);
        Assert.Contains(one, logit => logit != 0);
    }

    private static TrainedHead Train(HeadTrainingData data, HeadOptions? head = null) =>
        HeadTrainer.Train(data, new LearningPlan(head ?? new HeadOptions.Automatic()), progress: null, Cancellation);

    private static double Accuracy(TrainedHead trained, HeadTrainingData data) => trained.Accuracy(data.Features, data.Texts!, data.Labels);

    private static double LogLoss(TrainedHead trained, HeadTrainingData data) => trained.Probabilities(data.Features, data.Texts!)
        .Chunk(data.ClassCount).Zip(data.Labels, (probabilities, label) => -Math.Log(probabilities[label])).Average();

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
