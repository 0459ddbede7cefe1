using System.Numerics.Tensors;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>A set of views and the share of its regression in an average.</summary>
/// <param name="Views">The views, in the order of the layout.</param>
/// <param name="Weight">The share; all shares of an average sum to 1.</param>
internal sealed record WeightedViews(IReadOnlyList<ViewKey> Views, double Weight);

/// <summary>
/// The weighted mean of the calibrated logits of several logistic regressions, each on some of the views. The mean is a linear head itself, on all
/// views.
/// </summary>
/// <param name="Head">That head.</param>
/// <param name="Penalties">C of each regression.</param>
/// <param name="CrossValidation">Out-of-fold logits of the mean; null if there are too few rows to hold any out.</param>
internal sealed record LinearMixture(LinearHead Head, IReadOnlyList<double> Penalties, CrossValidation? CrossValidation)
{
    /// <summary>Trains the average that a plan asks for.</summary>
    public static TrainedHead Train(
        HeadTrainingData data,
        IReadOnlyList<WeightedViews> parts,
        LearningPlan plan,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        LinearMixture mixture = Train(data, parts, LinearOptions.Of(plan), progress, cancellationToken);
        PenaltyScore? score = mixture.CrossValidation?.Chosen;
        AveragedRegression[] members = [.. parts.Zip(mixture.Penalties, (part, c) => new AveragedRegression(part.Weight, part.Views.Count, c))];
        HeadDecisions decisions = new(new AverageDecision(members, score?.Accuracy, score?.AccuracyDeviation));
        return new TrainedHead(mixture.Head, score?.Temperature ?? 1, decisions) { CrossValidation = mixture.CrossValidation };
    }

    public static LinearMixture Train(
        HeadTrainingData data,
        IReadOnlyList<WeightedViews> parts,
        LinearOptions options,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        int outputs = LogisticLoss.OutputsFor(data.ClassCount), columns = data.Features.Columns;
        Standardization standardization = Standardization.Of(data, options.Threads, cancellationToken);
        float[] weights = new float[outputs * columns], intercepts = new float[outputs];
        List<double> penalties = [];
        CrossValidation? first = null;
        double[] logits = [];
        foreach (WeightedViews part in parts)
        {
            HeadTrainingData own = data.SelectViews(part.Views);
            using FeatureMatrix _ = own.Features;
            LinearTraining training = LinearHeadTrainer.Train(own, options, progress, cancellationToken);
            penalties.Add(training.C);
            float share = (float)(part.Weight / training.Temperature);
            Add(training.Head, own.Layout, share);
            if (training.CrossValidation is not { } validation) continue;
            first ??= validation;
            if (logits.Length == 0) logits = new double[validation.Logits.Length];
            TensorPrimitives.MultiplyAdd(validation.Logits, share, logits, logits);
        }
        return new LinearMixture(
            new LinearHead(data.ClassCount, standardization, weights, intercepts), penalties, first is null ? null : Describe(first, logits));

        // The standardization of a column is the same in every part, so weights can be added to each other.
        void Add(LinearHead head, FeatureLayout layout, float share)
        {
            foreach (FeatureView from in layout.Views)
            {
                FeatureView to = data.Layout[from.Key];
                for (int output = 0; output < outputs; output++)
                {
                    Span<float> target = weights.AsSpan(output * columns + to.Offset, to.Size);
                    TensorPrimitives.MultiplyAdd(head.Weights.AsSpan(output * layout.FeatureCount + from.Offset, from.Size), share, target, target);
                }
            }
            TensorPrimitives.MultiplyAdd(head.Intercepts, share, intercepts, intercepts);
        }

        CrossValidation Describe(CrossValidation validation, double[] mean)
        {
            int[] labels = [.. validation.Rows.Select(row => data.Labels[row])];
            PenaltyScore score = PenaltyCandidate.ScoreOf(double.NaN, mean, labels, validation.Folds, validation.FoldCount);
            return validation with { Chosen = score, Logits = mean };
        }
    }
}
