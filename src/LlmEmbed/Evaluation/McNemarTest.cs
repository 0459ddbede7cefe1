namespace LlmEmbed.Evaluation;

/// <summary>
/// Tests whether two classifiers that were tried on the same texts differ. The texts on which both are right or both are wrong say nothing about
/// that.
/// </summary>
internal static class McNemarTest
{
    /// <summary>The exact two-sided probability of a split that is at least as uneven, if both were equally good; 1 if they never differ.</summary>
    /// <param name="onlyFirstRight">Texts that only the first classifier gets right.</param>
    /// <param name="onlySecondRight">Texts that only the second one gets right.</param>
    public static double ExactP(int onlyFirstRight, int onlySecondRight)
    {
        int count = checked(onlyFirstRight + onlySecondRight);
        int fewer = Math.Min(onlyFirstRight, onlySecondRight);
        // Binomial coefficients and 2^-n leave the range of a double, so their logarithms are used, each computed from the one before it.
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
