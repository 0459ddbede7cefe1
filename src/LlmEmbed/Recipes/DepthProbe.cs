using LlmEmbed.Checkpoints;
using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Recipes;

/// <summary>
/// What one view alone is worth: a logistic regression on it, measured by cross-validation. Of <see cref="Pooling.Attention"/> the pooling is learned
/// together with the regression, in each fold from the texts outside of it.
/// </summary>
/// <param name="Backbone">The backbone's name.</param>
/// <param name="View">The view.</param>
/// <param name="Accuracy">Mean over the folds.</param>
/// <param name="AccuracyDeviation">Standard deviation over the folds.</param>
/// <param name="MacroF1">Over all out-of-fold predictions.</param>
/// <param name="LogLoss">Mean log loss of the out-of-fold predictions at the temperature that suits them.</param>
/// <param name="C">The inverse strength of the penalty that was chosen.</param>
public sealed record ViewProbe(string Backbone, View View, double Accuracy, double AccuracyDeviation, double MacroF1, double LogLoss, double C)
{
    internal static ViewProbe Of(ViewKey view, PenaltyScore score) =>
        new(view.Backbone, view.View, score.Accuracy, score.AccuracyDeviation, score.MacroF1, score.CalibratedLogLoss, score.C);
}

/// <summary>Which backbones are probed, and how.</summary>
public sealed record ProbeOptions
{
    /// <summary>The frozen backbones. The default are the two that come with the project.</summary>
    public IReadOnlyList<string> Backbones { get; init; } = BackboneLocator.Starters;

    /// <summary>
    /// What is read of each; <see cref="ViewSelection.Default"/> reads the views that <see cref="Recipe.Automatic"/> chooses among.
    /// </summary>
    public EncoderOptions Encoder { get; init; } = new();

    /// <summary>Seed of the folds.</summary>
    public int Seed { get; init; }
}

/// <summary>Linear probes: a cross-validated logistic regression on each view of each backbone.</summary>
public static class DepthProbe
{
    /// <summary>Probes every view.</summary>
    /// <param name="examples">Labelled texts.</param>
    /// <param name="options">Null takes the defaults.</param>
    /// <param name="backbones">Holds the backbones; not disposed of.</param>
    /// <param name="progress">Told about every stage.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>Backbone after backbone, for each its poolings, for each its depths ascending.</returns>
    /// <exception cref="LlmEmbedException">A backbone or an example cannot be used, or no class has two examples.</exception>
    public static IReadOnlyList<ViewProbe> Run(
        IReadOnlyList<LabeledText> examples,
        ProbeOptions? options,
        OpenBackbones backbones,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(examples);
        ArgumentNullException.ThrowIfNull(backbones);
        options ??= new ProbeOptions();
        string[] classes = ClassLabels.Of(examples);
        Work work = new(progress, cancellationToken);
        EmptyTexts.Refuse(
            examples, EmptyTexts.TokenizersOf(options.Backbones, name => backbones.Open(name, work).Tokenizer), cancellationToken);
        TrainingTexts texts = TrainingTexts.Of(examples, classes, [.. Enumerable.Range(0, examples.Count)], heldOutShare: 0, options.Seed);
        LinearOptions linear = LinearOptions.Of(new LearningPlan(new HeadOptions.Linear())
        {
            Seed = (ulong)options.Seed,
            Threads = backbones.Runtime.Threads ?? Environment.ProcessorCount,
        });
        List<ViewProbe> probes = [];
        foreach (OpenBackbone backbone in options.Backbones.Select(name => backbones.Open(name, work)))
        {
            EncoderOptions own = options.Encoder.Views == ViewSelection.Default
                ? options.Encoder with { Views = ViewSelection.Of(CandidateViews.Of(backbone.Model.IsCausal, backbone.Model.BlockCount)) }
                : options.Encoder;
            using FeatureReader reader = FeatureReader.Open(
                [(backbone, BackbonePlan.For(backbone, own))], backbones.Runtime, work);
            FeatureLayout layout = reader.Layout;
            (float[] values, _) = reader.Read(reader.Prepare(texts.Texts, cancellationToken), progress, cancellationToken);
            HeadTrainingData data = HeadTrainingData.Of(texts, new ArrayFeatures(values, texts.Texts.Length, layout.FeatureCount), layout);
            foreach ((int view, ViewKey key) in layout.Keys.Index())
            {
                progress?.Report(new WorkProgress($"Probing {backbone.Name}", view, layout.Views.Count, "views"));
                CrossValidation validation = LinearHeadTrainer.CrossValidate(data.SelectViews([key]), linear, cancellationToken)
                    ?? throw new LlmEmbedException("Too few examples to probe with: at least two classes need two examples each.");
                probes.Add(ViewProbe.Of(key, validation.Chosen));
            }
            progress?.Report(new WorkProgress($"Probing {backbone.Name}", layout.Views.Count, layout.Views.Count, "views"));
        }
        return [.. probes.GroupBy(probe => (probe.Backbone, probe.View.Pooling)).SelectMany(curve => curve.OrderBy(probe => probe.View.Depth))];
    }
}
