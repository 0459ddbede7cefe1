using System.Diagnostics;

namespace LlmEmbed.Benchmarks;

/// <summary>A checkpoint of LLaMA-2-7B's shape, which is larger than the memory that it is given.</summary>
internal static class SevenBillion
{
    /// <param name="folder">The checkpoint to write.</param>
    /// <param name="blocks">32 for all of it; a few suffice to measure blocks.</param>
    public static int Write(string folder, int blocks)
    {
        SyntheticCheckpoint.WriteLlama(
            folder, vocabulary: 32000, hidden: 4096, intermediate: 11008, heads: 32, keyHeads: 32, blocks, fillsBlocks: true);
        // Any tokenizer will do whose ids are all in the vocabulary.
        File.Copy(Path.Combine(Bench.Root(), "models", Bench.Starters[1], "tokenizer.json"), Path.Combine(folder, "tokenizer.json"), overwrite: true);
        return 0;
    }

    /// <summary>
    /// All blocks in parts, beside four blocks in memory, which shows what loading costs. The more texts share the loading, the less it costs.
    /// </summary>
    public static int Run(string folder, string limit, int textCount = 60)
    {
        RuntimeOptions runtime = Bench.Runtime with { MemoryBytes = (long)(double.Parse(limit) * 1e9) };
        string[] texts = Bench.Texts(60, 80);
        using TextEncoder few = Bench.Load(folder, Precision.Fp32, "4");
        Measurement inMemory = new();
        for (int i = 0; i < 2; i++) inMemory.Add(4 * Bench.Rate(few, texts));
        few.Dispose();
        ViewSelection last = ViewSelection.At("-1");
        long start = Stopwatch.GetTimestamp();
        using TextEncoder all = TextEncoder.Load(folder, new() { Precision = Precision.Fp32, Views = last }, runtime);
        EncodingStatistics statistics = all.Encode(Bench.Texts(textCount, 80)).Statistics;
        double rate = all.BlockCount * statistics.Tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
        double mostGigabytes = Bench.MostMemoryOf(Process.GetCurrentProcess()) / 1e9;
        int parts = (int)Bench.Inspect(folder, last, runtime)["fp32"]!["loaded_in_parts"]!;
        return Bench.Table(
            $"{statistics.Tokens:N0} tokens through {all.BlockCount} blocks, {(all.BlockCount + parts - 1) / parts} at a time, in {limit} GB.",
            ["", "blocks × tokens per second", "peak memory of the process, GB"],
            [
                ["4 blocks in memory", inMemory.Show(), ""],
                ["all blocks in parts", $"{rate:N0} ({rate / inMemory.Median:P0})", $"{mostGigabytes:0.0}"],
            ]);
    }
}
