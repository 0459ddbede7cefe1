using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Learning;
using LlmEmbed.Reports;
using Xunit;

namespace LlmEmbed.Tests.Reports;

public sealed class HeadSentencesTests
{
    private static readonly AdditionGain Gain = new(
        Weight: 0.3, LogLossWithout: 0.5, LogLoss: 0.4, AccuracyWithout: 0.8, Accuracy: 0.85, TemperatureWithout: 1.1);

    private static readonly HeadDecisions Regression = new(new RegressionDecision(0.1, ClassWeighting.Balanced, [new(0.1, 0.8, 0.02, 0.79, 0.5)]))
    {
        ComparedHeads = [new("nearest-mean", 0.05, 0.01), new("mlp", -0.0001, 0.01)],
        Additions =
        [
            new("class_names", null),
            new("attention_pooling", Gain with { Backbone = "tiny", Depth = 3 }),
            new("words", Gain with { Terms = 1234 }),
        ],
    };

    public static TheoryData<string> Kinds => ["regression", "few", "average", "nearest_mean", "mlp", "released"];

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
    public void A_sentence_names_the_head_what_it_was_compared_with_and_every_addition() => Assert.Equal(
        "logistic regression with C = 0.1 and balanced class weights, chosen among 1 by cross-validation (accuracy 80.0 % ± 2.0 %); " +
        "log loss of other heads by cross-validation against logistic regression: nearest class mean +0.050, multi-layer perceptron +0.000; " +
        "the names of the classes add nothing; " +
        "plus 0.3 times a logistic regression on attention pooling at depth 3 of tiny: accuracy by cross-validation 85.0 % (without 80.0 %); " +
        "plus 0.3 times a logistic regression on 1,234 words and pairs of words: accuracy by cross-validation 85.0 % (without 80.0 %)",
        HeadSentences.Of(Regression));

    [Theory]
    [InlineData("few", "logistic regression with C = 0.01; too few examples to choose it by cross-validation")]
    [InlineData("nearest_mean", "nearest class mean")]
    [InlineData("mlp", "multi-layer perceptron, stopped after 7 epochs by its loss on 45 examples held out of the training data")]
    [InlineData("released", "released LLMEmbed recipe: co-occurrence head, σ = 0.1, trained for 2 epochs")]
    [
        InlineData(
            "average", "average of 2 logistic regressions, too few texts to choose one: 40 % on 3 views with C = 1, 60 % on 1 views with C = 0.1"),
    ]
    public void Every_kind_of_head_has_a_sentence(string kind, string expected) => Assert.Equal(expected, HeadSentences.Of(Decided(kind)));

    [Fact]
    public void Json_has_an_entry_for_every_addition_that_was_tried()
    {
        JsonObject json = HeadSentences.ToJson(Regression);
        Assert.Equal(
            ["kind", "c", "class_weighting", "cross_validation", "compared_heads", "class_names", "attention_pooling", "words"],
            json.Select(entry => entry.Key));
        Assert.Equal("balanced", (string?)json["class_weighting"]);
        Assert.Null(json["class_names"]);
        Assert.Equal(3, (int)json["attention_pooling"]!["depth"]!);
        Assert.Equal(1234, (int)json["words"]!["terms"]!);
        Assert.Equal("mlp", (string?)json["compared_heads"]![1]!["head"]);
    }

    private static HeadDecisions Decided(string kind) => kind switch
    {
        "regression" => Regression,
        "few" => new(new RegressionDecision(0.01, ClassWeighting.None, [])),
        "average" => new(new AverageDecision([new(0.4, 3, 1), new(0.6, 1, 0.1)], Accuracy: null, AccuracyDeviation: null)),
        "nearest_mean" => new(new NearestMeanDecision()),
        "mlp" => new(new NetworkDecision(NetworkRecipe.Own, Sigma: null, Epochs: 7, HeldOutTexts: 45, ClassWeighting.None)),
        _ => new(new NetworkDecision(NetworkRecipe.Released, Sigma: 0.1f, Epochs: 2, HeldOutTexts: null, ClassWeighting.None)),
    };
}
