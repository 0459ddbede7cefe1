using LlmEmbed.Engine;

namespace LlmEmbed.Benchmarks;

/// <summary>The share of the matrix product rate that reading reaches on texts of about 64 tokens. The two are measured in turn.</summary>
internal static class Hardware
{
    /// <summary>Some blocks of published models' shapes with random weights, all of them read.</summary>
    public static int RunShapes()
    {
        string folder = Directory.CreateTempSubdirectory("llmembed-shapes").FullName;
        try
        {
            foreach (string shape in SyntheticCheckpoint.ShapeNames) SyntheticCheckpoint.Write(shape, Path.Combine(folder, shape));
            return Run([.. SyntheticCheckpoint.ShapeNames.Select(shape => $"{Path.Combine(folder, shape)}:-1")], textsOfCheckpoint: 160);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <param name="checkpoints">As PATH:DEPTH; none for the starters at their default views.</param>
    /// <param name="textsOfCheckpoint">How many texts a checkpoint reads in a repetition.</param>
    public static int Run(string[] checkpoints, int textsOfCheckpoint = 40)
    {
        List<string[]> rows = [];
        IEnumerable<(string, string?)> starters = Bench.Starters.Select(name => (name, (string?)null));
        foreach ((string backbone, string? depths) in checkpoints.Length > 0 ? checkpoints.Select(Parse) : starters)
        {
            Dictionary<Precision, Measurement> rates = new() { [Precision.Fp32] = new(), [Precision.Int8] = new() };
            Dictionary<Precision, Measurement> shares = new() { [Precision.Fp32] = new(), [Precision.Int8] = new() };
            double flops = (double)Bench.Inspect(backbone, ViewSelection.At(depths), Bench.Runtime)["flops_per_token"]!;
            using TextEncoder fp32 = Bench.Load(backbone, Precision.Fp32, depths), int8 = Bench.Load(backbone, Precision.Int8, depths);
            string[] texts = Bench.Texts(depths is null ? 600 : textsOfCheckpoint, 50);
            for (int i = 0; i < Bench.Repetitions; i++)
            {
                foreach (TextEncoder encoder in new[] { fp32, int8 })
                {
                    double peak = EnginePeak.Measure(encoder.Precision, size: 2048, seconds: 1), rate = Bench.Rate(encoder, texts);
                    rates[encoder.Precision].Add(rate);
                    shares[encoder.Precision].Add(100 * rate * flops / peak);
                }
            }
            string name = Path.GetFileName(fp32.Name);
            rows.AddRange(rates.Keys.Select(precision => new[] { name, $"{precision}", rates[precision].Show(), shares[precision].Show("0") }));
            rows.Add([name, "int8 / fp32", (rates[Precision.Int8].Median / rates[Precision.Fp32].Median).ToString("0.00"), ""]);
        }
        return Bench.Table(
            $"Median of {Bench.Repetitions} repetitions (range), measured in turn.",
            ["backbone", "precision", "tokens/s", "% of the matrix product rate"],
            rows);
    }

    private static (string Backbone, string? Depths) Parse(string checkpoint)
    {
        int colon = checkpoint.LastIndexOf(':');
        return (checkpoint[..colon], checkpoint[(colon + 1)..]);
    }
}
