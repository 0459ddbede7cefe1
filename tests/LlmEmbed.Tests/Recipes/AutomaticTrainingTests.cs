using LlmEmbed.Data;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;
using Xunit;

namespace LlmEmbed.Tests.Recipes;

public sealed class AutomaticTrainingTests : IDisposable
{
    private static readonly string[] Labels = ["billing", "delivery", "technical"];

    private readonly OpenBackbones _backbones = new(Requests.Runtime);

    public void Dispose() => _backbones.Dispose();

    [Theory]
    [InlineData(1500, 2, 1500, false)]
    [InlineData(1501, 2, 750, true)]
    [InlineData(9000, 2, 900, true)]
    [InlineData(67_349, 2, 1000, true)]
    [InlineData(67_349, 52, 1500, false)]
    public void The_sample_is_a_tenth_within_bounds_where_more_texts_are_looked_at_again(int texts, int classCount, int sampleTexts, bool looksTwice)
    {
        AutomaticTraining training = new(new() { Backbones = ["llama-gqa"] }, Labels, _backbones, seed: 0, progress: null, Cancellation);
        Assert.Equal((sampleTexts, looksTwice), training.SampleSize(texts, classCount));
    }

    [Fact]
    public void Features_are_those_of_the_chosen_views_whether_a_text_was_in_the_sample_or_not()
    {
        LabeledText[] examples = Requests.Generate(60);
        string[] texts = [.. examples.Select(example => example.Text)];
        using Features features = Read(Training(sampleTexts: 45), TextsOf(examples));
        Assert.Equal(21, features.Selection!.SampleTexts); // 22, in equal parts of three classes

        using FeatureReader again = FeatureReader.Open(
            features.Reader.Backbones.Select(backbone => (backbone.Backbone, backbone.Plan)), Requests.Runtime);
        (float[] fused, _) = again.Read(again.Prepare(texts, Cancellation), new Work(Progress: null, Cancellation));
        float largest = fused.Max(Math.Abs);
        float[] values = features.Matrix.Block(0, texts.Length).ToArray();
        Assert.Equal(fused.Length, values.Length);
        for (int i = 0; i < fused.Length; i++) Assert.Equal(fused[i], values[i], 1e-5f * largest);
        Assert.Equal(60, features.Statistics[0].Texts);
    }

    [Fact]
    public void Tokens_are_those_of_their_texts_whether_a_text_was_in_the_sample_or_not()
    {
        LabeledText[] examples = Requests.Generate(150);
        string[] texts = [.. examples.Select(example => example.Text)];
        using Features features = Read(Training(sampleTexts: 45), TextsOf(examples));
        Assert.Equal(["llama-gqa", "bert"], features.Tokens.Select(tokens => tokens.Backbone).OrderDescending());
        foreach (TokenStates tokens in features.Tokens)
        {
            BackboneReader first = features.Reader.Backbones.Single(backbone => backbone.Name == tokens.Backbone);
            using BackboneReader again = new(first.Backbone, first.Plan, Requests.Runtime);
            int[] counts = again.AttendedCounts(texts);
            TokenStates expected = TokenStates.Allocate(tokens.Backbone, tokens.Depths, again.HiddenSize, counts, long.MaxValue)!;
            int row = again.RowLength;
            float[] values = new float[texts.Length * row];
            again.Read(texts, text => values.AsSpan(text * row, row), progress: null, Cancellation, new([.. tokens.Depths], expected.Of));
            foreach (int depth in tokens.Depths)
                for (int text = 0; text < texts.Length; text++)
                    Vectors.AssertClose(
                        expected.Of(text, depth), tokens.Of(text, depth), 1e-5f * expected.Of(text, depth).ToArray().Max(MathF.Abs), $"text {text}");
        }
    }

    [Fact]
    public void A_second_look_keeps_a_set_of_the_views_below_the_cut()
    {
        using Features features = Read(Training(sampleTexts: 30), TextsOf(Requests.Generate(60)));
        SecondLook look = features.Selection!.SecondLook!;
        Assert.Equal(60, look.Rows);
        Assert.Equal(look.Sets.Min(set => set.Loss), look.Chosen.Loss);
        Assert.Contains(look.Sets, set => set.Views.Count == look.Read.Views.Count);
        Assert.Equal(
            look.Chosen.Views.Select(view => (view.Backbone, view.View)),
            features.Reader.Backbones.SelectMany(backbone => backbone.Plan.Views.Select(view => (backbone.Name, view))));
    }

    [Fact]
    public void A_budget_that_is_used_up_leaves_a_few_texts_of_every_class()
    {
        TrainingOptions options = Requests.Options("bert").With(
            recipe => recipe with { Budget = TimeSpan.FromTicks(1) }) with
        { HeldOutShare = 0.25 };
        using TextClassifier classifier = Requests.Train(Requests.Generate(300), options);
        Assert.InRange(classifier.Training!.Examples, 30, 60);
        Assert.Equal(Labels, classifier.Labels);
        Assert.All(classifier.Training.HeldOutRows, row => Assert.InRange(row, 0, 299));
        Assert.Contains(classifier.Training.HeldOutRows, row => row >= 60);
    }

    [Fact]
    public void What_is_held_out_does_not_influence_the_choice()
    {
        TrainingTexts texts = TrainingTexts.Of(Requests.Generate(60), Labels, [.. Enumerable.Range(0, 60)], heldOutShare: 0.25, seed: 0);
        int[] noise = [.. texts.Labels.Select((label, row) => texts.HeldOut.Contains(row) ? (label + 1) % 3 : label)];
        double[][] losses = [.. new[] { texts.Labels, noise }.Select(given =>
        {
            using Features features = Read(Training(), texts with { Labels = given });
            return features.Selection!.Choice!.Chosen.RowLosses;
        })];
        Assert.Equal(45, losses[0].Length);
        Assert.Equal(losses[0], losses[1]);
    }

    [Theory]
    [InlineData(true, 30)]
    [InlineData(true, 2)]
    [InlineData(false, 6)]
    [InlineData(false, 1)]
    public void Default_views_are_candidates_and_all_depths_exist(bool isDecoder, int blockCount)
    {
        IReadOnlyList<View> candidates = CandidateViews.Of(isDecoder, blockCount);
        Assert.Subset(candidates.ToHashSet(), ViewSelection.Default.Resolve(isDecoder, blockCount).ToHashSet());
        Assert.All(candidates, view => Assert.InRange(view.Depth, 1, blockCount));
        Assert.Equal(candidates.Count, candidates.Distinct().Count());
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private AutomaticTraining Training(int sampleTexts = 1500) =>
        new(new() { Backbones = ["llama-gqa", "bert"] }, Labels, _backbones, seed: 0, progress: null, Cancellation) { SampleTexts = sampleTexts };

    private static Features Read(AutomaticTraining training, TrainingTexts texts) => training.Read(texts, training.PlanReading(texts));

    private static TrainingTexts TextsOf(LabeledText[] examples) =>
        new([.. examples.Select(example => example.Text)], [.. examples.Select(example => Array.IndexOf(Labels, example.Label))], Labels, Groups: []);
}
