using System.Text.Json.Nodes;
using LlmEmbed.Data;
using LlmEmbed.Evaluation;
using LlmEmbed.Learning;
using LlmEmbed.Recipes;
using LlmEmbed.Reports;

namespace LlmEmbed;

/// <summary>What a training met, chose and cost.</summary>
public sealed record TrainingSummary
{
    private TrainingSummary(TrainedClassifier classifier, IReadOnlyList<EncodingStatistics> statistics) =>
        (Classifier, Selection, Reading) = (classifier, classifier.Selection, classifier.Reader.Describe(statistics));

    /// <summary>Training examples; fewer than were given if a time budget left some out.</summary>
    public required int Examples { get; init; }

    /// <summary>Each backbone that the classifier reads, in the order of its features, and what reading the training texts met and cost.</summary>
    public IReadOnlyList<BackboneReading> Reading { get; }

    /// <summary>Backbones of which only a sample, or nothing that was kept, was read, and what that cost.</summary>
    public IReadOnlyList<(string Backbone, EncodingStatistics Statistics)> Dropped =>
        [.. (Selection?.Encoding ?? []).Where(part => Reading.All(backbone => backbone.Name != part.Backbone))];

    /// <summary>Time of the comparison of views, reading not counted; null if views were given.</summary>
    public TimeSpan? SelectionTime => Selection?.Elapsed;

    /// <summary>Time of the head's final training, the choice of its experts and their penalties included.</summary>
    public required TimeSpan HeadTime { get; init; }

    /// <summary>Measured on the share that was held out, by a classifier trained on the rest; null if nothing was held out.</summary>
    public EvaluationReport? HeldOut { get; private init; }

    /// <summary>The examples that <see cref="HeldOut"/> was measured on, in its order.</summary>
    public IReadOnlyList<int> HeldOutRows { get; private init; } = [];

    /// <summary>Training texts whose labels are doubted, the surest first; null if nothing was cross-validated.</summary>
    public IReadOnlyList<LabelError>? LabelErrors { get; private init; }

    /// <summary>What each candidate view alone is worth, if the views were chosen; empty otherwise.</summary>
    public IReadOnlyList<ViewProbe> Candidates => Selection?.Probes ?? [];

    /// <summary>What was chosen and why, as lines for people: views, backbones, head.</summary>
    public IReadOnlyList<string> Explain() =>
    [
        .. Selection is null ? [] : SelectionSentences.Lines(Selection),
        .. Reading.SelectMany(BackboneSentences.Lines),
        $"Head: {HeadSentences.Of(Classifier.Head.Decisions)}, in {HeadTime.TotalSeconds:0.0} s",
        .. AttentionSentences.Lines(Classifier.Head.Decisions.Attention),
    ];

    /// <summary>
    /// The same as a JSON object for programs: <c>examples</c>, <c>head</c>, <c>backbones</c>, <c>selection</c> (null if views were given) and
    /// <c>head_seconds</c>.
    /// </summary>
    public string ToJson() => new JsonObject
    {
        ["examples"] = Examples,
        ["head"] = HeadSentences.ToJson(Classifier.Head.Decisions),
        ["backbones"] = new JsonArray([.. Reading.Select(BackboneSentences.ToJson)]),
        ["selection"] = Selection is null ? null : SelectionSentences.ToJson(Selection),
        ["head_seconds"] = Math.Round(HeadTime.TotalSeconds, 3),
    }.ToJsonString();

    /// <summary>What deserves a word, of all backbones.</summary>
    public IReadOnlyList<Warning> Warnings => [.. Reading.SelectMany(part => part.Warnings)];

    internal TrainedClassifier Classifier { get; }

    internal SelectionSummary? Selection { get; }

    /// <summary>A few training texts as a learned attention sees them, for the page alone; null if none was learned.</summary>
    internal ShadedTexts? Shaded { get; init; }

    internal static TrainingSummary Of(
        TrainingTexts texts,
        TrainedClassifier classifier,
        IReadOnlyList<EncodingStatistics> statistics,
        CrossValidation? validation,
        TimeSpan headTime,
        EvaluationReport? heldOut)
    {
        IReadOnlyList<LabelError>? errors = validation is null ? null : LabelError.Find(validation, texts.Labels, texts.Classes);
        return new TrainingSummary(classifier, statistics)
        {
            Examples = texts.Texts.Length,
            HeadTime = headTime,
            HeldOut = heldOut?.With(
                TextOverlap.Find(texts.Kept.Select(row => texts.Texts[row]), [.. texts.HeldOut.Select(row => texts.Texts[row])])),
            HeldOutRows = [.. texts.HeldOut.Select(row => texts.Places[row])],
            LabelErrors = errors is null ? null : [.. errors.Select(error => error with { Row = texts.Places[error.Row] })],
        };
    }
}
