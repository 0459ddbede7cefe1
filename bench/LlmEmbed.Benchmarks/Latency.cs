using System.Diagnostics;

namespace LlmEmbed.Benchmarks;

/// <summary>One text at a time with both starter backbones: through a loaded classifier, and by a fresh process.</summary>
internal static class Latency
{
    public static int Run()
    {
        string[] texts = Bench.Texts(240, 20);
        LabeledText[] examples = [.. texts.Take(40).Select((text, i) => new LabeledText(text, i % 2 == 0 ? "a" : "b"))];
        DirectoryInfo folder = Directory.CreateTempSubdirectory("llmembed-bench-");
        List<string[]> rows = [];
        foreach (Precision precision in new[] { Precision.Fp32, Precision.Int8 })
        {
            TrainingOptions options = new() { Recipe = new Recipe.Automatic { Precision = precision } };
            using TextClassifier classifier = TextClassifier.Train(examples, options, Bench.Runtime);
            List<double> elapsedMs = [];
            foreach (string text in texts)
            {
                long start = Stopwatch.GetTimestamp();
                classifier.Predict(text);
                elapsedMs.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
            double[] sorted = [.. elapsedMs.Skip(40).Order()];

            string model = Path.Combine(folder.FullName, $"{precision}");
            classifier.Save(model);
            FreshProcess(model, texts[0], folder); // quantizes, which only the first start of all does
            Measurement seconds = new(), megabytes = new();
            for (int i = 0; i < Bench.Repetitions; i++)
            {
                ToolRun run = FreshProcess(model, texts[i], folder);
                seconds.Add(run.Seconds);
                megabytes.Add(run.MostBytes / 1e6);
            }
            string p50 = sorted[sorted.Length / 2].ToString("0.0"), p99 = sorted[sorted.Length * 99 / 100].ToString("0.0");
            rows.Add([$"{precision}", p50, p99, seconds.Show("0.00"), megabytes.Show()]);
        }
        folder.Delete(recursive: true);
        return Bench.Table(
            "200 texts of 20 words, one after the other, in a loaded classifier; `llmembed predict` of one text in a fresh process, median of " +
                $"{Bench.Repetitions} repetitions (range).",
            ["precision", "p50, ms", "p99, ms", "fresh process, s", "its most memory, MB"],
            rows);
    }

    private static ToolRun FreshProcess(string model, string text, DirectoryInfo cache) =>
        Bench.RunTool(Path.Combine(AppContext.BaseDirectory, "llmembed.dll"), cache, "predict", model, text);
}
