using System.Diagnostics;
using LlmEmbed.Data;
using LlmEmbed.Reading;

namespace LlmEmbed.Recipes;

/// <summary>Keeps training within a time: as many texts as can be read in it, by the time that a few of them take.</summary>
internal static class TimeBudget
{
    /// <summary>The share of the time that goes into reading; the rest is for the comparison of views and for the head.</summary>
    public const double ReadingShare = 0.5;

    private const int PilotTexts = 48;

    /// <summary>What is expected to be read of a backbone for most texts, as a share of its depth.</summary>
    private const double ExpectedDepth = 0.6;

    /// <returns>The examples to train on, ascending; classes keep their shares.</returns>
    /// <exception cref="LlmEmbedException">The budget is not more than nothing, or a backbone cannot be used.</exception>
    public static int[] RowsWithin(
        TimeSpan budget,
        IReadOnlyList<LabeledText> examples,
        IReadOnlyList<string> classes,
        IEnumerable<(OpenBackbone Backbone, BackbonePlan Plan)> candidates,
        RuntimeOptions runtime,
        int seed,
        CancellationToken cancellationToken)
    {
        if (budget <= TimeSpan.Zero) throw new LlmEmbedException($"The time budget is {budget}, expected more than nothing.");
        int[] labels = ClassLabels.IndexesOf(examples, classes);
        int[] pilot = StratifiedSplit.Sample(labels, Math.Min(PilotTexts, examples.Count), (ulong)seed);
        string[] sample = [.. pilot.Take(PilotTexts).Select(row => examples[row].Text)];
        // A store would give what an earlier run has read for nothing.
        RuntimeOptions withoutStore = runtime with { CacheFolder = null, WeightsFolder = runtime.FolderOfWeights };
        double seconds = 0;
        foreach ((OpenBackbone backbone, BackbonePlan plan) in candidates)
        {
            using BackboneReader reader = new(backbone, plan, withoutStore);
            float[] row = new float[reader.RowLength];
            reader.Read(sample[..1], _ => row, progress: null, cancellationToken); // compiles
            long start = Stopwatch.GetTimestamp();
            reader.Read(reader.Prepare(sample, cancellationToken), new Work(Progress: null, cancellationToken));
            seconds += Stopwatch.GetElapsedTime(start).TotalSeconds / sample.Length;
        }
        int affordable = (int)Math.Min(examples.Count, budget.TotalSeconds * ReadingShare / (ExpectedDepth * seconds));
        return StratifiedSplit.Sample(labels, Math.Max(affordable, PilotTexts), (ulong)seed);
    }
}
