using System.Diagnostics;
using System.Globalization;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// Training from file to saved classifier, beside what the engine alone would take for the same tokens; then again with the embeddings in the cache.
/// </summary>
internal static class EndToEnd
{
    public static int Run(string trainingFile, string[] backbones)
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("llmembed-bench-");
        if (backbones.Length == 0) backbones = Bench.Starters;
        Recipe recipe = new Recipe.Automatic { Backbones = backbones, Precision = Precision.Int8 };
        RuntimeOptions runtime = Bench.Runtime with { CacheFolder = Path.Combine(folder.FullName, "cache") };
        Quantize(backbones, runtime);

        string[] texts = [.. Bench.ReadForTraining(trainingFile).Select(example => example.Text).Distinct().Take(EngineAlone.Texts)];
        List<string[]> rows = [];
        foreach (string name in new[] { "nothing in the cache", "embeddings in the cache" })
        {
            using EngineAlone engine = new(backbones, runtime with { CacheFolder = null, WeightsFolder = runtime.CacheFolder }, texts);
            long start = Stopwatch.GetTimestamp();
            IReadOnlyList<LabeledText> examples = Bench.ReadForTraining(trainingFile);
            using TextClassifier classifier = TextClassifier.Train(examples, new() { Recipe = recipe }, runtime, engine);
            classifier.Save(Path.Combine(folder.FullName, "model"));
            double seconds = (Stopwatch.GetElapsedTime(start) - engine.Elapsed).TotalSeconds;

            long tokens = classifier.Training!.Reading.Sum(part => part.Statistics.Tokens);
            Measurement engineSeconds = new(), shares = new();
            foreach (double alone in engine.SecondsFor(classifier.Training))
            {
                engineSeconds.Add(alone);
                shares.Add(100 * alone / seconds);
            }
            string Show(double value, string format = "0.0") => value.ToString(format, CultureInfo.InvariantCulture);
            rows.Add(
            [
                name, Show(seconds), Show(tokens, "N0"), Show(tokens / seconds, "N0"), engineSeconds.Show("0.0"), shares.Show("0"),
                Show(classifier.Training.HeadTime.TotalSeconds),
            ]);
        }
        folder.Delete(recursive: true);
        return Bench.Table(
            $"Training on {trainingFile}, from file to saved classifier, int8. " +
                "The engine's own rate: median (range) of pauses in the reading, which are not counted.",
            ["", "seconds", "tokens computed", "tokens/s", "seconds of the engine alone", "share, %", "of which head, seconds"],
            rows);
    }

    /// <summary>Quantizes what training may read. Only the first start of all does that, so that it is no part of training.</summary>
    private static void Quantize(string[] backbones, RuntimeOptions runtime)
    {
        foreach (string backbone in backbones)
        {
            using TextEncoder encoder = TextEncoder.Load(backbone, new() { Precision = Precision.Int8, Views = ViewSelection.Candidates }, runtime);
            encoder.Encode(["Any text will do."]);
        }
    }

    /// <summary>
    /// Tells the stages, and pauses the reading now and then to measure, in the same minutes, how fast the engine alone reads some of the texts if
    /// nothing is kept.
    /// </summary>
    private sealed class EngineAlone : IProgress<WorkProgress>, IDisposable
    {
        /// <summary>A number of texts that takes about a second.</summary>
        public const int Texts = 600;

        private static readonly TimeSpan Interval = TimeSpan.FromSeconds(15);

        private readonly string[] _texts;
        private readonly List<TextEncoder> _encoders = [];
        private readonly List<Dictionary<string, double>> _rates = [];
        private readonly long _start;
        private long _last;

        public EngineAlone(string[] backbones, RuntimeOptions runtime, string[] texts)
        {
            _texts = texts;
            // The default views cut a backbone about where training does. The time up to another cut depth is in proportion.
            EncoderOptions options = new() { Precision = Precision.Int8, Prompt = Bench.LineBreakPrompt };
            foreach (string backbone in backbones) _encoders.Add(TextEncoder.Load(backbone, options, runtime));
            _ = Rates(); // compiles
            _start = _last = Stopwatch.GetTimestamp();
        }

        /// <summary>Time of all pauses.</summary>
        public TimeSpan Elapsed { get; private set; }

        public void Report(WorkProgress value)
        {
            double seconds = (Stopwatch.GetElapsedTime(_start) - Elapsed).TotalSeconds;
            if (value.Done >= value.Total) Console.Error.WriteLine($"{seconds,7:0.0} s: {value.Stage} done");
            else if (value.Done > 0 && value.Unit == "texts" && Stopwatch.GetElapsedTime(_last) > Interval) Pause();
        }

        /// <summary>
        /// For each pause the time that the tokens of a training would have taken at its rates. The tokens of the sample went through more blocks,
        /// which is not counted.
        /// </summary>
        public IEnumerable<double> SecondsFor(TrainingSummary training) => _rates.Select(rates => training.Reading.Sum(part =>
        {
            TextEncoder encoder = _encoders.Single(encoder => encoder.Name == part.Name);
            return part.Statistics.Tokens / rates[part.Name] * DepthOf(part.Views) / DepthOf(encoder.Views);
        }));

        public void Dispose()
        {
            foreach (TextEncoder encoder in _encoders) encoder.Dispose();
        }

        private static double DepthOf(IReadOnlyList<View> views) => views.Max(view => view.Depth);

        private void Pause()
        {
            long start = Stopwatch.GetTimestamp();
            _rates.Add(Rates());
            Elapsed += Stopwatch.GetElapsedTime(start);
            _last = Stopwatch.GetTimestamp();
        }

        /// <summary>Tokens per second of each backbone.</summary>
        private Dictionary<string, double> Rates() => _encoders.ToDictionary(encoder => encoder.Name, encoder =>
        {
            // Of a stream, a chunk's time does not include its tokenization. All of these texts are one chunk.
            EncodingStatistics statistics = encoder.Encode(_texts, text => text).Single().Embeddings.Statistics;
            return statistics.Tokens / statistics.Elapsed.TotalSeconds;
        });
    }
}
