using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Learning;
using LlmEmbed.Reports;
using Xunit;

namespace LlmEmbed.Tests.Reports;

public sealed class HeadSentencesTests
{
    private static readonly HeadDecisions Mixture = new(new MixtureDecision(
        [
            new(new("views") { Views = 12, C = 0.1 }, 0.25, 0.8, 0.5),
            new(new("attention") { Backbone = "tiny", Depth = 4 }, 0.2, 0.79, 0.51),
            new(new("views") { Views = 3, C = 0.01 }, 0.15, 0.78, 0.52),
            new(new("words") { Terms = 1234, C = 10 }, 0.15, 0.7, 0.6),
            new(new("sentence") { Backbone = "small", Depth = 6, C = 10 }, 0.15, 0.8, 0.5),
            new(new("attention") { Backbone = "tiny", Depth = 3 }, 0.1, 0.77, 0.53),
            new(new("class_names"), 0.2, null, null),
        ],
        ClassWeighting.Balanced,
        Accuracy: 0.85,
        AccuracyDeviation: 0.02,
        LogLoss: 0.4)
    { Variants = [new("learned weights", 0.85, 0.4), new("without words", 0.84, 0.41)] });

    public static TheoryData<string> Kinds => ["regression", "few", "mixture", "single", "nearest_mean", "mlp", "released"];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void Decisions_that_were_saved_say_the_same(string kind)
    {
        HeadDecisions decisions = Decided(kind);
        HeadDecisions saved = JsonSerializer.Deserialize<HeadDecisions>(JsonSerializer.Serialize(decisions, HeadSentences.Json), HeadSentences.Json)!;
        Assert.Equal(HeadSentences.Of(decisions), HeadSentences.Of(saved));
        Assert.Equal(HeadSentences.ToJson(decisions).ToJsonString(), HeadSentences.ToJson(saved).ToJsonString());
    }

    [Fact]
    public void Lists_that_a_file_does_not_have_are_empty()
    {
        JsonObject json = JsonSerializer.SerializeToNode(Mixture, HeadSentences.Json)!.AsObject();
        Assert.True(json.Remove("attention") && json["head"]!.AsObject().Remove("variants"));
        HeadDecisions saved = json.Deserialize<HeadDecisions>(HeadSentences.Json)!;
        Assert.Empty(saved.Attention);
        Assert.Empty(((MixtureDecision)saved.Head).Variants);
        Assert.Equal(HeadSentences.Of(Mixture), HeadSentences.Of(saved));
    }

    [Fact]
    public void A_sentence_has_the_experts_of_each_kind_and_backbone_together_the_heaviest_first() => Assert.Equal(
        "mixture of 7 experts with balanced class weights (accuracy by cross-validation 85.0 % ± 2.0 %): " +
        "40 % 2 logistic regressions on views (12 with C = 0.1, 3 with C = 0.01); 30 % attention pooling at depths 3, 4 of tiny; " +
        "15 % a regression on 1,234 words and pairs of words; 15 % a regression on the sentence vector of small; " +
        "and 20 % of their spread for the likeness to the names of the classes",
        HeadSentences.Of(Mixture));

    [Theory]
    [InlineData(
        400,
        true,
        "; the regressions learned from the 120 surest of 400 unlabelled texts too (log loss by cross-validation 0.400 instead of 0.450)")]
    [InlineData(
        9000,
        false,
        "; not learned from the 120 surest of 400 unlabelled texts, read of 9,000, because it would be worse " +
        "(log loss by cross-validation 0.400 instead of 0.450)")]
    public void Unlabelled_texts_are_spoken_of(int given, bool isKept, string end)
    {
        MixtureDecision mixture = (MixtureDecision)Decided("single").Head;
        SelfTrainingDecision unlabelled = new(given, Unlabelled: 400, Taken: 120, isKept, LogLossBefore: 0.45, LogLossWith: 0.4);
        HeadDecisions decisions = new(mixture with { SelfTraining = unlabelled });
        Assert.Equal(HeadSentences.Of(Decided("single")) + end, HeadSentences.Of(decisions));
    }

    [Theory]
    [InlineData("few", "logistic regression with C = 0.01; too few examples to choose it by cross-validation")]
    [InlineData("nearest_mean", "nearest class mean")]
    [InlineData("mlp", "multi-layer perceptron, stopped after 7 epochs by its loss on 45 examples held out of the training data")]
    [InlineData("released", "released LLMEmbed recipe: co-occurrence head, σ = 0.1, trained for 2 epochs")]
    [InlineData(
        "regression",
        "logistic regression with C = 0.1 and balanced class weights, chosen among 1 by cross-validation (accuracy 80.0 % ± 2.0 %)")]
    [InlineData(
        "single",
        "mixture of 1 expert (accuracy by cross-validation 85.0 % ± 2.0 %): 100 % attention pooling at depth 4 of tiny")]
    public void Every_kind_of_head_has_a_sentence(string kind, string expected) => Assert.Equal(expected, HeadSentences.Of(Decided(kind)));

    [Fact]
    public void Json_has_an_entry_for_every_expert_and_for_every_way_to_mix_them()
    {
        JsonObject json = HeadSentences.ToJson(Mixture);
        Assert.Equal(
            ["kind", "experts", "class_weighting", "accuracy", "accuracy_deviation", "log_loss", "variants"], json.Select(entry => entry.Key));
        Assert.Equal("balanced", (string?)json["class_weighting"]);
        Assert.Equal(7, json["experts"]!.AsArray().Count);
        Assert.Equal(4, (int)json["experts"]![1]!["expert"]!["depth"]!);
        Assert.Equal(1234, (int)json["experts"]![3]!["expert"]!["terms"]!);
        Assert.Null(json["experts"]![6]!["accuracy"]);
        Assert.Equal("without words", (string?)json["variants"]![1]!["name"]);
    }

    private static HeadDecisions Decided(string kind) => kind switch
    {
        "regression" => new(new RegressionDecision(0.1, ClassWeighting.Balanced, [new(0.1, 0.8, 0.02, 0.79, 0.5)])),
        "mixture" => Mixture,
        "single" => new(new MixtureDecision(
            [new(new("attention") { Backbone = "tiny", Depth = 4 }, 1, 0.85, 0.4)],
            ClassWeighting.None,
            Accuracy: 0.85,
            AccuracyDeviation: 0.02,
            LogLoss: 0.4)),
        "few" => new(new RegressionDecision(0.01, ClassWeighting.None, [])),
        "nearest_mean" => new(new NearestMeanDecision()),
        "mlp" => new(new NetworkDecision(NetworkRecipe.Own, Sigma: null, Epochs: 7, HeldOutTexts: 45, ClassWeighting.None)),
        _ => new(new NetworkDecision(NetworkRecipe.Released, Sigma: 0.1f, Epochs: 2, HeldOutTexts: null, ClassWeighting.None)),
    };
}
