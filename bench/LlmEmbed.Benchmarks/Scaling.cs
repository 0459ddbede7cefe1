using System.Diagnostics;
using System.Globalization;
using LlmEmbed.Data;

namespace LlmEmbed.Benchmarks;

/// <summary>What a token costs at each cut depth and at each length, and what rows of a stream cost; with plots in docs/results.</summary>
internal static class Scaling
{
    private static readonly int[] Depths = [6, 12, 18, 24, 30], Words = [8, 16, 32, 64, 128, 256, 512];

    public static int Run()
    {
        string[] medium = Bench.Texts(200, 50);
        List<string[]> rows = [];
        (double, double)[] depths = [.. Depths.Select(depth => ((double)depth, Measure($"{depth}", medium, "depth", depth, rows)))];
        string[] OfLength(int words) => Bench.Texts(Math.Max(8, 10_000 / words), words);
        (double, double)[] lengths = [.. Words.Select(words => ((double)words, Measure("24", OfLength(words), "words", words, rows)))];
        Plot.Write(Result("scaling-depth.svg"), "SmolLM2-135M, int8: time against depth", "blocks that run", "µs per token", depths);
        Plot.Write(Result("scaling-length.svg"), "SmolLM2-135M, int8, 24 blocks: time against length", "words per text", "µs per token", lengths);
        return Bench.Table(
            $"SmolLM2-135M, int8; median of {Bench.Repetitions} repetitions (range).", ["varied", "value", "tokens/s", "µs per token"], rows);
    }

    /// <summary>Synthetic texts of eight words through predict's pipeline, from an enumeration to a file.</summary>
    public static int Rows(int most)
    {
        Recipe recipe = new Recipe.Automatic { Backbones = [Bench.Starters[1]], Precision = Precision.Int8 };
        LabeledText[] examples = [.. Bench.Texts(40, 8).Select((text, i) => new LabeledText(text, i % 2 == 0 ? "a" : "b"))];
        using TextClassifier classifier = TextClassifier.Train(examples, new() { Recipe = recipe }, Bench.Runtime);
        string[] words = Bench.Texts(1, 2000)[0].Split(' ');
        string output = Path.GetTempFileName();
        List<string[]> rows = [];
        List<(double, double)> points = [];
        for (int count = Math.Min(10_000, most); count <= most; count *= 10)
        {
            (double seconds, double bytes) = Predict(classifier, words, count, output);
            points.Add((count, seconds));
            string Show(double value, string format = "N0") => value.ToString(format, CultureInfo.InvariantCulture);
            rows.Add([Show(count), Show(seconds, "0.0"), Show(count / seconds), Show(bytes / 1e6)]);
        }
        File.Delete(output);
        const string Title = "all-MiniLM-L6-v2, int8: time against rows";
        Plot.Write(Result("scaling-rows.svg"), Title, "texts of eight words", "seconds", points, isLogarithmic: true);
        return Bench.Table(
            "all-MiniLM-L6-v2, int8, texts of eight words from an enumeration to a CSV file; one run each.",
            ["rows", "seconds", "rows/s", "most memory of the process, MB"],
            rows);
    }

    private static (double Seconds, double MostBytes) Predict(TextClassifier classifier, string[] words, int count, string output)
    {
        IEnumerable<string> texts = Enumerable.Range(0, count).Select(i =>
        {
            Random random = new(i);
            return string.Join(' ', Enumerable.Range(0, 8).Select(_ => words[random.Next(words.Length)]));
        });
        double most = 0;
        long start = Stopwatch.GetTimestamp();
        using TableWriter writer = TableWriter.Create(output, ["text", "label"], TableFormat.Csv);
        foreach ((string[] chunk, IReadOnlyList<Prediction> predictions) in classifier.Predict(texts, text => text))
        {
            foreach ((string text, Prediction prediction) in chunk.Zip(predictions)) writer.Write([text, prediction.Label]);
            most = Math.Max(most, Environment.WorkingSet);
        }
        writer.Flush();
        return (Stopwatch.GetElapsedTime(start).TotalSeconds, most);
    }

    /// <returns>Microseconds per token.</returns>
    private static double Measure(string depths, string[] texts, string varied, int value, List<string[]> rows)
    {
        using TextEncoder encoder = Bench.Load(Bench.Starters[0], Precision.Int8, depths, maxTokens: 1024);
        Measurement rate = new();
        for (int i = 0; i < Bench.Repetitions; i++) rate.Add(Bench.Rate(encoder, texts));
        rows.Add([varied, $"{value}", rate.Show(), (1e6 / rate.Median).ToString("0")]);
        return 1e6 / rate.Median;
    }

    private static string Result(string name) => Path.Combine(Bench.Root(), "docs", "results", name);
}
