using System.Diagnostics;
using System.Globalization;
using LlmEmbed.Data;

namespace LlmEmbed.Benchmarks;

/// <summary>Training from file to saved classifier, beside what the engine alone would take for the same tokens; then again with the embeddings in the cache.</summary>
internal static class EndToEnd
{
    public static int Run(string trainingFile, string[] backbones)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("llmembed-bench-");
        TrainingOptions options = new()
        {
            Backbones = backbones.Length > 0 ? backbones : Bench.Starters,
            Encoder = new() { Precision = Precision.Int8, CacheFolder = Path.Combine(folder.FullName, "cache"), ModelFolders = [Path.Combine(Bench.Root(), "models")] },
        };
        // Quantizing is the first start's affair, not training's.
        foreach (string backbone in options.Backbones) using (TextEncoder encoder = TextEncoder.Load(backbone, options.Encoder with { ViewsOf = Recipes.CandidateViews.Of })) encoder.Encode(["Any text will do."]);

        string[] texts = [.. LabeledTableReader.ReadForTraining(trainingFile, new LabeledTableOptions()).Examples.Select(example => example.Text).Distinct().Take(EngineAlone.Texts)];
        List<string[]> rows = [];
        foreach (string name in new[] { "nothing in the cache", "embeddings in the cache" })
        {
            using EngineAlone engine = new(options, texts);
            long start = Stopwatch.GetTimestamp();
            IReadOnlyList<LabeledText> examples = LabeledTableReader.ReadForTraining(trainingFile, new LabeledTableOptions()).Examples;
            using TextClassifier classifier = TextClassifier.Train(examples, options, engine);
            classifier.Save(Path.Combine(folder.FullName, "model"));
            double seconds = (Stopwatch.GetElapsedTime(start) - engine.Elapsed).TotalSeconds;

            long tokens = classifier.Training!.Encoding.Sum(part => part.Tokens);
            Measurement engineSeconds = new(), shares = new();
            foreach (double alone in engine.SecondsFor(classifier))
            {
                engineSeconds.Add(alone);
                shares.Add(100 * alone / seconds);
            }
            rows.Add(
            [
                name, seconds.ToString("0.0", CultureInfo.InvariantCulture), tokens.ToString("N0", CultureInfo.InvariantCulture), (tokens / seconds).ToString("N0", CultureInfo.InvariantCulture),
                engineSeconds.Show("0.0"), shares.Show("0"), classifier.Training.HeadTime.TotalSeconds.ToString("0.0", CultureInfo.InvariantCulture),
            ]);
        }
        folder.Delete(recursive: true);
        return Bench.Table(
            $"Training on {trainingFile}, from file to saved classifier, int8. The engine's own rate: median (range) of pauses in the reading, which are not counted.",
            ["", "seconds", "tokens computed", "tokens/s", "seconds of the engine alone", "share, %", "of which head, seconds"],
            rows);
    }

    /// <summary>Tells the stages, and pauses the reading now and then to measure what the engine alone makes of some of the texts, nothing being kept, in the same minutes.</summary>
    private sealed class EngineAlone : IProgress<WorkProgress>, IDisposable
    {
        /// <summary>How many texts take about a second.</summary>
        public const int Texts = 600;

        private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);

        private readonly List<(TextEncoder Encoder, PreparedTexts Prepared)> _networks = [];
        private readonly List<Dictionary<string, double>> _rates = [];
        private readonly long _start;
        private long _last;

        public EngineAlone(TrainingOptions options, string[] texts)
        {
            foreach (string backbone in options.Backbones)
            {
                // Where the networks are usually cut; the time of another cut is in proportion.
                EncoderOptions alone = options.Encoder with { CacheFolder = null, WeightsFolder = options.Encoder.CacheFolder, LeadsTexts = true, ViewsOf = network => [new View(DepthOf(network), Pooling.Mean)] };
                TextEncoder encoder = TextEncoder.Load(backbone, alone);
                _networks.Add((encoder, encoder.Prepare(texts, CancellationToken.None)));
            }
            _ = Rates(); // compiles
            _start = _last = Stopwatch.GetTimestamp();
        }

        /// <summary>Time of all pauses.</summary>
        public TimeSpan Elapsed { get; private set; }

        public void Report(WorkProgress value)
        {
            if (value.Done >= value.Total) Console.Error.WriteLine($"{(Stopwatch.GetElapsedTime(_start) - Elapsed).TotalSeconds,7:0.0} s: {value.Stage} done");
            else if (value.Done > 0 && value.Unit == "texts" && Stopwatch.GetElapsedTime(_last) > Interval) Pause();
        }

        /// <summary>For each pause the time that a classifier's tokens would have taken at its rates. The sample's tokens went through deeper networks; that is not counted.</summary>
        public IEnumerable<double> SecondsFor(TextClassifier classifier) => _rates.Select(rates => classifier.Encoders.Zip(classifier.Training!.Encoding, (encoder, part) =>
            part.Tokens / rates[encoder.Name] * encoder.Views.Max(view => view.Depth) / DepthOf(encoder.Backbone)).Sum());

        public void Dispose()
        {
            foreach ((TextEncoder encoder, _) in _networks) encoder.Dispose();
        }

        private static int DepthOf(Models.Backbone network) => network.IsDecoder ? Learning.AttentionPooling.DepthOf(network.BlockCount) : network.BlockCount;

        private void Pause()
        {
            long start = Stopwatch.GetTimestamp();
            _rates.Add(Rates());
            Elapsed += Stopwatch.GetElapsedTime(start);
            _last = Stopwatch.GetTimestamp();
        }

        /// <summary>Tokens per second of each network.</summary>
        private Dictionary<string, double> Rates() => _networks.ToDictionary(network => network.Encoder.Name, network =>
        {
            EncodingStatistics statistics = network.Encoder.Encode(network.Prepared, progress: null, CancellationToken.None).Statistics;
            return statistics.Tokens / statistics.Elapsed.TotalSeconds;
        });
    }
}
