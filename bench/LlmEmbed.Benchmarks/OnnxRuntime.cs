using System.Numerics.Tensors;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Tokenization;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// Tokens per second of all-MiniLM-L6-v2 beside onnxruntime-node, the engine under Transformers.js, on a graph as exporters write it, in fp32 and in
/// dynamic int8.
/// </summary>
internal static class OnnxRuntime
{
    /// <summary>Texts per call, which Transformers.js leaves to its user. They are sorted by length here, to its advantage.</summary>
    private static readonly int[] BatchSizes = [1, 8, 32];

    public static int Run()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("llmembed-bench-");
        List<string[]> rows = [];
        using TextEncoder fp32 = Bench.Load(Bench.Starters[1], Precision.Fp32, "-1", maxTokens: 512);
        using TextEncoder int8 = Bench.Load(Bench.Starters[1], Precision.Int8, "-1", maxTokens: 512);
        string checkpoint = Path.Combine(Bench.Root(), "models", Bench.Starters[1]);
        Tokenizer tokenizer = Tokenizer.Load(checkpoint);
        string PathOf(Precision precision) => Path.Combine(folder.FullName, $"{precision}.onnx");
        ExportedEncoder.Write(checkpoint, isInt8: false, PathOf(Precision.Fp32));
        ExportedEncoder.Write(checkpoint, isInt8: true, PathOf(Precision.Int8));
        string textsFile = Path.Combine(folder.FullName, "texts.json");
        foreach ((int words, int count) in new[] { (12, 800), (50, 200), (400, 24) })
        {
            string[] texts = Bench.Texts(count, words);
            // The peer gets token ids, so that it is spared the tokenization. The library's time includes it.
            int[][] ids = [.. texts.Select(text => tokenizer.Encode(text, fp32.MaxTokens).Ids)];
            File.WriteAllText(textsFile, JsonSerializer.Serialize(ids));
            Dictionary<(string Engine, Precision Precision), Measurement> rates = [];
            Dictionary<Precision, double> likeness = [];
            for (int i = 0; i < Bench.Repetitions; i++)
            {
                foreach (TextEncoder encoder in new[] { fp32, int8 })
                {
                    Add("LlmEmbed", encoder.Precision, Bench.Rate(encoder, texts));
                    string sizes = string.Join(',', BatchSizes);
                    JsonNode result = Bench.Json("node", ["onnx.mjs", PathOf(encoder.Precision), textsFile, $"{Environment.ProcessorCount}", sizes]);
                    Add("onnxruntime-node", encoder.Precision, result["rates"]!.AsArray().Max(rate => (double)rate!));
                    float[] theirs = [.. result["first"]!.AsArray().Select(value => (float)value!)];
                    likeness[encoder.Precision] = TensorPrimitives.CosineSimilarity<float>(theirs, fp32.Encode([texts[0]]).Values);
                }
            }
            rows.AddRange(rates.OrderBy(pair => pair.Key.Precision).Select(pair => new[]
            {
                $"{ids.Average(text => text.Length):0}", pair.Key.Engine, $"{pair.Key.Precision}", pair.Value.Show(),
                pair.Key.Engine == "LlmEmbed" ? "" : (rates[("LlmEmbed", pair.Key.Precision)].Median / pair.Value.Median).ToString("0.00"),
                pair.Key.Engine == "LlmEmbed" ? "" : likeness[pair.Key.Precision].ToString("0.00000"),
            }));

            void Add(string engine, Precision precision, double rate)
            {
                rates.TryAdd((engine, precision), new Measurement());
                rates[(engine, precision)].Add(rate);
            }
        }
        folder.Delete(recursive: true);
        return Bench.Table(
            $"all-MiniLM-L6-v2, all blocks; median of {Bench.Repetitions} repetitions (range), in turn; " +
                "onnxruntime-node at the best of 1, 8 and 32 texts a call.",
            ["tokens per text", "engine", "precision", "tokens/s", "we are faster by", "cosine of its first text with our fp32"],
            rows);
    }
}
