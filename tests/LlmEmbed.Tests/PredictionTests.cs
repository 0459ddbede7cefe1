using Xunit;

namespace LlmEmbed.Tests;

/// <summary>What a program needs to test its own use of the library without a backbone.</summary>
public sealed class PredictionTests
{
    [Fact]
    public void A_prediction_made_by_hand_is_ranked()
    {
        Prediction prediction = Prediction.Of(
            new LabelProbability("rare", 0.2), new LabelProbability("common", 0.7), new LabelProbability("other", 0.1));
        Assert.Equal(("common", 0.7), (prediction.Label, prediction.Probability));
        Assert.Equal(["common", "rare", "other"], prediction.Ranked.Select(item => item.Label));
        Assert.Equal((false, false), (prediction.IsEmpty, prediction.IsTruncated));
    }

    [Fact]
    public void The_prediction_for_no_text_has_no_label()
    {
        Assert.True(Prediction.Empty.IsEmpty);
        Assert.Equal(("", 0.0, 0), (Prediction.Empty.Label, Prediction.Empty.Probability, Prediction.Empty.Ranked.Count));
    }

    [Theory]
    [InlineData()]
    [InlineData(-0.1)]
    [InlineData(0.5, 1.1)]
    [InlineData(double.NaN)]
    public void What_is_no_prediction_is_refused(params double[] probabilities) =>
        Assert.Throws<ArgumentException>(() => Prediction.Of([.. probabilities.Select(probability => new LabelProbability("label", probability))]));

    [Fact]
    public void A_program_can_be_tested_with_a_classifier_of_its_own()
    {
        ITextClassifier classifier = new ByWord("refund", "billing", "other");
        Assert.Equal(
            ["billing", "other", ""],
            classifier.Predict(["a refund, please", "hello", ""], TestContext.Current.CancellationToken).Select(prediction => prediction.Label));
        Assert.Equal("billing", classifier.Predict("refund").Label);
    }

    [Fact]
    public void A_program_can_be_tested_with_an_encoder_of_its_own()
    {
        using ITextEncoder encoder = new ByLength();
        TextEmbeddings embeddings = encoder.Encode(["one", "three"], progress: null, TestContext.Current.CancellationToken);
        Assert.Equal((2, 4, 2), (embeddings.Count, embeddings.RowLength, embeddings.HiddenSize));
        Assert.Equal([3, -3, 6, -6], embeddings[0]);
        Assert.Equal([10, -10], embeddings[1, 1]);
        Assert.Equal([3, -3, 6, -6, 5, -5, 10, -10], embeddings.Values);
    }

    [Fact]
    public void Embeddings_of_another_size_than_their_views_are_refused() =>
        Assert.Throws<ArgumentException>(
            () => new TextEmbeddings([new View(1, Pooling.Mean)], hiddenSize: 2, new float[3], ByLength.Statistics(texts: 1)));

    /// <summary>Knows one word.</summary>
    private sealed class ByWord(string word, string with, string without) : ITextClassifier
    {
        public IReadOnlyList<string> Labels => [with, without];

        public Prediction Predict(string text)
        {
            if (text.Length == 0) return Prediction.Empty;
            double probability = text.Contains(word, StringComparison.Ordinal) ? 0.9 : 0.1;
            return Prediction.Of(new LabelProbability(with, probability), new LabelProbability(without, 1 - probability));
        }

        public IEnumerable<Prediction> Predict(IEnumerable<string> texts, CancellationToken cancellationToken = default) => texts.Select(Predict);
    }

    /// <summary>Two views of two numbers, made from the length of a text.</summary>
    private sealed class ByLength : ITextEncoder
    {
        public string Name => "by length";

        public int HiddenSize => 2;

        public IReadOnlyList<View> Views { get; } = [new(1, Pooling.Mean), new(2, Pooling.Mean)];

        public static EncodingStatistics Statistics(int texts) => new(texts, texts, 0, 0, 0, 0, TimeSpan.Zero, []);

        public TextEmbeddings Encode(
            IReadOnlyList<string> texts, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
        {
            float[] values = [.. texts.SelectMany(text => new[] { 1f, -1f, 2f, -2f }.Select(factor => factor * text.Length))]; // [N,2,2]
            return new TextEmbeddings(Views, HiddenSize, values, Statistics(texts.Count));
        }

        public void Dispose()
        {
        }
    }
}
