using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// The names of the classes as evidence, for heads that have seen few texts: a text whose features lie near those of the word "positive" is rather
/// positive. The inner product of a text's standardized features with those of a name is linear in the text's, so a share of it is added to the
/// weights of a linear head and costs nothing from then on.
/// </summary>
internal sealed class ClassNames : Addition
{
    /// <summary>With more texts than this the names are not asked: the texts say all that a name could.</summary>
    public const int MostTexts = 500;

    /// <summary>
    /// The shares that are tried: the spread of the logits of the names as a share of the spread of the head's. Larger ones cost accuracy on topics
    /// on held-out texts, and the log loss of unseen texts does not warn of it.
    /// </summary>
    private static readonly double[] Shares = [0.1, 0.2, 0.3];

    public override string Name => "class_names";

    public override bool AppliesTo(TrainedHead head, HeadTrainingData data, LearningPlan plan) =>
        data.ClassNames is not null && head.Head is LinearHead;

    /// <summary>Takes the share of the names' logits that suits texts best which the head was not fitted to.</summary>
    /// <returns>Null if no share makes their log loss lower.</returns>
    public override Contribution? FindOut(
        TrainedHead head, CrossValidation validation, HeadTrainingData data, LearningPlan plan, CancellationToken cancellationToken)
    {
        LinearHead own = (LinearHead)head.Head, names = HeadOf(data.ClassNames!, data.ClassCount, own.Standardization);
        double[] logits = [.. validation.Rows.SelectMany(row =>
        {
            float[] ofRow = new float[data.ClassCount];
            names.Logits(data.Features.Row(row), 1, ofRow);
            return ofRow.Select(logit => (double)logit);
        })];
        double spread = Spread(logits, data.ClassCount);
        if (spread == 0) return null;
        double unit = Spread(validation.Logits, data.ClassCount) / spread;
        int[] truth = [.. validation.Rows.Select(row => data.Labels[row])];
        (double share, CrossValidation together) = Shares.Select(share => (share, validation.Plus(logits, share * unit, truth)))
            .MinBy(candidate => candidate.Item2.Chosen.CalibratedLogLoss);
        if (together.Chosen.CalibratedLogLoss >= validation.Chosen.CalibratedLogLoss) return null;
        return new Contribution(AdditionGain.Of(share, validation, together), together, before =>
        {
            float[] weights = [.. own.Weights.Zip(names.Weights, (weight, name) => weight + (float)(share * unit) * name)];
            return before with { Head = new LinearHead(data.ClassCount, own.Standardization, weights, own.Intercepts) };
        });
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

    /// <summary>The root mean square of logits [N,C], less each row's mean.</summary>
    private static double Spread(double[] logits, int classCount) => Math.Sqrt(logits.Chunk(classCount).Average(row =>
    {
        double mean = row.Average();
        return row.Average(logit => (logit - mean) * (logit - mean));
    }));
}
