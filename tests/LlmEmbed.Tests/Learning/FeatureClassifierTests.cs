using LlmEmbed.Data;
using LlmEmbed.Learning;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class FeatureClassifierTests
{
    private const int Rows = 90, Columns = 4, Classes = 3;

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void Classes_that_lie_apart_are_told_apart()
    {
        (float[] features, int[] labels) = Generate();
        FeatureClassifier classifier = FeatureClassifier.Train(features, labels, c: 1, Cancellation);
        float[] probabilities = classifier.Probabilities(features); // [N,K]
        for (int row = 0; row < Rows; row++)
        {
            float[] own = probabilities[(row * Classes)..((row + 1) * Classes)];
            Assert.Equal(labels[row], Array.IndexOf(own, own.Max()));
            Assert.Equal(1, own.Sum(), 1e-5f);
        }
    }

    /// <summary>
    /// With hardly any weight of the data the length of the weights is all that counts, so that every class is as likely as it is frequent.
    /// </summary>
    [Fact]
    public void A_small_c_leaves_the_shares_of_the_classes()
    {
        (float[] features, int[] labels) = Generate();
        FeatureClassifier classifier = FeatureClassifier.Train(features, labels, c: 1e-9, Cancellation);
        Assert.All(classifier.Probabilities(features), probability => Assert.Equal(1f / Classes, probability, 1e-3f));
        // C times the sum of N equal losses, and weights of no length.
        Assert.Equal(1e-9 * Rows * Math.Log(Classes), classifier.Objective, 1e-10);
    }

    [Theory]
    [InlineData(new float[] { 1, 2, 3 }, new[] { 0, 1 }, 1)]
    [InlineData(new float[] { 1, 2 }, new[] { 0, -1 }, 1)]
    [InlineData(new float[] { 1, 2 }, new[] { 0, 1 }, 0)]
    public void What_cannot_be_trained_on_is_refused(float[] features, int[] labels, double c) =>
        Assert.Throws<ArgumentException>(() => FeatureClassifier.Train(features, labels, c, Cancellation));

    /// <summary>The classes in turn, each around a corner of its own.</summary>
    private static (float[] Features, int[] Labels) Generate()
    {
        DeterministicRandom random = new(1);
        int[] labels = [.. Enumerable.Range(0, Rows).Select(row => row % Classes)];
        float[] features =
        [
            .. labels.SelectMany(label => Enumerable.Range(0, Columns).Select(column => (column == label ? 5 : 0) + random.Next(100) / 100f)),
        ];
        return (features, labels);
    }
}
