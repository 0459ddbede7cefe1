using LlmEmbed.Learning;
using Xunit;

namespace LlmEmbed.Tests.Learning;

/// <summary>
/// Expected values are those of scikit-learn 1.2.1 (TfidfVectorizer with pairs of words and sublinear tf; multinomial LogisticRegression).
/// </summary>
public sealed class TfidfTests
{
    private static readonly string[] Texts = ["Good film, a good one!", "a bad film", "the plot is bad, bad", "I liked the plot"];

    [Theory]
    [InlineData("good", 0, 0.618731)]
    [InlineData("film", 0, 0.288111)]
    [InlineData("film", 1, 0.526405)]
    [InlineData("good film", 0, 0.365433)]
    [InlineData("bad bad", 2, 0.361628)]
    [InlineData("bad bad", 1, 0)]
    public void Values_equal_scikit_learns(string term, int row, double expected)
    {
        TfidfVectorizer vectorizer = TfidfVectorizer.Learn(Texts, leastTexts: 1);
        SparseMatrix features = vectorizer.Transform(Texts);
        Assert.Equal(17, features.Columns);
        (int[] columns, float[] values) = features.Rows[row];
        int place = Array.IndexOf(columns, vectorizer.ColumnOf(term));
        Assert.Equal(expected, place < 0 ? 0 : values[place], 1e-6);
    }

    [Fact]
    public void Unknown_words_and_empty_texts_give_empty_rows()
    {
        SparseMatrix features = TfidfVectorizer.Learn(Texts, leastTexts: 1).Transform(["zebra", "", "?"]);
        Assert.All(features.Rows, row => Assert.Empty(row.Columns));
        Assert.Equal(-1, TfidfVectorizer.Learn(Texts, leastTexts: 1).ColumnOf("zebra"));
    }

    [Theory]
    [InlineData("这部电影很好", "这,部,这部,电,部电,影,电影,很,影很,好,很好,这部电影很好")]
    [InlineData("好", "好")]
    [InlineData("好看 film", "好,看,好看,film,好看 film")]
    [InlineData("หนังดี", "ห,น,หน,ั,นั,ง,ัง,ด,งด,ี,ดี,หนังดี")]
    [InlineData("좋은 영화", "좋은,영화,좋은 영화")] // Korean has spaces
    public void Scripts_without_spaces_give_characters_and_pairs(string text, string expected) =>
        Assert.Equal(expected.Split(',').Order(StringComparer.Ordinal), TfidfVectorizer.Learn([text], leastTexts: 1).Terms);

    [Fact]
    public void A_fit_equals_scikit_learns()
    {
        TfidfVectorizer vectorizer = TfidfVectorizer.Learn(Texts, leastTexts: 1);
        SparseMatrix features = vectorizer.Transform(Texts);
        double[] parameters = SparseLogisticRegression.Fit(
            features, [0, 1, 2, 0], 3, c: 10, _ => 1, new double[3 * 18], TestContext.Current.CancellationToken);
        float[] probabilities = SparseLogisticRegression.Probabilities(
            vectorizer.Transform(["a good plot", "bad film"]), parameters, classCount: 3, temperature: 1);
        double[] expected = [0.81677, 0.07056, 0.11266, 0.11725, 0.79431, 0.08844];
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], probabilities[i], 2e-3);
    }

    [Fact]
    public void Texts_told_apart_by_their_words_are_classified()
    {
        LabeledText[] training = Requests.Generate(120, seed: 1), testing = Requests.Generate(60, seed: 2);
        string[] labels = ["billing", "delivery", "technical"];
        TfidfVectorizer vectorizer = TfidfVectorizer.Learn([.. training.Select(example => example.Text)], leastTexts: 1);
        SparseLogisticRegression head = SparseLogisticRegression.Train(
            vectorizer.Transform([.. training.Select(example => example.Text)]),
            [.. training.Select(example => Array.IndexOf(labels, example.Label))],
            3,
            groups: [],
            seed: 0,
            TestContext.Current.CancellationToken);
        float[] probabilities = head.Probabilities(vectorizer.Transform([.. testing.Select(example => example.Text)]));
        int right = testing.Index().Count(text => probabilities[text.Index * 3 + Array.IndexOf(labels, text.Item.Label)] > 0.5);
        Assert.InRange(right, 58, 60);
        for (int row = 0; row < 60; row++) Assert.Equal(1, probabilities.AsSpan(row * 3, 3).ToArray().Sum(), 1e-5);
    }
}
