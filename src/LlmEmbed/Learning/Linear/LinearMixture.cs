using System.Numerics.Tensors;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;

namespace LlmEmbed.Learning;

/// <summary>The weighted mean of the calibrated logits of several logistic regressions, each on some of the views. It is a linear head itself, on all of them.</summary>
/// <param name="Head">That head.</param>
/// <param name="Penalties">C of each regression.</param>
/// <param name="CrossValidation">Out-of-fold logits of the mean; null where there are too few rows to hold any out.</param>
internal sealed record LinearMixture(LinearHead Head, IReadOnlyList<double> Penalties, CrossValidation? CrossValidation)
{
    public static LinearMixture Train(
        HeadTrainingData data, IReadOnlyList<WeightedViews> parts, LinearOptions options, IProgress<WorkProgress>? progress = null, CancellationToken cancellation = default)
    {
        int outputs = LogisticLoss.OutputsFor(data.ClassCount), columns = data.Features.Columns;
        Standardization standardization = Standardization.Of(data, options.Threads, cancellation);
        float[] weights = new float[outputs * columns], intercepts = new float[outputs];
        List<double> penalties = [];
        CrossValidation? first = null;
        double[] logits = [];
        foreach (WeightedViews part in parts)
        {
            HeadTrainingData own = data.SelectViews(part.Views);
            using FeatureMatrix _ = own.Features;
            LinearTraining training = LinearHeadTrainer.Train(own, options, progress, cancellation);
            penalties.Add(training.C);
            float share = (float)(part.Weight / training.Temperature);
            Add(training.Head, own.Layout, [.. part.Views.Select(view => data.Layout.Views[view])], share);
            if (training.CrossValidation is not { } validation) continue;
            first ??= validation;
            if (logits.Length == 0) logits = new double[validation.Logits.Length];
            TensorPrimitives.MultiplyAdd(validation.Logits, share, logits, logits);
        }
        return new LinearMixture(new LinearHead(data.ClassCount, standardization, weights, intercepts), penalties, first is null ? null : Describe(first, logits));

        // The standardization of a column is the same in every part.
        void Add(LinearHead head, FeatureLayout layout, FeatureView[] places, float share)
        {
            foreach ((FeatureView from, FeatureView to) in layout.Views.Zip(places))
            {
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
