using System.Text.Json.Nodes;
using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;
using LlmEmbed.Reports;
using Xunit;

namespace LlmEmbed.Tests.Recipes;

public sealed class AttentionProbeTests
{
    private static readonly LabeledText[] Examples = Requests.Generate(60);

    [Fact]
    public void Attention_is_probed_at_each_depth_of_the_default_views()
    {
        IReadOnlyList<ViewProbe> probes = Probe(new() { Backbones = ["llama-mha"] });
        int[] depths = [.. probes.Select(probe => probe.View.Depth).Where(depth => depth > 0).Distinct().Order()];
        ViewProbe[] attention = [.. probes.Where(probe => probe.View.Pooling == Pooling.Attention)];
        Assert.Equal(depths, attention.Select(probe => probe.View.Depth));
        Assert.All(attention, probe =>
        {
            Assert.Null(probe.C);
            Assert.Null(probe.SampleTexts);
            Assert.InRange(probe.Accuracy, 0.6, 1); // the words tell the class; a guess is right a third of the time
            Assert.InRange(probe.LogLoss, 0.001, 1);
        });
        Assert.All(probes.Except(attention), probe => Assert.True(probe.C > 0));
    }

    [Fact]
    public void Without_attention_and_of_views_that_are_named_nothing_else_is_probed()
    {
        ProbeOptions options = new() { Backbones = ["llama-mha"] };
        Assert.DoesNotContain(Probe(options with { UseAttention = false }), probe => probe.View.Pooling == Pooling.Attention);
        View named = new(1, Pooling.Mean);
        Assert.Equal([named], Probe(options with { Encoder = new() { Views = ViewSelection.Of(named) } }).Select(probe => probe.View));
    }

    [Fact]
    public void The_folds_are_those_of_the_linear_probes()
    {
        using OpenBackbones backbones = new(Requests.Runtime);
        using BackboneReader reader = Reader(backbones);
        TrainingTexts texts = Texts();
        LinearOptions options = new() { Seed = 3 };
        AttentionProbe probe = AttentionProbe.For(reader, texts, options, long.MaxValue)!;
        FeatureLayout layout = new([new FeatureView("some", 1, Pooling.Mean, Offset: 0, 1)]);
        ArrayFeatures features = new(Enumerable.Range(0, Examples.Length).Select(row => row % 7f).ToArray(), Examples.Length, 1);
        CrossValidation linear = LinearHeadTrainer.CrossValidate(
            HeadTrainingData.Of(texts, features, layout), options, TestContext.Current.CancellationToken)!;
        Assert.Equal(linear.Rows, probe.Rows);
        Assert.Equal(linear.Folds, probe.Folds);
    }

    [Fact]
    public void A_sample_of_the_texts_takes_part_where_the_tokens_of_all_do_not_fit_and_the_report_says_so()
    {
        using OpenBackbones backbones = new(Requests.Runtime);
        using BackboneReader reader = Reader(backbones);
        TrainingTexts texts = Texts();
        long bytes = reader.AttendedCounts(texts.Texts).Sum(count => (long)count) * reader.HiddenSize * sizeof(float) * 2; // at two depths
        AttentionProbe probe = AttentionProbe.For(reader, texts, new LinearOptions(), bytes / 2)!;
        Assert.Equal([1, 2], probe.Tokens.Depths);
        Assert.InRange(probe.Rows.Length, 24, 30);
        Assert.All(
            probe.Rows.GroupBy(row => texts.Labels[row]),
            group => Assert.InRange(group.Count(), probe.Rows.Length / 3 - 1, probe.Rows.Length / 3 + 1));

        FeatureLayout layout = new([new FeatureView("bert", 1, Pooling.Mean, Offset: 0, reader.RowLength)]);
        ArrayFeatures features = new(new float[Examples.Length * reader.RowLength], Examples.Length, reader.RowLength);
        reader.Read(
            [.. probe.Rows.Select(row => texts.Texts[row])],
            features.RowTarget,
            progress: null,
            TestContext.Current.CancellationToken,
            probe.Tokens.RowsOf(reader.Name, [.. Enumerable.Range(0, probe.Rows.Length)]));
        ViewProbe[] attention =
        [
            .. probe.Run(
                HeadTrainingData.Of(texts, features, layout),
                new LearningPlan(new HeadOptions.Linear()),
                progress: null,
                TestContext.Current.CancellationToken),
        ];
        Assert.Equal([1, 2], attention.Select(view => view.View.Depth));
        Assert.All(attention, view => Assert.Equal(probe.Rows.Length, view.SampleTexts));
        ProbeReport report = new([attention[0] with { View = new View(1, Pooling.Mean), SampleTexts = null, C = 1 }, .. attention], Examples.Length);
        Assert.Contains($"bert, attention, on {probe.Rows.Length} of the texts", report.ToString(), StringComparison.Ordinal);
        JsonArray views = JsonNode.Parse(report.ToJson())!["views"]!.AsArray();
        Assert.Equal([Examples.Length, probe.Rows.Length, probe.Rows.Length], views.Select(view => (int)view!["examples"]!));
        Assert.Equal([1.0, null, null], views.Select(view => (double?)view!["c"]));
    }

