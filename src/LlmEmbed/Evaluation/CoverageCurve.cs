namespace LlmEmbed.Evaluation;

/// <summary>What became of one text.</summary>
/// <param name="Truth">Its class.</param>
/// <param name="Predicted">The class that was most probable.</param>
/// <param name="Confidence">The probability of that class.</param>
internal readonly record struct Outcome(int Truth, int Predicted, double Confidence)
{
    public bool IsRight => Truth == Predicted;
}

/// <summary>A classifier that keeps silent below a confidence.</summary>
/// <param name="Threshold">The least confidence that it answers with.</param>
/// <param name="Share">The share of texts that it then answers.</param>
/// <param name="Accuracy">The share of these that it gets right.</param>
internal readonly record struct CoveragePoint(double Threshold, double Share, double Accuracy);

/// <param name="Accuracy">What is wanted.</param>
/// <param name="Point">The most texts that can be answered so well; null where even the most confident cannot.</param>
internal readonly record struct CoverageTarget(double Accuracy, CoveragePoint? Point);

/// <summary>Answering fewer texts and getting more of them right.</summary>
internal static class CoverageCurve
{
    private static readonly double[] TargetAccuracies = [0.9, 0.95, 0.98, 0.99];

    /// <returns>A point for each confidence that occurs, descending: texts of equal confidence are answered together.</returns>
    public static CoveragePoint[] Of(IReadOnlyList<Outcome> outcomes)
    {
        List<CoveragePoint> points = [];
        int answered = 0, right = 0;
        foreach (IGrouping<double, Outcome> equal in outcomes.GroupBy(outcome => outcome.Confidence).OrderByDescending(group => group.Key))
        {
            answered += equal.Count();
            right += equal.Count(outcome => outcome.IsRight);
            points.Add(new CoveragePoint(equal.Key, (double)answered / outcomes.Count, (double)right / answered));
        }
        return [.. points];
    }

    public static CoverageTarget[] Targets(IReadOnlyList<CoveragePoint> curve) => [.. TargetAccuracies.Select(accuracy =>
        new CoverageTarget(accuracy, curve.Where(point => point.Accuracy >= accuracy).Select(point => (CoveragePoint?)point).LastOrDefault()))];
}
