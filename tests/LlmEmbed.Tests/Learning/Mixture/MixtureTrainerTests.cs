using LlmEmbed.Data;
using LlmEmbed.Evaluation;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class MixtureTrainerTests
{
    private static readonly ViewKey First = new("decoder", new View(0, Pooling.Mean)), Second = new("decoder", new View(1, Pooling.Mean));

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void A_token_that_tells_the_class_among_many_that_do_not_is_found(int classCount)
    {
        HeadTrainingData data = TokenProblems.OneTokenTells(1000, classCount, seed: 1);
        HeadTrainingData unseen = TokenProblems.OneTokenTells(500, classCount, seed: 2);
        TrainedHead trained = Train(data), without = Train(data with { Tokens = [] });
        double accuracy = Accuracy(trained, unseen);
        Assert.InRange(accuracy, Accuracy(without, unseen) + 0.1, 1);
        // What cross-validation promises is what new texts give.
        MixtureDecision decision = Decided(trained);
        Assert.Equal(accuracy, decision.Accuracy, 0.05);
        Assert.Equal(LogLoss(trained, unseen), decision.LogLoss, 0.08);
        Assert.Equal(decision.LogLoss, trained.CrossValidation!.RowLosses(data.Labels).Average(), 1e-9);
        Assert.Equal(TokenProblems.HiddenSize, Assert.Single(trained.Queries).Query.Values.Length);
        Assert.Contains(new ViewKey(TokenProblems.Backbone, new View(0, Pooling.Attention)), trained.Layout!.Keys);
        Assert.Empty(without.Queries);
    }

    [Fact]
    public void Twenty_texts_are_enough_to_learn_to_pool_and_several_depths_are_mixed()
    {
        HeadTrainingData unseen = TokenProblems.OneTokenTells(500, 2, seed: 2, tells: true, 0, 1, 2);
        double one = 0, several = 0;
        for (ulong seed = 10; seed < 16; seed++)
        {
            HeadTrainingData few = TokenProblems.OneTokenTells(20, 2, seed, tells: true, 0, 1, 2);
            TrainedHead trained = Train(few);
            Assert.Equal(3, trained.Queries.Count);
            several += LogLoss(trained, unseen) / 6;
            one += LogLoss(Train(few with { Tokens = [few.Tokens[0].WithDepths(depth => depth == 0)!] }), unseen) / 6;
        }
        Assert.InRange(several, 0, one - 0.02);
    }

    [Fact]
    public void What_brings_nothing_is_left_out_and_its_views_are_not_read()
    {
        HeadTrainingData data = WithNoise(HeadProblems.Clusters(10_000, 6, 2, seed: 3, spread: 1), seed: 8);
        TrainedHead trained = Train(data with { Texts = null }, plan => plan with { ViewSets = [[First], [Second]] });
        Assert.All(Decided(trained).Experts, part => Assert.Equal(ViewsExperts.Kind, part.Expert.Kind));
        Assert.Equal([First], trained.Layout!.Keys);
        Assert.Empty(trained.Queries);
        Assert.Equal(6, trained.Read(data.Features, data.Layout, data.Tokens).Columns);
    }

    /// <summary>Its weight is as good as any other, since it moves nothing.</summary>
    [Fact]
    public void An_expert_that_says_nothing_is_left_out_whatever_its_weight()
    {
        HeadTrainingData data = Mixed(60, 2, seed: 1);
        MixtureTask task = MixtureProblems.TaskOf(data, new LearningPlan(new HeadOptions.Automatic()) { ViewSets = [[First]] });
        Expert views = Assert.Single(ViewsExperts.Train(task, Cancellation));
        Expert silent = new(new ExpertFacts("silent"), 1, new double[views.Logits.Length]);
        Mixture mixture = Mixture.Of(task, [silent, views], Cancellation);
        Assert.Equal([views], mixture.Kept.Select(member => member.Expert));
        Assert.Equal(2, mixture.Tried.Count);
    }

    [Fact]
    public void Labels_at_random_promise_no_accuracy_above_chance()
    {
        double accuracy = 0, loss = 0;
        const int Draws = 8;
        for (ulong seed = 1; seed <= Draws; seed++)
        {
            int[] labels = [.. Enumerable.Range(0, 80).Select(row => row % 2)];
            HeadTrainingData data = WithNoise(HeadProblems.Data(TokenProblems.Normals(new DeterministicRandom(seed), 80 * 6), labels, 2), seed);
            MixtureDecision decision = Decided(Train(data, plan => plan with { ViewSets = [[First, Second], [First]] }));
            accuracy += decision.Accuracy / Draws;
            loss += decision.LogLoss / Draws;
        }
        Assert.InRange(accuracy, 0.3, 0.56); // three standard errors of 640 texts
        Assert.InRange(loss, Math.Log(2) - 0.02, 1);
    }

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void Probabilities_are_the_softmax_of_the_weighted_log_probabilities_of_the_experts(int classCount)
    {
        (HeadTrainingData data, HeadTrainingData unseen) = (Mixed(120, classCount, seed: 1), Mixed(40, classCount, seed: 2));
        LearningPlan plan = new(new HeadOptions.Automatic()) { ViewSets = [[First], [Second, First]], Seed = 4 };
        TrainedHead trained = HeadTrainer.Train(data, plan, progress: null, Cancellation);
        MixtureDecision decision = Decided(trained);
        Assert.InRange(decision.Experts.Select(part => part.Expert.Kind).Distinct().Count(), 2, ExpertKind.All.Count);

        MixtureTask task = MixtureProblems.TaskOf(data, plan);
        Expert[] experts = [.. ExpertKind.All.SelectMany(kind => kind.Train(task, Cancellation))];
        double[] temperatures = ExpertCalibration.Temperatures([.. experts.Select(expert => expert.Logits)], data.Labels);
        double[] sum = new double[unseen.Rows * classCount];
        foreach ((Expert expert, double temperature) in experts.Zip(temperatures))
        {
            double weight = decision.Experts.Where(part => part.Expert == expert.Facts).Sum(part => part.Weight);
            double[] logs = TemperatureScaling.LogProbabilities(LogitsOf(expert, unseen), classCount, temperature);
            for (int i = 0; i < sum.Length; i++) sum[i] += weight * logs[i];
        }
        double[] expected = [.. TemperatureScaling.LogProbabilities(sum, classCount, trained.Temperature).Select(Math.Exp)];
        float[] actual = trained.Probabilities(trained.Read(unseen.Features, unseen.Layout, unseen.Tokens), unseen.Texts!);
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-3);
        Assert.Equal(1, decision.Experts.Sum(part => part.Weight), 1e-9);
        Assert.Equal(decision.Experts.Select(part => part.Weight).OrderDescending(), decision.Experts.Select(part => part.Weight));
    }

    [Fact]
    public void The_head_without_words_is_the_rest_at_a_temperature_of_its_own()
    {
        HeadTrainingData data = Mixed(120, 2, seed: 1);
        TrainedHead trained = Train(data), rest = trained.WithoutWords()!;
        FeatureMatrix features = trained.Read(data.Features, data.Layout, data.Tokens);
        float[] logits = new float[data.Rows * 2], actual = rest.Probabilities(features, data.Texts!);
        trained.Head.Logits(features.Block(0, data.Rows).Span, data.Rows, logits);
        double[] expected = TemperatureScaling.LogProbabilities([.. logits.Select(logit => (double)logit)], 2, rest.Temperature);
        for (int i = 0; i < actual.Length; i++) Assert.Equal(Math.Exp(expected[i]), actual[i], 1e-4);
        Assert.NotEqual(trained.Temperature, rest.Temperature);
        Assert.DoesNotContain(Decided(rest).Experts, part => part.Expert.Kind == WordsExpert.Kind);
        Assert.True(Accuracy(rest, Mixed(400, 2, seed: 5)) > 0.6);
    }

    [Fact]
    public void Texts_too_few_to_hold_any_out_make_a_regression_on_the_first_views()
    {
        HeadTrainingData data = Mixed(2, 2, seed: 1);
        TrainedHead trained = Train(data, plan => plan with { ViewSets = [[Second], [First]] });
        Assert.IsType<RegressionDecision>(trained.Decisions.Head);
        Assert.Equal([Second], trained.Layout!.Keys);
        Assert.Null(trained.CrossValidation);
        Assert.Null(trained.Words);
        Assert.Equal(2, trained.Probabilities(trained.Read(data.Features, data.Layout, data.Tokens), data.Texts!).Length / 2);
    }

    [Fact]
    public void The_result_does_not_depend_on_the_number_of_threads()
    {
        HeadTrainingData data = Mixed(90, 3, seed: 1);
        TrainedHead[] trained = [.. new[] { 1, 2, 7 }.Select(threads => Train(data, plan => plan with { Threads = threads }))];
        foreach (TrainedHead other in trained[1..])
        {
            Assert.Equal(trained[0].Tensors.Select(tensor => tensor.Name), other.Tensors.Select(tensor => tensor.Name));
            foreach ((HeadTensor one, HeadTensor two) in trained[0].Tensors.Zip(other.Tensors)) Assert.Equal(one.Values, two.Values);
            Assert.Equal(trained[0].Queries.SelectMany(learned => learned.Query.Values), other.Queries.SelectMany(learned => learned.Query.Values));
            Assert.Equal(trained[0].Temperature, other.Temperature);
        }
    }

    [Fact]
    public void Only_the_default_head_learns_to_pool()
    {
        HeadTrainingData data = Mixed(60, 2, seed: 1);
        Assert.NotEmpty(Train(data).Queries);
        Assert.Empty(HeadTrainer.Train(data, new LearningPlan(new HeadOptions.Linear()), progress: null, Cancellation).Queries);
    }

    [Fact]
    public void A_label_that_is_wrong_is_told_from_the_predictions_of_the_mixture()
    {
        HeadTrainingData data = TokenProblems.OneTokenTells(600, 2, seed: 1);
        int[] wrong = [5, 120, 333], labels = [.. data.Labels.Select((label, row) => wrong.Contains(row) ? 1 - label : label)];
        HeadTrainingData given = new(data.Features, labels, 2, data.Layout) { Tokens = data.Tokens };
        IReadOnlyList<LabelError> errors = LabelError.Find(Train(given).CrossValidation!, labels, ["a", "b"]);
        Assert.All(wrong, row => Assert.Contains(errors, error => error.Row == row));
    }

    private static double[] LogitsOf(Expert expert, HeadTrainingData unseen)
    {
        float[] logits = new float[unseen.Rows * unseen.ClassCount];
        if (expert.Words is not null)
            expert.Words(1).AddLogits(unseen.Texts!, logits);
        else
        {
            LinearPart part = expert.Linear!();
            FeatureMatrix features = part.Query is null
                ? unseen.SelectViews(part.Layout.Keys).Features
                : new FoldedHead(part.Head, part.Layout, [(TokenProblems.Backbone, part.Query)]).Read(unseen.Features, unseen.Layout, unseen.Tokens);
            part.Head.Logits(features.Block(0, unseen.Rows).Span, unseen.Rows, logits);
        }
        return [.. logits.Select(logit => (double)logit)];
    }

    private static TrainedHead Train(HeadTrainingData data, Func<LearningPlan, LearningPlan>? change = null)
    {
        LearningPlan plan = new(new HeadOptions.Automatic());
        return HeadTrainer.Train(data, change is null ? plan : change(plan), progress: null, Cancellation);
    }

    private static MixtureDecision Decided(TrainedHead trained) => Assert.IsType<MixtureDecision>(trained.Decisions.Head);

    private static string[] TextsOf(HeadTrainingData data) => [.. data.Texts ?? new string[data.Rows]];

    private static double Accuracy(TrainedHead trained, HeadTrainingData data) =>
        trained.Accuracy(trained.Read(data.Features, data.Layout, data.Tokens), TextsOf(data), data.Labels);

    private static double LogLoss(TrainedHead trained, HeadTrainingData data) =>
        trained.Probabilities(trained.Read(data.Features, data.Layout, data.Tokens), TextsOf(data)).Chunk(data.ClassCount)
            .Zip(data.Labels, (probabilities, label) => -Math.Log(probabilities[label])).Average();

    /// <summary>Two views, tokens and words, each of which tells something of the class.</summary>
    private static HeadTrainingData Mixed(int rows, int classCount, ulong seed)
    {
        HeadTrainingData tokens = TokenProblems.OneTokenTells(rows, classCount, seed, tells: true, 4, 6);
        HeadTrainingData views = HeadProblems.Clusters(rows, 8, classCount, seed + 50, spread: 2);
        DeterministicRandom random = new(seed + 100);
        int Colour(int label) => random.Next(3) == 0 ? random.Next(classCount) : label;
        string[] texts = [.. views.Labels.Select(label => $"colour{Colour(label)} of text{random.Next(20)}")];
        return new HeadTrainingData(views.Features, views.Labels, classCount, HeadProblems.Layout(3, 5)) { Texts = texts, Tokens = tokens.Tokens };
    }

    /// <summary>A second view, tokens and words that say nothing.</summary>
    private static HeadTrainingData WithNoise(HeadTrainingData data, ulong seed)
    {
        DeterministicRandom random = new(seed + 300);
        int columns = data.Features.Columns;
        float[] features = [.. Enumerable.Range(0, data.Rows).SelectMany(row =>
            (float[])[.. data.Features.Row(row), .. TokenProblems.Normals(random, 4)])];
        return new HeadTrainingData(
            new ArrayFeatures(features, data.Rows, columns + 4), data.Labels, data.ClassCount, HeadProblems.Layout(columns, 4))
        {
            Texts = [.. data.Labels.Select(_ => $"word{random.Next(30)} and word{random.Next(30)}")],
            Tokens = [TokenProblems.Noise(random, TokenProblems.HiddenSize, depth: 2, [.. data.Labels.Select(_ => 5)])],
        };
    }
}
