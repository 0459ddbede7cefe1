using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class ExpertTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public static TheoryData<string> Kinds => [.. ExpertKind.All.Select(kind => kind.Name)];

    /// <summary>Labels of the texts that a fit must not see are turned around: what it says of these stays, and what others say changes.</summary>
    [Theory]
    [InlineData(AttentionExperts.Kind)]
    [InlineData(WordsExpert.Kind)]
    public void Texts_that_are_held_out_do_not_train(string kind)
    {
        const int Held = 1;
        HeadTrainingData data = Data(60);
        MixtureTask task = MixtureProblems.TaskOf(data, new LearningPlan(new HeadOptions.Automatic()));
        int[] turned = [.. data.Labels.Select((label, row) => task.Validation.Folds[row] == Held ? 1 - label : label)];
        MixtureTask other = task with { Data = new(data.Features, turned, 2, data.Layout) { Texts = data.Texts, Tokens = data.Tokens } };
        double[] before = Train(kind, task)[0].Logits, after = Train(kind, other)[0].Logits;
        bool hasOthersChanged = false;
        for (int row = 0; row < 60; row++)
        {
            double[] own = before[(2 * row)..(2 * row + 2)], now = after[(2 * row)..(2 * row + 2)];
            if (task.Validation.Folds[row] == Held) Assert.Equal(own, now);
            else hasOthersChanged |= !own.SequenceEqual(now);
        }
        Assert.True(hasOthersChanged);
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Experts_say_of_unseen_texts_about_what_they_say_of_all(string kind)
    {
        HeadTrainingData data = Data(300);
        MixtureTask task = MixtureProblems.TaskOf(data, new LearningPlan(new HeadOptions.Automatic()));
        Expert expert = Train(kind, task)[0];
        Assert.Equal(kind, expert.Facts.Kind);
        Assert.Equal(600, expert.Logits.Length);
        float[] logits = new float[600];
        if (expert.Words is not null) expert.Words(1).AddLogits(data.Texts!, logits);
        else
        {
            LinearPart part = expert.Linear!();
            FeatureMatrix features = part.Query is null ? data.SelectViews(part.Layout.Keys).Features
                : new FoldedHead(part.Head, part.Layout, [(TokenProblems.Backbone, part.Query)]).Read(data.Features, data.Layout, data.Tokens);
            part.Head.Logits(features.Block(0, 300).Span, 300, logits);
        }
        // A text moves its own logit, but not the order of all of them.
        Assert.InRange(Correlation(Margins([.. logits.Select(logit => (double)logit)]), Margins(expert.Logits)), 0.9, 1);
    }

    [Fact]
    public void Words_come_twice_as_strong_with_twice_the_factor()
    {
        Expert expert = Train(WordsExpert.Kind, MixtureProblems.TaskOf(Data(60), new LearningPlan(new HeadOptions.Automatic())))[0];
        float[] once = new float[2], twice = new float[2];
        expert.Words!(1).AddLogits(["colour1 of text"], once);
        expert.Words(2).AddLogits(["colour1 of text"], twice);
        for (int k = 0; k < 2; k++) Assert.Equal(2 * once[k], twice[k], 1e-4);
        Assert.NotEqual(once[0], once[1]);
    }

    /// <summary>Of one encoder the view that its authors declare, of another the mean of its last depth; a decoder has neither.</summary>
    [Fact]
    public void The_sentence_vector_is_the_declared_one_or_the_mean_of_the_last_depth()
    {
        FeatureLayout layout = new(
        [
            new("declared", 1, Pooling.Mean, 0, 2), new("declared", 6, Pooling.Mean, 2, 2), new("declared", 6, Pooling.Sentence, 4, 2),
            new("plain", 1, Pooling.Mean, 6, 2), new("plain", 3, Pooling.Mean, 8, 2), new("plain", 3, Pooling.Max, 10, 2),
            new("decoder", 5, Pooling.MeanSkipFirst, 12, 2), new("decoder", 5, Pooling.Last, 14, 2),
            new("shallow mean", 1, Pooling.Mean, 16, 2), new("shallow mean", 2, Pooling.First, 18, 2),
        ]);
        HeadTrainingData clusters = HeadProblems.Clusters(40, layout.FeatureCount, 2, seed: 3);
        MixtureTask task = MixtureProblems.TaskOf(
            new HeadTrainingData(clusters.Features, clusters.Labels, 2, layout), new LearningPlan(new HeadOptions.Automatic()));
        IReadOnlyList<Expert> experts = Train(SentenceExperts.Kind, task);
        Assert.Equal(
            [new ViewKey("declared", new View(6, Pooling.Sentence)), new ViewKey("plain", new View(3, Pooling.Mean))],
            experts.Select(expert => Assert.Single(expert.Linear!().Layout.Keys)));
        Assert.Equal([("declared", 6), ("plain", 3)], experts.Select(expert => (expert.Facts.Backbone, expert.Facts.Depth!.Value)));
        Assert.Equal(1, experts.Sum(expert => expert.Share), 1e-12);
        // All channels have one scale, so that they keep their proportions.
        Assert.All(experts, expert => Assert.Single(expert.Linear!().Head.Standardization.Scale.Distinct()));
    }

    [Fact]
    public void Every_set_of_views_has_an_expert_and_every_depth_of_tokens_one()
    {
        HeadTrainingData data = Data(60);
        IReadOnlyList<ViewKey> views = data.Layout.Keys;
        MixtureTask task = MixtureProblems.TaskOf(data, new LearningPlan(new HeadOptions.Automatic()) { ViewSets = [views, [views[1]], [views[0]]] });
        Assert.Equal([2, 1, 1], Train(ViewsExperts.Kind, task).Select(expert => expert.Facts.Views!.Value));
        IReadOnlyList<Expert> attention = Train(AttentionExperts.Kind, task);
        Assert.Equal([4, 6], attention.Select(expert => expert.Facts.Depth!.Value));
        Assert.All(attention, expert => Assert.Equal(0.5, expert.Share));
    }

    [Fact]
    public void Without_tokens_or_words_there_is_no_expert_on_them()
    {
        HeadTrainingData data = Data(60);
        TokenStates none = TokenStates.Allocate(TokenProblems.Backbone, [1], 4, new int[60], long.MaxValue)!;
        MixtureTask Task(HeadTrainingData some) => MixtureProblems.TaskOf(some, new LearningPlan(new HeadOptions.Automatic()));
        Assert.Empty(Train(AttentionExperts.Kind, Task(data with { Tokens = [] })));
        Assert.Empty(Train(AttentionExperts.Kind, Task(data with { Tokens = [none] })));
        Assert.Empty(Train(WordsExpert.Kind, Task(data with { Texts = null })));
        Assert.Empty(Train(WordsExpert.Kind, Task(data with { Texts = [.. Enumerable.Range(0, 60).Select(row => $"only{row}")] })));
    }

    private static IReadOnlyList<Expert> Train(string kind, MixtureTask task) =>
        ExpertKind.All.Single(row => row.Name == kind).Train(task, Cancellation);

    private static double[] Margins(double[] logits) => [.. logits.Chunk(2).Select(pair => pair[1] - pair[0])];

    private static double Correlation(double[] one, double[] two)
    {
        double mean1 = one.Average(), mean2 = two.Average();
        double Product(double[] a, double meanA, double[] b, double meanB) => a.Zip(b, (x, y) => (x - meanA) * (y - meanB)).Sum();
        return Product(one, mean1, two, mean2) / Math.Sqrt(Product(one, mean1, one, mean1) * Product(two, mean2, two, mean2));
    }

    private static HeadTrainingData Data(int rows)
    {
        HeadTrainingData tokens = TokenProblems.OneTokenTells(rows, 2, seed: 1, tells: true, 4, 6);
        HeadTrainingData views = HeadProblems.Clusters(rows, 8, 2, seed: 7, spread: 2);
        DeterministicRandom random = new(9);
        string[] texts = [.. views.Labels.Select(label => $"colour{(random.Next(3) == 0 ? random.Next(2) : label)} of text{random.Next(20)}")];
        return new HeadTrainingData(views.Features, views.Labels, 2, HeadProblems.Layout(3, 5)) { Texts = texts, Tokens = tokens.Tokens };
    }
}
