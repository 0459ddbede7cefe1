namespace LlmEmbed.Evaluation;

/// <summary>The prediction for one text, and the truth.</summary>
/// <param name="Truth">The true class.</param>
/// <param name="Predicted">The most probable class.</param>
/// <param name="Confidence">The probability of that class.</param>
internal readonly record struct Outcome(int Truth, int Predicted, double Confidence)
{
    public bool IsRight => Truth == Predicted;
}

/// <summary>What a classifier does that answers only texts for which it is confident enough.</summary>
/// <param name="Threshold">The lowest confidence at which it answers.</param>
/// <param name="Share">The share of texts that it answers.</param>
/// <param name="Accuracy">Of the texts that it answers, the share that it gets right.</param>
internal readonly record struct CoveragePoint(double Threshold, double Share, double Accuracy);

/// <summary>How many texts can be answered with a wanted accuracy.</summary>
/// <param name="Accuracy">The wanted accuracy.</param>
/// <param name="Point">The point of the curve with the most texts; null if not even the most confident texts reach the accuracy.</param>
internal readonly record struct CoverageTarget(double Accuracy, CoveragePoint? Point);

/// <summary>The accuracy over the share of texts that are answered: fewer texts, of which more are right.</summary>
internal static class CoverageCurve
{
    private static readonly double[] TargetAccuracies = [0.9, 0.95, 0.98, 0.99];

    /// <returns>A point for each confidence that occurs, the highest first. Texts of equal confidence are answered together.</returns>
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
