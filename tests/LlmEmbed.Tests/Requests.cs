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

    /// <summary>Distinct texts, the classes in turn.</summary>
    public static LabeledText[] Generate(int count, int seed = 1)
    {
        DeterministicRandom random = new((ulong)seed);
        return [.. Enumerable.Range(0, count).Select(i => new LabeledText($"{i}: " + Text(Topics[i % Topics.Length].Words, random), Topics[i % Topics.Length].Label))];
    }

    /// <summary>The same texts under other labels.</summary>
    public static LabeledText[] Relabel(this IEnumerable<LabeledText> examples, params (string Old, string New)[] labels) =>
        [.. examples.Select(example => example with { Label = labels.Single(pair => pair.Old == example.Label).New })];

    /// <summary>Defaults for backbones of the fixtures.</summary>
    public static TrainingOptions Options(params IReadOnlyList<string> fixtures) => new() { Backbones = fixtures, Encoder = new() { ModelFolders = [Repository.Fixtures] } };

    public static TextClassifier Train(IReadOnlyList<LabeledText> examples, TrainingOptions options, IProgress<WorkProgress>? progress = null) =>
        TextClassifier.Train(examples, options, progress, TestContext.Current.CancellationToken);

    private static string Text(string[] words, DeterministicRandom random)
    {
        string[] picked = [.. Enumerable.Range(0, 6).Select(i => i % 3 != 1 ? words[random.Next(words.Length)] : Fillers[random.Next(Fillers.Length)])];
        return string.Join(' ', picked);
    }
}
