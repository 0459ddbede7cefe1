using System.Diagnostics;
using LlmEmbed.Files;

namespace LlmEmbed.Benchmarks;

/// <summary>A checkpoint of LLaMA-2-7B's shape, which is larger than the memory that it is given.</summary>
internal static class SevenBillion
{
    private const int Hidden = 4096, Intermediate = 11008, Heads = 32, Vocabulary = 32000;

    /// <param name="folder">The checkpoint to write.</param>
    /// <param name="blocks">32 for all of it; a few do to measure blocks.</param>
    public static int Write(string folder, int blocks)
    {
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "config.json"), $$"""
            {"model_type": "llama", "vocab_size": {{Vocabulary}}, "hidden_size": {{Hidden}}, "intermediate_size": {{Intermediate}}, "num_hidden_layers": {{blocks}},
             "num_attention_heads": {{Heads}}, "max_position_embeddings": 4096, "rms_norm_eps": 1e-5, "hidden_act": "silu"}
            """);
        // Any tokenizer whose ids the vocabulary holds will do.
        File.Copy(Path.Combine(Bench.Root(), "models", Bench.Starters[1], "tokenizer.json"), Path.Combine(folder, "tokenizer.json"), overwrite: true);
        List<(string Name, long[] Shape)> tensors = [("model.embed_tokens.weight", [Vocabulary, Hidden]), ("model.norm.weight", [Hidden])];
        for (int block = 0; block < blocks; block++)
        {
            string prefix = $"model.layers.{block}";
            tensors.AddRange([($"{prefix}.input_layernorm.weight", [Hidden]), ($"{prefix}.post_attention_layernorm.weight", [Hidden])]);
            foreach (string name in new[] { "q", "k", "v", "o" }) tensors.Add(($"{prefix}.self_attn.{name}_proj.weight", [Hidden, Hidden]));
            tensors.AddRange([($"{prefix}.mlp.gate_proj.weight", [Intermediate, Hidden]), ($"{prefix}.mlp.up_proj.weight", [Intermediate, Hidden]), ($"{prefix}.mlp.down_proj.weight", [Hidden, Intermediate])]);
        }
        using SafetensorsWriter writer = SafetensorsWriter.Create(Path.Combine(folder, "model.safetensors"), [], [.. tensors.Select(tensor => new SafetensorsLayout(tensor.Name, "F16", tensor.Shape[1..]))]);
        Random random = new(1);
        foreach ((string name, long[] shape) in tensors)
        {
            Half[] row = new Half[shape.Length == 1 ? 1 : shape[1]];
            for (long i = 0; i < shape[0]; i++)
            {
                // Uniform with the variance of the usual initialisation; norms are ones.
                if (shape.Length == 1) row[0] = Half.One;
                else for (int j = 0; j < row.Length; j++) row[j] = (Half)((random.NextSingle() - 0.5f) * 0.07f);
                writer.Append<Half>(name, row);
            }
        }
        writer.Commit();
        return 0;
    }

    /// <summary>All blocks in parts, beside four blocks in memory: what loading costs. It costs the less, the more texts share it.</summary>
    public static int Run(string folder, string limit, int textCount = 60)
    {
        long bytes = (long)(double.Parse(limit) * 1e9);
        string[] texts = Bench.Texts(60, 80);
        using TextEncoder few = Bench.Load(folder, Precision.Fp32, "4");
        Measurement inMemory = new();
        for (int i = 0; i < 2; i++) inMemory.Add(4 * Bench.Rate(few, texts));
        few.Dispose();
        long start = Stopwatch.GetTimestamp();
        using TextEncoder all = TextEncoder.Load(folder, new() { Precision = Precision.Fp32, Depths = "-1", MemoryBytes = bytes });
        EncodingStatistics statistics = all.Encode(Bench.Texts(textCount, 80)).Statistics;
        double rate = all.BlockCount * statistics.Tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
        return Bench.Table(
            $"{statistics.Tokens:N0} tokens through {all.BlockCount} blocks, {all.MemoryPlan.Runs[0].End} at a time, in {limit} GB.",
            ["", "blocks × tokens per second", "peak memory of the process, GB"],
            [["4 blocks in memory", inMemory.Show(), ""], ["all blocks in parts", $"{rate:N0} ({rate / inMemory.Median:P0})", $"{Bench.MostMemoryOf(Process.GetCurrentProcess()) / 1e9:0.0}"]]);
    }
}
