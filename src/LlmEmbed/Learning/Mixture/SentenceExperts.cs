using System.Numerics.Tensors;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// Regressions on the one vector of each encoder that stands for the whole text: the view that the authors of its repository declare or else the mean
/// of its last depth. Such vectors were trained to be compared by their angles, so that their channels keep their proportions and the penalty is
/// weak.
/// </summary>
internal static class SentenceExperts
{
    public const string Kind = "sentence";

    /// <summary>The inverse strength of the penalty, for vectors whose mean length is 1 after their common part is taken off.</summary>
    private const double C = 10;

    public static IReadOnlyList<Expert> Train(MixtureTask task, CancellationToken cancellationToken)
    {
        ViewKey[] views = [.. task.Data.Layout.Views.GroupBy(view => view.Backbone, StringComparer.Ordinal).SelectMany(Of)];
        return [.. views.Select(view => Train(task, view, 1.0 / views.Length, cancellationToken))];

        IEnumerable<ViewKey> Of(IEnumerable<FeatureView> backbone)
        {
            FeatureView deepest = backbone.MaxBy(view => view.Depth)!;
            FeatureView? vector = backbone.FirstOrDefault(view => view.Pooling == Pooling.Sentence)
                ?? backbone.FirstOrDefault(view => view.Pooling == Pooling.Mean && view.Depth == deepest.Depth);
            return vector is null ? [] : [vector.Key];
        }
    }

    private static Expert Train(MixtureTask task, ViewKey view, double share, CancellationToken cancellationToken)
    {
        HeadTrainingData part = task.Data.SelectViews([view]);
        LinearOptions options = LinearOptions.Of(task.Plan) with
        {
            Penalties = [C],
            ClassWeighting = task.Weighting,
            Standardization = InProportion(Standardization.Of(part, task.Plan.Threads, cancellationToken)),
        };
        CrossValidation validation = LinearHeadTrainer.CrossValidate(part, options, cancellationToken)!;
        part.Features.Dispose();
        Lazy<LinearHead> onAll = new(() =>
        {
            HeadTrainingData again = task.Data.SelectViews([view]);
            using FeatureMatrix _ = again.Features;
            return LinearHeadTrainer.Train(again, options, progress: null, cancellationToken).Head;
        });
        return new Expert(new ExpertFacts(Kind) { Backbone = view.Backbone, Depth = view.Depth, C = C }, share, validation.Logits)
        {
            Linear = () => new LinearPart(onAll.Value, part.Layout),
            UnlabelledLogits = fold => task.UnlabelledLogits(fold is int held ? validation.FoldHeads[held] : onAll.Value, part.Layout),
        };
    }

    /// <summary>One scale for all channels: the root mean square of the length of centred vectors.</summary>
    private static Standardization InProportion(Standardization channels)
    {
        float length = TensorPrimitives.Norm<float>(channels.Scale);
        return new Standardization(channels.Mean, [.. Enumerable.Repeat(length, channels.Scale.Length)]);
    }
}
