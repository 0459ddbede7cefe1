using System.Diagnostics;
using LlmEmbed.Data;

namespace LlmEmbed.Recipes;

/// <summary>Keeps training within a time: as many texts as can be read in it, by the time that a few of them take.</summary>
internal static class TimeBudget
{
    /// <summary>The share of the time that goes into reading; the rest is for the comparison of views and for the head.</summary>
    public const double ReadingShare = 0.5;

    private const int PilotTexts = 48;

    /// <summary>What is expected to be read of a backbone for most texts, as a share of its depth.</summary>
    private const double ExpectedDepth = 0.6;

    /// <returns>The rows to train on, ascending; classes keep their shares.</returns>
    public static int[] RowsWithin(TimeSpan budget, string[] texts, int[] labels, TrainingOptions options, CancellationToken cancellation)
    {
        if (budget <= TimeSpan.Zero) throw new LlmEmbedException($"The time budget is {budget}, expected more than nothing.");
        int[] pilot = StratifiedSplit.Sample(labels, Math.Min(PilotTexts, texts.Length), (ulong)options.Seed);
        string[] sample = [.. pilot.Take(PilotTexts).Select(row => texts[row])];
        double seconds = 0;
        foreach (string backbone in options.Backbones)
        {
            using TextEncoder encoder = TextEncoder.Load(backbone, options.Encoder with { ViewsOf = CandidateViews.Of, CacheFolder = null, WeightsFolder = options.Encoder.WeightsFolder ?? options.Encoder.CacheFolder });
            encoder.Encode(sample[..1], progress: null, cancellation); // compiles
            long start = Stopwatch.GetTimestamp();
            encoder.Encode(sample, progress: null, cancellation);
            seconds += Stopwatch.GetElapsedTime(start).TotalSeconds / sample.Length;
        }
        int affordable = (int)Math.Min(texts.Length, budget.TotalSeconds * ReadingShare / (ExpectedDepth * seconds));
        return StratifiedSplit.Sample(labels, Math.Max(affordable, PilotTexts), (ulong)options.Seed);
    }
}
