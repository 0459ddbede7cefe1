using System.Diagnostics;

namespace LlmEmbed.Benchmarks;

/// <summary>One text at a time through a loaded classifier with both starter backbones.</summary>
internal static class Latency
{
    public static int Run()
    {
        string[] texts = Bench.Texts(240, 20);
        LabeledText[] examples = [.. texts.Take(40).Select((text, i) => new LabeledText(text, i % 2 == 0 ? "a" : "b"))];
        List<string[]> rows = [];
        foreach (Precision precision in new[] { Precision.Fp32, Precision.Int8 })
        {
            using TextClassifier classifier = TextClassifier.Train(examples, new() { Encoder = new() { Precision = precision, ModelFolders = [Path.Combine(Bench.Root(), "models")] } });
            List<double> elapsedMs = [];
            foreach (string text in texts)
            {
                long start = Stopwatch.GetTimestamp();
                classifier.Predict(text);
                elapsedMs.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
            }
            double[] sorted = [.. elapsedMs.Skip(40).Order()];
            rows.Add([$"{precision}", sorted[sorted.Length / 2].ToString("0.0"), sorted[sorted.Length * 99 / 100].ToString("0.0")]);
        }
        return Bench.Table("200 texts of 20 words, one after the other.", ["precision", "p50, ms", "p99, ms"], rows);
    }
}
