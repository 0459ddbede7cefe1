using LlmEmbed.Engine;

namespace LlmEmbed.Benchmarks;

/// <summary>The share of the matrix product rate, measured in turn with it, that extraction reaches on texts of about 64 tokens.</summary>
internal static class Hardware
{
    /// <param name="checkpoints">As PATH:DEPTH; none for the starters at their default views.</param>
    public static int Run(string[] checkpoints)
    {
        List<string[]> rows = [];
        IEnumerable<(string, string?)> given = checkpoints.Select(text => (text[..text.LastIndexOf(':')], (string?)text[(text.LastIndexOf(':') + 1)..]));
        foreach ((string backbone, string? depths) in checkpoints.Length > 0 ? given : Bench.Starters.Select(name => (name, (string?)null)))
        {
            Dictionary<Precision, Measurement> rates = new() { [Precision.Fp32] = new(), [Precision.Int8] = new() }, shares = new() { [Precision.Fp32] = new(), [Precision.Int8] = new() };
            using TextEncoder fp32 = Bench.Load(backbone, Precision.Fp32, depths), int8 = Bench.Load(backbone, Precision.Int8, depths);
            string[] texts = Bench.Texts(depths is null ? 600 : 40, 50);
            double flops = 2.0 * fp32.Backbone.ParameterCount(fp32.Views.Max(view => view.Depth));
            for (int i = 0; i < Bench.Repetitions; i++)
            {
                foreach (TextEncoder encoder in new[] { fp32, int8 })
                {
                    double peak = EnginePeak.Measure(encoder.Precision, size: 2048, seconds: 1), rate = Bench.Rate(encoder, texts);
                    rates[encoder.Precision].Add(rate);
                    shares[encoder.Precision].Add(100 * rate * flops / peak);
                }
            }
            rows.AddRange(rates.Keys.Select(precision => new[] { Path.GetFileName(fp32.Name), $"{precision}", rates[precision].Show(), shares[precision].Show("0") }));
            rows.Add([Path.GetFileName(fp32.Name), "int8 / fp32", (rates[Precision.Int8].Median / rates[Precision.Fp32].Median).ToString("0.00"), ""]);
        }
        return Bench.Table($"Median of {Bench.Repetitions} repetitions (range), measured in turn.", ["backbone", "precision", "tokens/s", "% of the matrix product rate"], rows);
    }
}
