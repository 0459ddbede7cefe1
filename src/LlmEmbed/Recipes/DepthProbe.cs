using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Recipes;

/// <summary>What one view alone is worth.</summary>
internal sealed record ViewProbe(FeatureView View, PenaltyScore Score);

/// <summary>Linear probes: a cross-validated logistic regression on each view of each backbone.</summary>
internal static class DepthProbe
{
    /// <returns>Backbone after backbone, for each its poolings, for each its depths ascending.</returns>
    /// <exception cref="LlmEmbedException">A backbone or an example cannot be used, or no class has two examples.</exception>
    public static IReadOnlyList<ViewProbe> Run(IReadOnlyList<LabeledText> examples, TrainingOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellation)
    {
        string[] texts = [.. examples.Select(example => example.Text)];
        string[] labels = ClassLabels.Of(examples);
        int[] indexes = ClassLabels.IndexesOf(examples, labels);
        int[] groups = OverlappingTexts.GroupsOf(texts);
        LinearOptions linear = LinearOptions.Of(options);
        List<ViewProbe> probes = [];
        foreach (string backbone in options.Backbones)
        {
            using TextEncoder encoder = TextEncoder.Load(backbone, options.Encoder);
            FeatureLayout layout = Fusion.LayoutOf([encoder]);
            float[] values = encoder.Encode(texts, progress, cancellation).Values.ToArray();
            HeadTrainingData data = new(new ArrayFeatures(values, texts.Length, layout.FeatureCount), indexes, labels.Length, layout) { Groups = groups };
            foreach ((int view, FeatureView of) in layout.Views.Index())
            {
                progress?.Report(new WorkProgress($"Probing {encoder.Name}", view, layout.Views.Count, "views"));
                CrossValidation validation = LinearHeadTrainer.CrossValidate(data.SelectViews([view]), linear, cancellation)
                    ?? throw new LlmEmbedException("Too few examples to probe with: at least two classes need two examples each.");
                probes.Add(new ViewProbe(of, validation.Chosen));
            }
            progress?.Report(new WorkProgress($"Probing {encoder.Name}", layout.Views.Count, layout.Views.Count, "views"));
        }
        return [.. probes.GroupBy(probe => (probe.View.Backbone, probe.View.Pooling)).SelectMany(curve => curve.OrderBy(probe => probe.View.Depth))];
    }
}
