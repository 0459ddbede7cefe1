using System.Globalization;
using LlmEmbed.Data;
using LlmEmbed.Evaluation;
using LlmEmbed.Reading;

namespace LlmEmbed.Comparison;

/// <summary>How much is prompted: a prompt costs many times what an embedding does.</summary>
public sealed record PromptingOptions
{
    /// <summary>Test texts of zero-shot and few-shot prompts, a stratified sample where there are more.</summary>
    public int Texts { get; init; } = 500;

    /// <summary>Test texts about which the model reasons.</summary>
    public int ReasonedTexts { get; init; } = 50;

    /// <summary>The most tokens of a reasoning.</summary>
    public int ReasoningTokens { get; init; } = 256;
}

/// <summary>One way of prompting, measured.</summary>
/// <param name="Method">Its name.</param>
/// <param name="Note">What it did.</param>
/// <param name="Sample">The test texts that it was measured on, null for all.</param>
/// <param name="Probabilities">[n,C] for each seed.</param>
/// <param name="Cost">Of one seed; prediction computed for all test texts from the sample's.</param>
internal sealed record PromptedResult(string Method, string Note, int[]? Sample, IReadOnlyList<float[]> Probabilities, MethodCost Cost);

/// <summary>
/// Zero-shot, few-shot and chain-of-thought prompting of one decoder. Scores of labels are measured from their means over some training texts, since
/// a small model prefers one label whatever the text says (batch calibration, Zhou et al. 2024).
/// </summary>
internal sealed class PromptedMethods(
    BackboneReader reader,
    IReadOnlyList<LabeledText> training,
    string[] labels,
    int seed,
    PromptingOptions options,
    IProgress<WorkProgress>? progress,
    CancellationToken cancellation)
{
    private const int MostExamples = 8;
    private const int CalibrationTexts = 32;

    /// <summary>What could not be prompted, and why.</summary>
    public List<string> LeftOut { get; } = [];

    /// <param name="texts">The test texts.</param>
    /// <param name="truth">Their classes, by which a sample is stratified.</param>
    /// <param name="seeds">Draws of the few-shot examples.</param>
    public IEnumerable<PromptedResult> Run(string[] texts, int[] truth, int seeds)
    {
        string? obstacle = reader.Backbone.Model.LanguageHead is null
            ? $"{reader.Backbone.Name} has no language-model head"
            : reader.MemoryPlan.IsStreamed ? $"{reader.Backbone.Name} does not fit into the memory as a whole"
            : null;
        if (obstacle is not null)
        {
            LeftOut.Add($"zero-shot, few-shot and chain of thought: {obstacle}");
            return [];
        }
        int[]? sample = SampleOf(truth, options.Texts), reasoned = SampleOf(truth, options.ReasonedTexts);
        return new[]
        {
            Measure("zero-shot", texts, sample, reasoningTokens: 0, [[]]),
            Measure(
                "few-shot", texts, sample, reasoningTokens: 0, [.. Enumerable.Range(seed, seeds).Select(draw => DrawInTurns(draw, MostExamples))]),
            Measure("chain of thought", texts, reasoned, options.ReasoningTokens, [[]]),
        }.OfType<PromptedResult>();
    }

    private int[]? SampleOf(int[] truth, int count) => truth.Length <= count ? null : StratifiedSplit.Sample(truth, count, (ulong)seed);

    private PromptedResult? Measure(string method, string[] texts, int[]? sample, int reasoningTokens, LabeledText[][] draws)
    {
        string[] asked = sample is null ? texts : [.. sample.Select(text => texts[text])];
        string[] calibration = [.. DrawInTurns(seed, CalibrationTexts).Select(example => example.Text)];
        List<float[]> probabilities = [];
        MethodCost cost = default;
        string note = "";
        int done = 0;
        void Report(int count) =>
            progress?.Report(
                new WorkProgress(
                    $"Prompting {reader.Backbone.Name}, {method}", done += count, draws.Length * (asked.Length + calibration.Length), "texts"));
        foreach (LabeledText[] examples in draws)
        {
            CostMeter meter = new();
            using PromptedClassifier? classifier = CreateWithExamples(examples, reasoningTokens, [.. asked, .. calibration]);
            if (classifier is null)
            {
                LeftOut.Add($"{method}: its prompt is longer than the {reader.Backbone.Model.MaxTokens} positions of {reader.Backbone.Name}");
                return null;
            }
            float[] means = Means(classifier.Scores(calibration, Report, cancellation));
            Cost preparation = meter.Read();
            (long tokensBefore, long reasonedBefore) = (classifier.TokensRead, classifier.ReasoningTokens);
            meter = new();
            probabilities.Add(Calibrated(classifier.Scores(asked, Report, cancellation), means));
            if (probabilities.Count > 1) continue;
            double scale = (double)texts.Length / asked.Length;
            cost = new MethodCost(
                reader.Backbone.Model.ParameterCount(
                    reader.Backbone.Model.BlockCount) + (long)reader.Backbone.Model.VocabularySize * reader.HiddenSize,
                tokensBefore + (long)(scale * (classifier.TokensRead - tokensBefore)),
                FeatureBytes: 0,
                preparation,
                meter.Read() * scale);
            note = Note(classifier, asked.Length, texts.Length, (double)(classifier.ReasoningTokens - reasonedBefore) / asked.Length);
        }
        return new PromptedResult(method, note, sample, probabilities, cost);
    }

    private static string Note(PromptedClassifier classifier, int asked, int all, double reasoned)
    {
        List<string> parts = [classifier.IsChat ? "asked in a chat's turns" : "asked in plain text"];
        if (classifier.ExampleCount > 0) parts.Add($"{classifier.ExampleCount} examples");
        if (reasoned > 0) parts.Add(string.Create(CultureInfo.InvariantCulture, $"{reasoned:0} tokens of reasoning per text"));
        if (asked < all)
            parts.Add(
                string.Create(
                    CultureInfo.InvariantCulture, $"measured on {asked:N0} of {all:N0} test texts; the cost of prediction is computed from theirs"));
        return string.Join(", ", parts);
    }

    /// <summary>With as many of the examples as the model has positions for; null where not even one of them, or the bare prompt, fits.</summary>
    private PromptedClassifier? CreateWithExamples(LabeledText[] examples, int reasoningTokens, string[] texts)
    {
        for (int count = examples.Length; count >= Math.Min(1, examples.Length); count--)
            if (PromptedClassifier.TryCreate(reader, new PromptedTask(labels, examples[..count], reasoningTokens), texts) is { } classifier)
                return classifier;
        return null;
    }

    /// <summary>Training texts of the classes in turn, in random order.</summary>
    private LabeledText[] DrawInTurns(int draw, int count)
    {
        DeterministicRandom random = new((ulong)draw);
        LabeledText[] shuffled = [.. training];
        random.Shuffle(shuffled.AsSpan());
        LabeledText[] drawn =
        [
            .. shuffled.GroupBy(example => example.Label).SelectMany(group => group.Index()).OrderBy(example => example.Index)
                .Select(example => example.Item).Take(count),
        ];
        random.Shuffle(drawn.AsSpan());
        return drawn;
    }

    /// <summary>[C].</summary>
    private float[] Means(float[] scores) =>
        [.. Enumerable.Range(0, labels.Length).Select(label => scores.Where((_, i) => i % labels.Length == label).Average())];

    /// <summary>[N,C].</summary>
    private static float[] Calibrated(float[] scores, float[] means)
    {
        float[] values = [.. scores.Select((score, i) => score - means[i % means.Length])];
        TemperatureScaling.ToProbabilities(values, means.Length, temperature: 1);
        return values;
    }
}
