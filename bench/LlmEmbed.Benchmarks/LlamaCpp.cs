using System.Text.Json;
using System.Text.Json.Nodes;

namespace LlmEmbed.Benchmarks;

/// <summary>Tokens per second at full depth, in turn with llama.cpp on the same file.</summary>
internal static class LlamaCpp
{
    /// <param name="file">The file that both read.</param>
    /// <param name="otherFormats">Other formats of the same model, which llama.cpp reads beside it.</param>
    /// <param name="mostWords">Words of the longest texts, about four tokens for three words.</param>
    public static int Run(string file, string[] otherFormats, int mostWords)
    {
        List<string[]> rows = [];
        using TextEncoder int8 = Bench.Load(file, Precision.Int8, "-1", maxTokens: 5 * mostWords / 3);
        using TextEncoder fp32 = Bench.Load(file, Precision.Fp32, "-1", maxTokens: 5 * mostWords / 3);
        foreach ((int words, int count) in new[] { (12, 160), (50, 48), (mostWords, 8) })
        {
            string[] texts = Bench.Texts(count, words);
            string textsFile = Path.GetTempFileName();
            File.WriteAllText(textsFile, JsonSerializer.Serialize(texts));
            Measurement ours = new(), ours32 = new();
            Dictionary<string, Measurement> theirs = [];
            long tokens = 0;
            for (int i = 0; i < Bench.Repetitions; i++)
            {
                ours.Add(Bench.Rate(int8, texts));
                ours32.Add(Bench.Rate(fp32, texts));
                foreach (string theirFile in otherFormats.Prepend(file))
                {
                    JsonNode result = Bench.Json("node", ["llama.mjs", Path.GetFullPath(theirFile), textsFile, $"{Environment.ProcessorCount}"]);
                    tokens = (long)result["tokens"]!;
                    string name = Path.GetFileNameWithoutExtension(theirFile);
                    theirs.TryAdd(name, new Measurement());
                    theirs[name].Add(Math.Max((double)result["single"]!, (double)result["batched"]!));
                }
            }
            File.Delete(textsFile);
            string length = $"{tokens / count}";
            rows.Add([length, "LlmEmbed int8", ours.Show(), ""]);
            rows.Add([length, "LlmEmbed fp32", ours32.Show(), (ours.Median / ours32.Median).ToString("0.0")]);
            foreach ((string name, Measurement rate) in theirs)
                rows.Add([length, $"llama.cpp {name}", rate.Show(), (ours.Median / rate.Median).ToString("0.0")]);
        }
        return Bench.Table(
            $"{Path.GetFileName(file)}, all {int8.BlockCount} blocks; median of {Bench.Repetitions} repetitions (range), measured in turn; " +
                "llama.cpp at the better of one by one and batched.",
            ["tokens per text", "engine", "tokens/s", "int8 is faster by"],
            rows);
    }
}