    [Fact]
    public void A_text_is_predicted_by_a_model_that_has_not_seen_its_label()
    {
        (HeadTrainingData data, int[] folds) = Tokens(count: 30);
        HeadTrainingData other = Tokens(count: 30, changes: row => folds[row] == 1).Data;
        (float[][] before, float[][] after) = (HeldOut(data, folds), HeldOut(other, folds));
        for (int row = 0; row < folds.Length; row++)
        {
            if (folds[row] == 1) Assert.Equal(before[row], after[row]);
            else Assert.NotEqual(before[row], after[row]);
        }
    }

    private static float[][] HeldOut(HeadTrainingData data, int[] folds)
    {
        (ViewKey view, double[] logits) = Assert.Single(AttentionExperts.HeldOut(
            data, folds, new LearningPlan(new HeadOptions.Linear()) { Threads = 2 }, progress: null, TestContext.Current.CancellationToken));
        Assert.Equal(new View(1, Pooling.Attention), view.View);
        return [.. logits.Chunk(data.ClassCount).Select(row => row.Select(logit => (float)logit).ToArray())];
    }

    /// <summary>Texts of three random tokens in three folds; the labels of some are changed.</summary>
    private static (HeadTrainingData Data, int[] Folds) Tokens(int count, Predicate<int>? changes = null)
    {
        const int Size = 4;
        DeterministicRandom random = new(5);
        TokenStates tokens = TokenStates.Allocate("some", [1], Size, [.. Enumerable.Repeat(3, count)], long.MaxValue)!;
        for (int row = 0; row < count; row++)
            foreach (ref float state in tokens.Of(row, 1)) state = random.Next(1000) / 500f - 1;
        int[] labels = [.. Enumerable.Range(0, count).Select(row => changes?.Invoke(row) == true ? 1 - row / 3 % 2 : row / 3 % 2)];
        FeatureLayout layout = new([new FeatureView("some", 1, Pooling.Mean, Offset: 0, 1)]);
        HeadTrainingData data = new(new ArrayFeatures(new float[count], count, 1), labels, 2, layout) { Tokens = [tokens] };
        return (data, [.. Enumerable.Range(0, count).Select(row => row % 3)]);
    }

    private static BackboneReader Reader(OpenBackbones backbones)
    {
        OpenBackbone backbone = backbones.Open("bert", new Work(null, TestContext.Current.CancellationToken));
        View[] views = [new(0, Pooling.Mean), new(1, Pooling.Mean), new(2, Pooling.Mean)];
        return new BackboneReader(backbone, BackbonePlan.For(backbone, new EncoderOptions { Views = ViewSelection.Of(views) }), Requests.Runtime);
    }

    private static TrainingTexts Texts() =>
        TrainingTexts.Of(Examples, ClassLabels.Of(Examples), [.. Enumerable.Range(0, Examples.Length)], heldOutShare: 0, seed: 3);

    private static IReadOnlyList<ViewProbe> Probe(ProbeOptions options)
    {
        using OpenBackbones backbones = new(Requests.Runtime);
        return DepthProbe.Run(Examples, options, backbones, progress: null, TestContext.Current.CancellationToken);
    }
}
