namespace LlmEmbed.Benchmarks;

/// <summary>What a token costs at each depth cut, and at each length.</summary>
internal static class Scaling
{
    public static int Run()
    {
        List<string[]> rows = [];
        string[] medium = Bench.Texts(200, 50);
        foreach (int depth in new[] { 6, 12, 18, 24, 30 }) rows.Add(["depth", $"{depth}", .. Measure($"{depth}", medium)]);
        foreach (int words in new[] { 8, 16, 32, 64, 128, 256, 512 }) rows.Add(["words", $"{words}", .. Measure("24", Bench.Texts(Math.Max(8, 10_000 / words), words))]);
        return Bench.Table("SmolLM2-135M, int8; median of 5 repetitions (range).", ["varied", "value", "tokens/s", "µs per token"], rows);
    }

    private static string[] Measure(string depths, string[] texts)
    {
        using TextEncoder encoder = Bench.Load(Bench.Starters[0], Precision.Int8, depths, maxTokens: 1024);
        Measurement rate = new();
        for (int i = 0; i < Bench.Repetitions; i++) rate.Add(Bench.Rate(encoder, texts));
        return [rate.Show(), (1e6 / rate.Median).ToString("0")];
    }
}
