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
/// <param name="C">The inverse strength of the penalty that was chosen; null for <see cref="Pooling.Attention"/>, whose penalty is fixed.</param>
public sealed record ViewProbe(string Backbone, View View, double Accuracy, double AccuracyDeviation, double MacroF1, double LogLoss, double? C)
{
    /// <summary>
    /// The number of texts that took part, if it was a sample because the states of the tokens of all texts would take too much memory; else null.
    /// </summary>
    public int? SampleTexts { get; init; }

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

    /// <summary>
    /// Whether <see cref="Pooling.Attention"/> is learned at each depth above 0 of <see cref="ViewSelection.Default"/>. Views that are named are
    /// probed alone.
    /// </summary>
    public bool UseAttention { get; init; } = true;

    /// <summary>Seed of the folds.</summary>
    public int Seed { get; init; }
}

/// <summary>Probes: a cross-validated logistic regression on each view of each backbone, and learned attention beside it.</summary>
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
        LearningPlan plan = new(new HeadOptions.Linear())
        {
            Seed = (ulong)options.Seed,
            Threads = backbones.Runtime.Threads ?? Environment.ProcessorCount,
        };
        List<ViewProbe> probes = [];
        foreach (OpenBackbone backbone in options.Backbones.Select(name => backbones.Open(name, work)))
        {
            EncoderOptions own = options.Encoder.Views == ViewSelection.Default
                ? options.Encoder with { Views = ViewSelection.Of(CandidateViews.Of(backbone.Model.IsCausal, backbone.Model.BlockCount)) }
                : options.Encoder;
            using FeatureReader reader = FeatureReader.Open([(backbone, BackbonePlan.For(backbone, own))], backbones.Runtime, work);
            bool usesAttention = options.UseAttention && options.Encoder.Views == ViewSelection.Default;
            AttentionProbe? attention = usesAttention
                ? AttentionOf(reader.Backbones[0], texts, plan, FeatureStorage.Of(backbones.Runtime).MemoryBytes, progress)
                : null;
            HeadTrainingData data = Read(reader, texts, attention, progress, cancellationToken);
            probes.AddRange(ProbeViews(backbone.Name, data, LinearOptions.Of(plan), progress, cancellationToken));
            if (attention is not null) probes.AddRange(attention.Run(data, plan, progress, cancellationToken));
        }
        return [.. probes.GroupBy(probe => (probe.Backbone, probe.View.Pooling)).SelectMany(curve => curve.OrderBy(probe => probe.View.Depth))];
    }

    private static AttentionProbe? AttentionOf(
        BackboneReader reader, TrainingTexts texts, LearningPlan plan, long memoryBytes, IProgress<WorkProgress>? progress)
    {
        if (!reader.MemoryPlan.IsStreamed) return AttentionProbe.For(reader, texts, LinearOptions.Of(plan), memoryBytes);
        progress?.Report(new WorkProgress($"Probing {reader.Name}", 0, 1, "views")
        {
            Notice = $"Attention is not probed of {reader.Name}: its blocks are loaded in turn to keep within the memory, so that the states of " +
                "tokens are not at hand. Allow it more memory to see attention.",
        });
        return null;
    }

    /// <summary>Reads all views of all texts, and tokens of the texts whose attention is learned.</summary>
    private static HeadTrainingData Read(
        FeatureReader reader, TrainingTexts texts, AttentionProbe? attention, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        FeatureLayout layout = reader.Layout;
        ArrayFeatures features = new(
            new float[checked(texts.Texts.Length * layout.FeatureCount)], texts.Texts.Length, layout.FeatureCount);
        int[] all = [.. Enumerable.Range(0, features.Rows)];
        ReadRows(attention?.Rows ?? all, attention?.Tokens);
        if (attention is not null) ReadRows([.. all.Except(attention.Rows)], tokens: null);
        return HeadTrainingData.Of(texts, features, layout);

        void ReadRows(int[] rows, TokenStates? tokens)
        {
            if (rows.Length == 0) return;
            reader.Read(
                [.. rows.Select(row => texts.Texts[row])],
                text => features.RowTarget(rows[text]),
                progress,
                cancellationToken,
                backbone => tokens?.RowsOf(backbone.Name, [.. Enumerable.Range(0, rows.Length)]));
        }
    }

    private static IEnumerable<ViewProbe> ProbeViews(
        string backbone, HeadTrainingData data, LinearOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        IReadOnlyList<ViewKey> views = data.Layout.Keys;
        foreach ((int done, ViewKey view) in views.Index())
        {
            progress?.Report(new WorkProgress($"Probing {backbone}", done, views.Count, "views"));
            CrossValidation validation = LinearHeadTrainer.CrossValidate(data.SelectViews([view]), options, cancellationToken)
                ?? throw new LlmEmbedException("Too few examples to probe with: at least two classes need two examples each.");
            yield return ViewProbe.Of(view, validation.Chosen);
        }
        progress?.Report(new WorkProgress($"Probing {backbone}", views.Count, views.Count, "views"));
    }
}
