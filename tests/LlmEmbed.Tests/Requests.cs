using LlmEmbed.Data;
using Xunit;

namespace LlmEmbed.Tests;

/// <summary>Generated requests to a support desk, whose class shows in a few of their words.</summary>
internal static class Requests
{
    private static readonly (string Label, string[] Words)[] Topics =
    [
        ("billing", ["invoice", "refund", "price"]),
        ("delivery", ["parcel", "courier", "late"]),
        ("technical", ["crash", "error", "screen"]),
    ];

    private static readonly string[] Fillers = ["the", "my", "again", "please", "today", "since", "with", "and", "about", "not"];

    /// <summary>Finds the fixtures and the two backbones that come with the project.</summary>
    public static RuntimeOptions Runtime { get; } = new() { ModelFolders = [Repository.Fixtures, Repository.Models] };

    /// <summary>Distinct texts, the classes in turn.</summary>
    public static LabeledText[] Generate(int count, int seed = 1)
    {
        DeterministicRandom random = new((ulong)seed);
        return
        [
            .. Enumerable.Range(0, count).Select(
                i => new LabeledText($"{i}: " + Text(Topics[i % Topics.Length].Words, random), Topics[i % Topics.Length].Label)),
        ];
    }

    /// <summary>The same texts under other labels.</summary>
    public static LabeledText[] Relabel(this IEnumerable<LabeledText> examples, params (string Old, string New)[] labels) =>
        [.. examples.Select(example => example with { Label = labels.Single(pair => pair.Old == example.Label).New })];

    /// <summary>The default training on these backbones.</summary>
    public static TrainingOptions Options(params IReadOnlyList<string> backbones) =>
        new() { Recipe = new Recipe.Automatic { Backbones = backbones } };

    /// <summary>A training that reads given views of these backbones.</summary>
    public static TrainingOptions Options(ViewSelection views, params IReadOnlyList<string> backbones) =>
        new() { Recipe = new Recipe.Fixed { Backbones = backbones, Views = views } };

    /// <summary>The same options with another automatic recipe.</summary>
    public static TrainingOptions With(this TrainingOptions options, Func<Recipe.Automatic, Recipe.Automatic> change) =>
        options with { Recipe = change(Assert.IsType<Recipe.Automatic>(options.Recipe)) };

    /// <summary>The same options with another recipe of given views.</summary>
    public static TrainingOptions WithFixed(this TrainingOptions options, Func<Recipe.Fixed, Recipe.Fixed> change) =>
        options with { Recipe = change(Assert.IsType<Recipe.Fixed>(options.Recipe)) };

    public static TextClassifier Train(
        IReadOnlyList<LabeledText> examples, TrainingOptions options, RuntimeOptions? runtime = null, IProgress<WorkProgress>? progress = null) =>
        TextClassifier.Train(examples, options, runtime ?? Runtime, progress, TestContext.Current.CancellationToken);

    /// <summary>A saved classifier.</summary>
    public static TextClassifier LoadClassifier(string folder, RuntimeOptions? runtime = null) =>
        TextClassifier.Load(folder, runtime ?? Runtime, progress: null, TestContext.Current.CancellationToken);

    /// <summary>An encoder of a fixture, of a backbone that comes with the project, or of one at a path.</summary>
    public static TextEncoder LoadEncoder(string backbone, EncoderOptions? options = null, RuntimeOptions? runtime = null) =>
        TextEncoder.Load(backbone, options, runtime ?? Runtime, progress: null, TestContext.Current.CancellationToken);

    /// <summary>What was chosen as a head and why, as a sentence for people.</summary>
    public static string HeadOf(TextClassifier classifier) => classifier.Facts.Single(fact => fact.Name == "Head").Value;

    private static string Text(string[] words, DeterministicRandom random)
    {
        string[] picked =
        [
            .. Enumerable.Range(0, 6).Select(i => i % 3 != 1 ? words[random.Next(words.Length)] : Fillers[random.Next(Fillers.Length)]),
        ];
        return string.Join(' ', picked);
    }
}
