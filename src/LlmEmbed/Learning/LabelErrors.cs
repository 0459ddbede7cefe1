using LlmEmbed.Evaluation;

namespace LlmEmbed.Learning;

/// <summary>A training text whose label the classifier doubts.</summary>
/// <param name="Row">Among the training texts.</param>
/// <param name="Given">The class it is labelled with.</param>
/// <param name="Preferred">The class that fits did not see it give it.</param>
/// <param name="Probability">Of the preferred class.</param>
internal readonly record struct LabelError(int Row, int Given, int Preferred, double Probability);

/// <summary>
/// Likely label errors: texts that a fit which has not seen them puts into another class with at least the confidence that texts of that class get on
/// average (the threshold of confident learning, arXiv 1911.00068), so that classes which are hard for the classifier do not fill the list.
/// </summary>
internal static class LabelErrors
{
    /// <param name="validation">Out-of-fold logits.</param>
    /// <param name="labels">Of all training rows.</param>
    /// <returns>The surest first.</returns>
    public static IReadOnlyList<LabelError> Find(CrossValidation validation, int[] labels)
    {
        int classCount = validation.Logits.Length / validation.Rows.Length;
        float[] probabilities = [.. validation.Logits.Select(logit => (float)logit)]; // [Rows, C]
        TemperatureScaling.ToProbabilities(probabilities, classCount, validation.Chosen.Temperature);
        int[] preferred = RowMaxima.IndexesOf<float>(probabilities, classCount);
        double[] usual = UsualConfidences(probabilities, [.. validation.Rows.Select(row => labels[row])], classCount);
        return
        [
            .. validation.Rows
                .Select((row, index) => new LabelError(row, labels[row], preferred[index], probabilities[index * classCount + preferred[index]]))
                .Where(text => text.Given != text.Preferred && text.Probability >= usual[text.Preferred])
                .OrderByDescending(text => text.Probability),
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
