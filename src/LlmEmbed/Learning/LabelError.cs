using LlmEmbed.Evaluation;

namespace LlmEmbed.Learning;

/// <summary>
/// A training text whose label is doubted: a fit which has not seen it puts it into another class with at least the confidence that texts of that
/// class get on average (the threshold of confident learning, arXiv 1911.00068), so that classes which are hard for the classifier do not fill the
/// list.
/// </summary>
/// <param name="Row">Its place among the training examples, counted from 0.</param>
/// <param name="Label">The label it has.</param>
/// <param name="Preferred">The label that the fit gives it.</param>
/// <param name="Probability">The probability of <paramref name="Preferred"/>.</param>
public sealed record LabelError(int Row, string Label, string Preferred, double Probability)
{
    /// <param name="validation">Out-of-fold logits.</param>
    /// <param name="labels">Of all training rows.</param>
    /// <param name="classes">The C classes.</param>
    /// <returns>The surest first.</returns>
    internal static IReadOnlyList<LabelError> Find(CrossValidation validation, int[] labels, IReadOnlyList<string> classes)
    {
        int classCount = classes.Count;
        float[] probabilities = [.. validation.Logits.Select(logit => (float)logit)]; // [Rows, C]
        TemperatureScaling.ToProbabilities(probabilities, classCount, validation.Chosen.Temperature);
        int[] preferred = RowMaxima.IndexesOf<float>(probabilities, classCount);
        double[] usual = UsualConfidences(probabilities, [.. validation.Rows.Select(row => labels[row])], classCount);
        return
        [
            .. validation.Rows
                .Select(
                    (row, index) =>
                        (
                            Row: row,
                            Given: labels[row],
                            Preferred: preferred[index],
                            Probability: probabilities[index * classCount + preferred[index]]))
                .Where(text => text.Given != text.Preferred && text.Probability >= usual[text.Preferred])
                .OrderByDescending(text => text.Probability)
                .Select(text => new LabelError(text.Row, classes[text.Given], classes[text.Preferred], text.Probability)),
        ];
    }

    /// <returns>For each class the mean probability that its own texts give it.</returns>
    private static double[] UsualConfidences(float[] probabilities, int[] labels, int classCount)
    {
        double[] sums = new double[classCount];
        int[] counts = new int[classCount];
        foreach ((int index, int label) in labels.Index())
        {
            sums[label] += probabilities[index * classCount + label];
            counts[label]++;
        }
        return [.. sums.Zip(counts, (sum, count) => sum / count)];
    }
}
