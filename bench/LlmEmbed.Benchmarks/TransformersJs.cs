using System.Diagnostics;
using System.Numerics.Tensors;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// Texts per second of all-MiniLM-L6-v2 beside Transformers.js with its own tokenizer and pooling, on a graph as exporters write it, in fp32 and in
/// dynamic int8.
/// </summary>
internal static class TransformersJs
{
    private const int MostTexts = 2000, BatchSize = 32;

    public static int Run(string file)
    {
        string[] texts = [.. Bench.ReadTexts(file).Where(text => text.Length > 0).Distinct().Take(MostTexts)];
        DirectoryInfo folder = Directory.CreateTempSubdirectory("llmembed-bench-");
        DirectoryInfo model = folder.CreateSubdirectory("minilm"), graphs = model.CreateSubdirectory("onnx");
        string textsFile = Path.Combine(folder.FullName, "texts.json");
        File.WriteAllText(textsFile, JsonSerializer.Serialize(texts));
        using TextEncoder fp32 = Bench.Load(Bench.Starters[1], Precision.Fp32, "-1", maxTokens: 512);
        using TextEncoder int8 = Bench.Load(Bench.Starters[1], Precision.Int8, "-1", maxTokens: 512);
        string checkpoint = Path.Combine(Bench.Root(), "models", Bench.Starters[1]);
        foreach (string name in new[] { "config.json", "tokenizer.json", "tokenizer_config.json" })
            File.Copy(Path.Combine(checkpoint, name), Path.Combine(model.FullName, name));
        ExportedEncoder.Write(checkpoint, isInt8: false, Path.Combine(graphs.FullName, "model.onnx"));
        ExportedEncoder.Write(checkpoint, isInt8: true, Path.Combine(graphs.FullName, "model_quantized.onnx"));
        float[] exact = fp32.Encode([texts[0]]).Values.ToArray();
        List<string[]> rows = [];
        foreach ((TextEncoder encoder, string dtype) in new[] { (fp32, "fp32"), (int8, "q8") })
        {
            Measurement own = new(), given = new(), sorted = new();
            float[] first = [];
            for (int i = 0; i < Bench.Repetitions; i++)
            {
                long start = Stopwatch.GetTimestamp();
                encoder.Encode(texts);
                own.Add(texts.Length / Stopwatch.GetElapsedTime(start).TotalSeconds);
                string[] arguments = ["transformers.mjs", folder.FullName, textsFile, dtype, $"{Environment.ProcessorCount}", $"{BatchSize}"];
                JsonNode result = Bench.Json("node", arguments);
                given.Add((double)result["given"]!);
                sorted.Add((double)result["sorted"]!);
                first = [.. result["first"]!.AsArray().Select(value => (float)value!)];
            }
            string precision = encoder.Precision.ToString().ToLowerInvariant();
            string likeness = TensorPrimitives.CosineSimilarity<float>(first, exact).ToString("0.00000");
            rows.Add(["LlmEmbed", precision, own.Show(), "", ""]);
            rows.Add(["Transformers.js, texts as they come", precision, given.Show(), (own.Median / given.Median).ToString("0.00"), likeness]);
            rows.Add(["Transformers.js, the shortest first", precision, sorted.Show(), (own.Median / sorted.Median).ToString("0.00"), likeness]);
        }
        folder.Delete(recursive: true);
        return Bench.Table(
            $"all-MiniLM-L6-v2, from texts to means of their last states, {texts.Length} texts of {Bench.DataSetOf(file)}; " +
                $"median of {Bench.Repetitions} repetitions (range), in turn; {BatchSize} texts a call.",
            ["engine", "precision", "texts/s", "we are faster by", "cosine of its first text with our fp32"],
            rows);
    }
}
