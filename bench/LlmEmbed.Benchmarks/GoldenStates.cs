using System.Numerics.Tensors;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlmEmbed.Benchmarks;

/// <summary>How far checkpoints with golden values are from them in fp32, and how close int8 is to fp32.</summary>
internal static class GoldenStates
{
    /// <param name="fixtures">
    /// A folder with checkpoints that have golden.json and golden.safetensors, sentence-transformers repositories under <c>sentence</c> and GGUF
    /// files under <c>gguf-families</c>.
    /// </param>
    public static int Run(string fixtures)
    {
        List<string[]> rows = [];
        foreach (string folder in Directory.GetDirectories(fixtures).Order(StringComparer.Ordinal))
            if (File.Exists(Path.Combine(folder, "golden.json")) && File.Exists(Path.Combine(folder, "config.json")))
                rows.Add(Row(Path.GetFileName(folder), folder, Path.Combine(folder, "golden.json"), Path.Combine(folder, "golden.safetensors")));
        foreach (string folder in Directory.GetDirectories(Path.Combine(fixtures, "sentence")).Order(StringComparer.Ordinal))
            if (File.Exists(Path.Combine(folder, "golden.json"))) rows.AddRange(SentenceRows(folder));
        foreach (string file in Directory.GetFiles(Path.Combine(fixtures, "gguf-families"), "*.gguf").Order(StringComparer.Ordinal))
        {
            string name = Path.GetFileNameWithoutExtension(file), family = name[..name.LastIndexOf('-')];
            string states = Path.ChangeExtension(file, ".golden.safetensors"), folder = Path.GetDirectoryName(file)!;
            if (!File.Exists(states)) (family, states) = ("bert", Path.Combine(folder, "bert-F32.golden.safetensors"));
            rows.Add(Row($"gguf-families/{name}", file, Path.Combine(folder, $"{family}.json"), states));
        }
        return Bench.Table(
            "Mean and last token at every depth, or the sentence vector. The cosine is the lowest one over depths and poolings, of states without " +
                "their mean over the texts.",
            ["checkpoint", "largest difference in fp32", "largest value", "cosine of int8 with fp32"],
            rows);
    }

    private static string[] Row(string name, string checkpoint, string facts, string states)
    {
        JsonNode golden = JsonNode.Parse(File.ReadAllText(facts))!;
        Dictionary<string, Tensor> tensors = Safetensors.Read(states);
        ViewSelection views = ViewSelection.At("all", [Pooling.Mean, Pooling.Last]);
        EncoderOptions options = new() { Views = views, MaxTokens = (int)golden["max_length"]!, Precision = Precision.Fp32 };
        string[] texts = golden["texts"]!.Deserialize<string[]>()!;
        return Compared(name, checkpoint, options, texts, view => tensors[$"{(view.Pooling == Pooling.Mean ? "mean" : "last")}.{view.Depth}"].Values);
    }

    /// <summary>One row without prompt, one for each prompt and one for what is read by default.</summary>
    private static IEnumerable<string[]> SentenceRows(string folder)
    {
        JsonNode golden = JsonNode.Parse(File.ReadAllText(Path.Combine(folder, "golden.json")))!;
        string[] texts = golden["texts"]!.Deserialize<string[]>()!;
        foreach ((string name, Tensor tensor) in Safetensors.Read(Path.Combine(folder, "golden.safetensors")))
        {
            EncoderOptions options = new() { Views = ViewSelection.At(null, [Pooling.Sentence]), Precision = Precision.Fp32 };
            if (name == "sentence") options = options with { Prompt = "" };
            else if (name.StartsWith("sentence.", StringComparison.Ordinal)) options = options with { PromptName = name["sentence.".Length..] };
            else if (name != "default") continue;
            yield return Compared($"sentence/{Path.GetFileName(folder)} {name}", folder, options, texts, _ => tensor.Values);
        }
    }

    private static string[] Compared(string name, string checkpoint, EncoderOptions options, string[] texts, Func<View, float[]> golden)
    {
        try
        {
            using TextEncoder fp32 = TextEncoder.Load(checkpoint, options, Bench.Runtime);
            using TextEncoder int8 = TextEncoder.Load(checkpoint, options with { Precision = Precision.Int8 }, Bench.Runtime);
            TextEmbeddings exact = fp32.Encode(texts), quantized = int8.Encode(texts);
            double difference = 0, largest = 0, cosine = 1;
            for (int view = 0; view < exact.Views.Count; view++)
            {
                float[] expected = golden(exact.Views[view]), ours = Column(exact, view);
                for (int i = 0; i < expected.Length; i++) difference = Math.Max(difference, Math.Abs(expected[i] - ours[i]));
                largest = Math.Max(largest, TensorPrimitives.MaxMagnitude<float>(expected) is var most ? Math.Abs(most) : 0);
                if (exact.Views[view].Depth != 0) cosine = Math.Min(cosine, CentredCosine(ours, Column(quantized, view), texts.Length));
            }
            return [name, difference.ToString("0.0e+0"), largest.ToString("0.0"), cosine.ToString("0.0000")];
        }
        catch (LlmEmbedException exception)
        {
            return [name, exception.Message, "", ""];
        }
    }

    private static float[] Column(TextEmbeddings embeddings, int view) =>
        [.. Enumerable.Range(0, embeddings.Count).SelectMany(text => embeddings[text, view].ToArray())];

    /// <summary>The mean over the texts of the cosine of what remains when the mean of the exact states is taken off.</summary>
    private static double CentredCosine(float[] exact, float[] quantized, int texts)
    {
        int size = exact.Length / texts;
        float[] mean = [.. Enumerable.Range(0, size).Select(i => Enumerable.Range(0, texts).Average(text => exact[text * size + i]))];
        float[] Centred(float[] values, int text) => [.. values.Skip(text * size).Take(size).Zip(mean, (value, centre) => value - centre)];
        return Enumerable.Range(0, texts).Average(
            text => (double)TensorPrimitives.CosineSimilarity<float>(Centred(exact, text), Centred(quantized, text)));
    }
}
