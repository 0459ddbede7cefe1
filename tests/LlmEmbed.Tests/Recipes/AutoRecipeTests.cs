using LlmEmbed.Data;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;
using Xunit;

namespace LlmEmbed.Tests.Recipes;

public sealed class AutoRecipeTests
{
    private static readonly string[] Labels = ["billing", "delivery", "technical"];

    [Theory]
    [InlineData(1500, 2, 1500, false)]
    [InlineData(1501, 2, 750, true)]
    [InlineData(9000, 2, 900, true)]
    [InlineData(67_349, 2, 1000, true)]
    [InlineData(67_349, 52, 1500, false)]
    public void The_sample_is_a_tenth_within_bounds_where_more_texts_are_looked_at_again(int texts, int classCount, int sampleTexts, bool looksTwice) =>
        Assert.Equal((sampleTexts, looksTwice), new AutoRecipe(Requests.Options("llama-gqa"), progress: null, Cancellation).Plan(texts, classCount));

    [Fact]
    public void Features_are_those_of_the_chosen_views_whether_a_text_was_in_the_sample_or_not()
    {
        LabeledText[] examples = Requests.Generate(60);
        string[] texts = [.. examples.Select(example => example.Text)];
        using ExtractedFeatures features = new AutoRecipe(Requests.Options("llama-gqa", "bert"), progress: null, Cancellation) { SampleTexts = 45 }
            .Extract(new TrainingTexts(texts, LabelsOf(examples), Labels.Length, Groups: []), [.. Enumerable.Range(0, texts.Length)]);
        Assert.Equal(21, features.Selection!.SampleTexts); // 22, in equal parts of three classes

        TextEmbeddings[] expected = [.. features.Encoders.Select(encoder =>
        {
            using TextEncoder again = TextEncoder.Load(encoder.Source, encoder.Options);
            return again.Encode(texts, cancellationToken: Cancellation);
        })];
        float[] fused = Fusion.Fuse(expected);
        float largest = fused.Max(Math.Abs);
        float[] values = features.Features.Block(0, texts.Length).ToArray();
        Assert.Equal(fused.Length, values.Length);
        for (int i = 0; i < fused.Length; i++) Assert.Equal(fused[i], values[i], 1e-5f * largest);
        Assert.Equal(60, features.Statistics[0].Texts);
    }

    [Fact]
    public void Tokens_are_those_of_their_texts_whether_a_text_was_in_the_sample_or_not()
    {
        LabeledText[] examples = Requests.Generate(1050);
        string[] texts = [.. examples.Select(example => example.Text)];
        TrainingOptions options = Requests.Options("llama-gqa", "bert");
        using ExtractedFeatures features = new AutoRecipe(options, progress: null, Cancellation) { SampleTexts = 300 }
            .Extract(new TrainingTexts(texts, LabelsOf(examples), Labels.Length, Groups: []), [.. Enumerable.Range(0, texts.Length)]);
        TokenStates tokens = features.Tokens!;
        using TextEncoder encoder = TextEncoder.Load(tokens.Backbone, features.Encoders.Single(encoder => encoder.Name == tokens.Backbone).Options);
        TokenStates expected = TokenStates.Allocate(tokens.Backbone, tokens.Depth, encoder.HiddenSize, encoder.AttendedCounts(texts), long.MaxValue)!;
        float[] values = new float[texts.Length * encoder.RowLength];
        encoder.Encode(texts, text => values.AsSpan(text * encoder.RowLength, encoder.RowLength), progress: null, Cancellation, new(tokens.Depth, expected.Of));
        for (int text = 0; text < texts.Length; text++)
            Vectors.AssertClose(expected.Of(text), tokens.Of(text), 1e-5f * expected.Of(text).ToArray().Max(MathF.Abs), $"text {text}");
    }

    [Fact]
    public void A_second_look_keeps_a_set_of_the_views_below_the_cut()
    {
        LabeledText[] examples = Requests.Generate(60);
        using ExtractedFeatures features = new AutoRecipe(Requests.Options("llama-gqa", "bert"), progress: null, Cancellation) { SampleTexts = 30 }
            .Extract(new TrainingTexts([.. examples.Select(example => example.Text)], LabelsOf(examples), Labels.Length, Groups: []), [.. Enumerable.Range(0, 60)]);
        SecondLook look = features.Selection!.SecondLook!;
        Assert.Equal(60, look.Rows);
        Assert.Equal(look.Sets.Min(set => set.Loss), look.Chosen.Loss);
        Assert.Contains(look.Sets, set => set.Views.Count == look.Read.Views.Count);
        Assert.Equal(
            look.Chosen.Views.Select(view => (look.Read.Views[view].Backbone, look.Read.Views[view].View)),
            features.Encoders.SelectMany(encoder => encoder.Views.Select(view => (encoder.Name, view))));
    }

    [Fact]
    public void A_budget_that_is_used_up_leaves_a_few_texts_of_every_class()
    {
        using TextClassifier classifier = Requests.Train(Requests.Generate(300), Requests.Options("bert") with { Budget = TimeSpan.FromTicks(1), HeldOutShare = 0.25 });
        Assert.InRange(classifier.Training!.Examples, 30, 60);
        Assert.Equal(Labels, classifier.Labels);
        Assert.All(classifier.Training.HeldOutRows, row => Assert.InRange(row, 0, 299));
        Assert.Contains(classifier.Training.HeldOutRows, row => row >= 60);
    }

    [Fact]
    public void What_is_held_out_does_not_influence_the_choice()
    {
        LabeledText[] examples = Requests.Generate(60);
        int[] labels = LabelsOf(examples), kept = [.. Enumerable.Range(0, 45)];
        int[] noise = [.. labels.Select((label, row) => row < 45 ? label : (label + 1) % 3)];
        string[] texts = [.. examples.Select(example => example.Text)];
        double[][] losses = [.. new[] { labels, noise }.Select(given =>
        {
            using ExtractedFeatures features = new AutoRecipe(Requests.Options("llama-gqa", "bert"), progress: null, Cancellation)
                .Extract(new TrainingTexts(texts, given, Labels.Length, Groups: []), kept);
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
        Assert.Subset(candidates.ToHashSet(), EncoderOptions.DefaultViews(isDecoder, blockCount).ToHashSet());
        Assert.All(candidates, view => Assert.InRange(view.Depth, 1, blockCount));
        Assert.Equal(candidates.Count, candidates.Distinct().Count());
    }

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    private static int[] LabelsOf(LabeledText[] examples) => [.. examples.Select(example => Array.IndexOf(Labels, example.Label))];
}
