using LlmEmbed.Learning;
using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class ClassNamesTests
{
    private const int Columns = 24;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(2)]
    [InlineData(4)]
    public void Names_that_lie_where_their_classes_lie_help_a_head_that_has_seen_few_texts(int classCount)
    {
        HeadTrainingData unseen = HeadProblems.Clusters(600, Columns, classCount, seed: 2, spread: 4);
        FeatureMatrix names = HeadProblems.Clusters(classCount, Columns, classCount, seed: 3, spread: 0).Features;
        double with = 0, without = 0;
        for (ulong seed = 10; seed < 16; seed++)
        {
            HeadTrainingData few = HeadProblems.Clusters(5 * classCount, Columns, classCount, seed, spread: 4);
            without += HeadProblems.Accuracy(Train(few).Head, unseen) / 6;
            with += HeadProblems.Accuracy(Train(few with { ClassNames = names }).Head, unseen) / 6;
        }
        Assert.InRange(with, without + 0.02, 1);
    }

    [Fact]
    public void Their_share_is_added_to_the_weights_and_the_validation_is_of_the_sum()
    {
        HeadTrainingData data = HeadProblems.Clusters(40, Columns, 4, seed: 1, spread: 4);
        TrainedHead own = HeadTrainer.Train(data, new LearningPlan(new HeadOptions.Linear()), progress: null, Cancellation);
        data = data with { ClassNames = HeadProblems.Clusters(4, Columns, 4, seed: 3, spread: 0).Features };
        CrossValidation alone = own.CrossValidation!;
        (double share, double factor, LinearPart names, double[] together) = ClassNames.FindOut(data, alone, 2, Cancellation)!.Value;
        Assert.InRange(share, 0.1, 0.3);
        double LogLossOf(double[] logits) =>
            PenaltyCandidate.ScoreOf(double.NaN, logits, data.Labels, alone.Folds, alone.FoldCount).CalibratedLogLoss;
        Assert.True(LogLossOf(together) < LogLossOf(alone.Logits));

        // What was added to out-of-fold logits and to the head's is the same multiple of the same scores, which sum to zero over the classes.
        LinearHead both = FoldedHead.Of([(new LinearPart((LinearHead)own.Head, data.Layout), 1), (names, (float)factor)], data.Layout).Head;
        float[] before = HeadProblems.Logits(own.Head, data), after = HeadProblems.Logits(both, data);
        double[] added = new double[before.Length];
        for (int i = 0; i < added.Length; i++)
        {
            added[i] = (double)after[i] - before[i];
            Assert.Equal(added[i], together[i] - alone.Logits[i], 1e-3);
        }
        Assert.All(added.Chunk(4), row => Assert.Equal(0, row.Sum(), 1e-3));
        Assert.Equal(share, ExpertCalibration.Spread(added, 4) / ExpertCalibration.Spread(alone.Logits, 4), 1e-3);
    }

    [Fact]
    public void Names_of_other_classes_are_left_out()
    {
        HeadTrainingData data = HeadProblems.Clusters(80, Columns, 4, seed: 1, spread: 2);
        FeatureMatrix names = HeadProblems.Clusters(4, Columns, 4, seed: 3, spread: 0).Features;
        TrainedHead with = Train(data with { ClassNames = names }), others = Train(data with { ClassNames = names.Select([1, 2, 3, 0]) });
        Assert.Contains(ClassNames.Kind, Kinds(with));
        Assert.DoesNotContain(ClassNames.Kind, Kinds(others));
        Assert.Equal(HeadProblems.Logits(Train(data).Head, data), HeadProblems.Logits(others.Head, data));
    }

    [Fact]
    public void Decoders_read_them_only_behind_something()
    {
        using TextEncoder decoder = Load("llama-gqa"), encoder = Load("bert"), prompted = Load("llama-gqa", "\n{text}");
        string[] names = ["good", "bad"];
        FeatureMatrix read = Read([decoder, encoder], names)!;
        TextEmbeddings expected = encoder.Encode(names, cancellationToken: Cancellation);
        for (int name = 0; name < names.Length; name++)
        {
            Assert.All(read.Row(name)[..decoder.Reader.RowLength].ToArray(), value => Assert.Equal(0, value));
            Assert.Equal(expected[name].ToArray(), read.Row(name)[decoder.Reader.RowLength..].ToArray());
        }
        Assert.Null(Read([decoder], names));
        expected = prompted.Encode(names, cancellationToken: Cancellation);
        read = Read([prompted], names)!;
        for (int name = 0; name < names.Length; name++) Assert.Equal(expected[name].ToArray(), read.Row(name).ToArray());
    }

    [Theory]
    [InlineData("0", "1")]
    [InlineData("A", "B")]
    [InlineData("good", "2")]
    public void Letters_and_numbers_are_no_names(string first, string second)
    {
        using TextEncoder encoder = Load("bert");
        Assert.Null(Read([encoder], [first, second]));
    }

    private static TrainedHead Train(HeadTrainingData data) =>
        HeadTrainer.Train(data, new LearningPlan(new HeadOptions.Automatic()), progress: null, Cancellation);

    private static IEnumerable<string> Kinds(TrainedHead trained) =>
        ((MixtureDecision)trained.Decisions.Head).Experts.Select(part => part.Expert.Kind);

    private static FeatureMatrix? Read(TextEncoder[] encoders, string[] names) =>
        NameFeatures.Read(new FeatureReader([.. encoders.Select(encoder => encoder.Reader)]), names, Cancellation);

    private static TextEncoder Load(string fixture, string? prompt = null) =>
        TextEncoder.Load(Repository.Fixture(fixture), new() { Precision = Precision.Fp32, Prompt = prompt });
}
