namespace LlmEmbed.Evaluation;

/// <summary>Are two classifiers that were tried on the same texts different? The texts on which both are right or both wrong say nothing about it.</summary>
internal static class McNemarTest
{
    /// <summary>The two-sided exact probability of a split at least as uneven, were both equally good; 1 where they never differ.</summary>
    /// <param name="onlyFirstRight">Texts that only the first classifier gets right.</param>
    /// <param name="onlySecondRight">Texts that only the second one gets right.</param>
    public static double ExactP(int onlyFirstRight, int onlySecondRight)
    {
        int count = checked(onlyFirstRight + onlySecondRight);
        int fewer = Math.Min(onlyFirstRight, onlySecondRight);
        // Binomial coefficients as logarithms, each from the one before: they and 2^-n leave the range of a double.
        double logTerm = -count * Math.Log(2);
        double tail = Math.Exp(logTerm);
        for (int k = 1; k <= fewer; k++)
        {
            logTerm += Math.Log((count - k + 1) / (double)k);
            tail += Math.Exp(logTerm);
        }
        return Math.Min(1, 2 * tail);
    }
}
