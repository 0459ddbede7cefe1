using System.Numerics.Tensors;
using LlmEmbed.Data;

namespace LlmEmbed.Learning;

/// <summary>
/// Nearest class mean on standardized features: the logit of a class is minus half the squared distance to the mean of its rows, up to what all
/// classes share. That is linear in the features, so the result is a linear head, for which nothing has to be searched.
/// </summary>
internal static class NearestMeanTrainer
{
    /// <summary>The kind of head that this is.</summary>
    public static TrainedHead Train(HeadTrainingData data, LearningPlan plan, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        (LinearHead head, CrossValidation? validation) = Train(data, LinearOptions.Of(plan), cancellationToken);
        HeadDecisions decisions = new(new NearestMeanDecision());
        return new TrainedHead(head, validation?.Chosen.Temperature ?? 1, decisions) { CrossValidation = validation };
    }

    /// <returns>The head and its cross-validation, which is null if no row can be held out.</returns>
    public static (LinearHead Head, CrossValidation? CrossValidation) Train(
        HeadTrainingData data, LinearOptions options, CancellationToken cancellationToken)
    {
        Standardization standardization = Standardization.Of(data, options.Threads, cancellationToken);
        int[] rows = StratifiedSplit.Sample(data.Labels, options.MaxCrossValidationRows, options.Seed);
        int[] labels = [.. rows.Select(row => data.Labels[row])];
        int foldCount = Math.Min(options.Folds, rows.Length);
        int[] folds = StratifiedSplit.Folds(labels, foldCount, options.Seed, data.GroupsOf(rows));
        CrossValidation? validation = null;
        if (LinearHeadTrainer.CanHoldOut(data))
        {
            double[] logits = new double[rows.Length * data.ClassCount];
            for (int fold = 0; fold < foldCount; fold++)
            {
                cancellationToken.ThrowIfCancellationRequested();
                LinearHead part = Fit(data, standardization, rows.Where((_, i) => folds[i] != fold));
                float[] row = new float[data.ClassCount];
                for (int i = 0; i < rows.Length; i++)
                {
                    if (folds[i] != fold) continue;
                    part.Logits(data.Features.Row(rows[i]), 1, row);
                    for (int label = 0; label < row.Length; label++) logits[i * row.Length + label] = row[label];
                }
            }
            PenaltyScore score = PenaltyCandidate.ScoreOf(double.NaN, logits, labels, folds, foldCount);
            validation = new CrossValidation([], score, rows, logits, folds);
        }
        return (Fit(data, standardization, Enumerable.Range(0, data.Rows)), validation);
    }

    private static LinearHead Fit(HeadTrainingData data, Standardization standardization, IEnumerable<int> rows)
    {
        int size = data.Features.Columns;
        float[][] means = [.. Enumerable.Range(0, data.ClassCount).Select(_ => new float[size])];
        int[] counts = new int[data.ClassCount];
        float[] standardized = new float[size];
        foreach (int row in rows)
        {
            standardization.Apply(data.Features.Row(row), standardized);
            TensorPrimitives.Add(means[data.Labels[row]], standardized, means[data.Labels[row]]);
            counts[data.Labels[row]]++;
        }
        // A class without rows stays at the origin, the mean of all.
        for (int label = 0; label < means.Length; label++) TensorPrimitives.Divide(means[label], Math.Max(1, counts[label]), means[label]);
        float[] intercepts = [.. means.Select(mean => -TensorPrimitives.SumOfSquares<float>(mean) / 2)];
        if (data.ClassCount != 2) return new LinearHead(data.ClassCount, standardization, [.. means.SelectMany(mean => mean)], intercepts);
        TensorPrimitives.Subtract(means[1], means[0], means[1]);
        return new LinearHead(2, standardization, means[1], [intercepts[1] - intercepts[0]]);
    }
}
