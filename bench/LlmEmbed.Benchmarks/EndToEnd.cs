using System.Diagnostics;
using System.Globalization;
using LlmEmbed.Data;

namespace LlmEmbed.Benchmarks;

/// <summary>Training from file to saved classifier, beside what the engine alone would take for the same tokens; then again with the embeddings in the cache.</summary>
internal static class EndToEnd
{
    /// <summary>Texts on which the engine's own rate is measured.</summary>
    private const int RateTexts = 4000;

    public static int Run(string trainingFile, string[] backbones)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("llmembed-bench-");
        TrainingOptions options = new()
        {
            Backbones = backbones.Length > 0 ? backbones : Bench.Starters,
            Encoder = new() { Precision = Precision.Int8, CacheFolder = Path.Combine(folder.FullName, "cache"), ModelFolders = [Path.Combine(Bench.Root(), "models")] },
        };
        // Quantizing is the first start's affair, not training's.
        foreach (string backbone in options.Backbones) using (TextEncoder encoder = TextEncoder.Load(backbone, options.Encoder with { ViewsOf = Selection.CandidateViews.Of })) encoder.Encode(["Any text will do."]);

        List<string[]> rows = [];
        foreach (string name in new[] { "nothing in the cache", "embeddings in the cache" })
        {
            long start = Stopwatch.GetTimestamp();
            IReadOnlyList<LabeledText> examples = LabeledTableReader.ReadForTraining(trainingFile, new LabeledTableOptions()).Examples;
            using TextClassifier classifier = TextClassifier.Train(examples, options, new Stages());
            classifier.Save(Path.Combine(folder.FullName, "model"));
            double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;

            long tokens = classifier.Training!.Encoding.Sum(part => part.Tokens);
            // The sample's tokens went through deeper networks than the rest; at the rate of the cut ones they flatter nobody but the engine.
            double engineSeconds = classifier.Encoders.Zip(classifier.Training.Encoding, (encoder, part) => part.Tokens / EngineRate(encoder, options, examples)).Sum();
            rows.Add(
            [
                name, seconds.ToString("0.0", CultureInfo.InvariantCulture), tokens.ToString("N0", CultureInfo.InvariantCulture), (tokens / seconds).ToString("N0", CultureInfo.InvariantCulture),
                engineSeconds.ToString("0.0", CultureInfo.InvariantCulture), (engineSeconds / seconds).ToString("P0", CultureInfo.InvariantCulture), classifier.Training.HeadTime.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture),
            ]);
        }
        folder.Delete(recursive: true);
        return Bench.Table(
            $"Training on {trainingFile}, from file to saved classifier, int8.",
            ["", "seconds", "tokens computed", "tokens/s", "seconds of the engine alone", "share", "of which head, seconds"],
            rows);
    }

    /// <summary>Tokens per second of the same network on some of the texts, nothing being kept.</summary>
    private static double EngineRate(TextEncoder trained, TrainingOptions options, IReadOnlyList<LabeledText> examples)
    {
        using TextEncoder encoder = TextEncoder.Load(trained.Source, trained.Options with { CacheFolder = null, WeightsFolder = options.Encoder.CacheFolder });
        string[] texts = [.. examples.Select(example => example.Text).Distinct().Take(RateTexts)];
        PreparedTexts prepared = encoder.Prepare(texts, CancellationToken.None);
        _ = encoder.Encode(texts[..Math.Min(64, texts.Length)]); // compiles
        Measurement rate = new();
        for (int i = 0; i < 3; i++)
        {
            EncodingStatistics statistics = encoder.Encode(prepared, progress: null, CancellationToken.None).Statistics;
            rate.Add(statistics.Tokens / statistics.Elapsed.TotalSeconds);
        }
        return rate.Median;
    }

    /// <summary>A line at the end of each stage.</summary>
    private sealed class Stages : IProgress<WorkProgress>
    {
        private readonly long _start = Stopwatch.GetTimestamp();

        public void Report(WorkProgress value)
        {
            if (value.Done >= value.Total) Console.Error.WriteLine($"{Stopwatch.GetElapsedTime(_start).TotalSeconds,7:0.0} s: {value.Stage} done");
        }
    }
}
