using LlmEmbed.Evaluation;

namespace LlmEmbed.Learning;

/// <summary>
/// Temperatures that make the logits of several experts comparable. A handful of texts says next to nothing of an expert's temperature, and a wrong
/// one would silence the expert or let it decide alone. So each is drawn towards what suits all of them, with a pull that fades with the evidence.
/// </summary>
internal static class ExpertCalibration
{
    /// <summary>How strongly the logarithm of a temperature is drawn, as a precision.</summary>
    private const double Pull = 10;

    /// <summary>Of the interval in which a temperature is searched.</summary>
    private const int Halvings = 20;

    /// <param name="logits">For each expert [N,C], of texts that it had not seen.</param>
    /// <param name="labels">[N].</param>
    /// <returns>A temperature for each.</returns>
    public static double[] Temperatures(IReadOnlyList<double[]> logits, int[] labels)
    {
        int classCount = logits[0].Length / labels.Length;
        double[] spreads = [.. logits.Select(own => Spread(own, classCount) is > 0 and double spread ? spread : 1)];
        (double Log, double Precision)[] fits = [.. logits.Zip(spreads, (own, spread) =>
        {
            double temperature = TemperatureScaling.Fit(own, labels, TemperatureScaling.SmoothingFor(labels.Length));
            return (Math.Log(temperature / spread), TemperatureScaling.Precision(own, labels, temperature));
        })];
        double evidence = fits.Sum(fit => fit.Precision);
        double common = evidence > 0 ? fits.Sum(fit => fit.Precision * fit.Log) / evidence : 0;
        return [.. fits.Select((fit, i) => spreads[i] * Math.Exp(Draw(fit.Log, common, logits[i], labels, spreads[i])))];
    }

    /// <summary>
    /// The logarithm of a temperature, for logits divided by their spread, with the least sum of the log losses and of the pull to the common one. It
    /// lies between what either asks for, and is found by the sign of the slope.
    /// </summary>
    private static double Draw(double own, double common, double[] logits, int[] labels, double spread)
    {
        (double target, double smoothing) = (common, TemperatureScaling.SmoothingFor(labels.Length));
        for (int halving = 0; halving < Halvings; halving++)
        {
            double middle = (own + common) / 2;
            double slope = TemperatureScaling.SlopeByLog(logits, labels, spread * Math.Exp(middle), smoothing) + Pull * (middle - target);
            if (slope > 0 == own > common) own = middle;
            else common = middle;
        }
        return (own + common) / 2;
    }

    /// <summary>The root mean square of logits [N,C], less each row's mean.</summary>
    public static double Spread(double[] logits, int classCount) => Math.Sqrt(logits.Chunk(classCount).Average(row =>
    {
        double mean = row.Average();
        return row.Average(logit => (logit - mean) * (logit - mean));
    }));
}
