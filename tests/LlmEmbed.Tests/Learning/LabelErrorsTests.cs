using LlmEmbed.Data;
using LlmEmbed.Learning;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class LabelErrorsTests
{
    [Fact]
    public void Most_labels_that_were_made_wrong_on_purpose_are_found_and_few_others()
    {
        string[] classes = ["account", "fault", "praise"];
        LabeledText[] examples =
        [
            .. LabeledTable.Read(
                Path.Combine(Repository.Root, "samples", "support-requests", "train.csv"),
                cancellationToken: TestContext.Current.CancellationToken).Examples.Where(example => classes.Contains(example.Label)),
        ];
        int[] planted = [.. Enumerable.Range(0, examples.Length).Where(row => row % 10 == 5)];
        foreach (int row in planted) examples[row] = examples[row] with { Label = classes[(Array.IndexOf(classes, examples[row].Label) + 1) % 3] };

        using TextClassifier classifier = Requests.Train(examples, Requests.Options(ViewSelection.At("4"), "all-minilm-l6-v2"));
        IReadOnlyList<LabelError> found = classifier.Training!.LabelErrors!;
        Assert.All(found, error => Assert.Equal(examples[error.Row].Label, error.Label));
        Assert.Equal(found.Select(error => error.Probability).OrderDescending(), found.Select(error => error.Probability));
        int right = found.Count(error => planted.Contains(error.Row));
        Assert.True(
            right >= 0.6 * planted.Length && right >= 0.8 * found.Count, $"{right} of {planted.Length} planted errors among {found.Count} found");
    }

    [Fact]
    public void Doubt_needs_the_confidence_that_is_usual_for_the_class()
    {
        // Texts of class 1 get it with 0.9 on average: a text of class 0 that gets it with 0.6 is not doubted, one with 0.95 is.
        double[] inFavourOfOne = [0.6, 0.95, 0.1, 0.9, 0.9];
        int[] rows = [2, 3, 5, 7, 8], labels = [9, 9, 0, 0, 9, 0, 9, 1, 1];
        PenaltyScore score = new(C: 1, Accuracy: 0, AccuracyDeviation: 0, MacroF1: 0, LogLoss: 0, Temperature: 2, CalibratedLogLoss: 0);
        double[] logits = [.. inFavourOfOne.SelectMany(p => new[] { 0, 2 * Math.Log(p / (1 - p)) })];
        CrossValidation validation = new([score], score, rows, logits, new int[rows.Length]);
        LabelError error = Assert.Single(LabelError.Find(validation, labels, ["zero", "one"]));
        Assert.Equal((3, "zero", "one"), (error.Row, error.Label, error.Preferred));
        Assert.Equal(0.95, error.Probability, 1e-6);
    }
}
