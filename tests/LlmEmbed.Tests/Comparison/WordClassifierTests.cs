using LlmEmbed.Comparison;
using Xunit;

namespace LlmEmbed.Tests.Comparison;

public sealed class WordClassifierTests
{
    private static readonly WordClassifier Trained = WordClassifier.Train(Requests.Generate(60));

    [Fact]
    public void Words_of_a_class_give_the_class()
    {
        LabeledText[] unseen = Requests.Generate(30, seed: 2);
        IEnumerable<Prediction> predictions = Trained.Predict(unseen.Select(example => example.Text), TestContext.Current.CancellationToken);
        Assert.Equal(unseen.Select(example => example.Label), predictions.Select(prediction => prediction.Label));
        Assert.Equal("delivery", Trained.Predict("the parcel and its courier").Label);
    }

    [Fact]
    public void Probabilities_of_all_classes_sum_to_one()
    {
        Prediction prediction = Trained.Predict("the invoice");
        Assert.Equal(["billing", "delivery", "technical"], prediction.Ranked.Select(item => item.Label).Order(StringComparer.Ordinal));
        Assert.Equal(1, prediction.Ranked.Sum(item => item.Probability), 1e-6);
    }

    [Fact]
    public void An_empty_text_has_no_label() => Assert.True(Trained.Predict(" ").IsEmpty);

    /// <summary>A weight for each term and class, and an intercept for each class.</summary>
    [Fact]
    public void Parameters_are_counted() => Assert.Equal(3 * (Trained.TermCount + 1), Trained.ParameterCount);
}
