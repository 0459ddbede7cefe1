using System.Numerics.Tensors;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// The names of the classes as evidence, for heads that have seen few texts: a text whose features lie near those of the word "positive" is rather
/// positive. The inner product of a text's standardized features with those of a name is linear in the text's. The names are no expert of the
/// mixture, because their share has to be small: log loss does not warn of larger ones.
/// </summary>
internal static class ClassNames
{
    public const string Kind = "class_names";

    /// <summary>With more texts than this the names are not asked: the texts say all that a name could.</summary>
    public const int MostTexts = 500;

    /// <summary>
    /// The shares that are tried: the spread of the logits of the names as a share of the spread of the mixture's. Larger ones cost accuracy on
    /// topics on held-out texts, and the log loss of unseen texts does not warn of it.
    /// </summary>
    private static readonly double[] Shares = [0.1, 0.2, 0.3];

    /// <summary>Finds the share of the names' logits that suits texts best which the mixture was not fitted to.</summary>
    /// <param name="data">With the names' features.</param>
    /// <param name="mixture">Out-of-fold logits of the mixture.</param>
    /// <param name="threads">The most threads that work at a time.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>
    /// The share, the factor for the names' logits, their head, and the logits [Rows,C] of both together; null if no share makes the log loss lower.
    /// </returns>
    public static (double Share, double Factor, LinearPart Part, double[] Together)? FindOut(
        HeadTrainingData data, CrossValidation mixture, int threads, CancellationToken cancellationToken)
    {
        if (data.ClassNames is null) return null;
        LinearHead names = HeadOf(data.ClassNames, data.ClassCount, Standardization.Of(data, threads, cancellationToken));
        double[] logits = [.. mixture.Rows.SelectMany(row =>
        {
            float[] ofRow = new float[data.ClassCount];
            names.Logits(data.Features.Row(row), 1, ofRow);
            return ofRow.Select(logit => (double)logit);
        })];
        double spread = ExpertCalibration.Spread(logits, data.ClassCount);
        if (spread == 0) return null;
        double unit = ExpertCalibration.Spread(mixture.Logits, data.ClassCount) / spread;
        int[] truth = [.. mixture.Rows.Select(row => data.Labels[row])];
        (double share, double[] together, double loss) = Shares.Select(Try).MinBy(candidate => candidate.LogLoss);
        return loss >= mixture.Chosen.CalibratedLogLoss ? null : (share, share * unit, new LinearPart(names, data.Layout), together);

        (double Share, double[] Together, double LogLoss) Try(double share)
        {
            double[] sum = [.. mixture.Logits];
            TensorPrimitives.MultiplyAdd(logits, share * unit, sum, sum);
            PenaltyScore score = PenaltyCandidate.ScoreOf(double.NaN, sum, truth, mixture.Folds, mixture.FoldCount, Mixture.Doubt);
            return (share, sum, score.CalibratedLogLoss);
        }
    }

    /// <summary>A head whose weights are the standardized features of the names, less what the names have in common.</summary>
    private static LinearHead HeadOf(FeatureMatrix names, int classCount, Standardization standardization)
    {
        int columns = names.Columns, outputs = LogisticLoss.OutputsFor(classCount);
        float[] weights = new float[outputs * columns];
        for (int column = 0; column < columns; column++)
        {
            // With two classes the one output is the second against the first.
            float reference = outputs == 1 ? names.Row(0)[column] : Enumerable.Range(0, classCount).Average(name => names.Row(name)[column]);
            for (int output = 0; output < outputs; output++)
                weights[output * columns + column] = (names.Row(output + classCount - outputs)[column] - reference) / standardization.Scale[column];
        }
        return new LinearHead(classCount, standardization, weights, new float[outputs]);
    }
}
