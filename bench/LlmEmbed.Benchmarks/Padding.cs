using System.Globalization;

namespace LlmEmbed.Benchmarks;

/// <summary>The share of computed tokens that are padding, found by planning the batches of files without running them.</summary>
internal static class Padding
{
    public static int Run(string[] files)
    {
        TextEncoder[] encoders = [.. Bench.Starters.Select(starter => TextEncoder.Load(starter, new() { Precision = Precision.Fp32, ModelFolders = [Path.Combine(Bench.Root(), "models")] }))];
        List<string[]> rows = [];
        foreach (string file in files)
        {
            string[] texts = Bench.ReadTexts(file);
            rows.AddRange(encoders.Select(encoder => new[]
            {
                $"{Path.GetFileName(Path.GetDirectoryName(file))}/{Path.GetFileName(file)}", encoder.Name, $"{texts.Length:N0}", Share(encoder, [texts]), Share(encoder, TextClassifier.InChunks(texts, text => text)),
            }));
        }
        foreach (TextEncoder encoder in encoders) encoder.Dispose();
        return Bench.Table("Padding among the tokens that are computed.", ["file", "backbone", "texts", "train, evaluate", "predict"], rows);
    }

    private static string Share(TextEncoder encoder, IEnumerable<string[]> calls)
    {
        int[][] batches = [.. calls.SelectMany(encoder.PlannedLengths)];
        double real = batches.Sum(lengths => (double)lengths.Sum()), computed = batches.Sum(lengths => (double)lengths.Length * lengths.Max());
        return (1 - real / computed).ToString("P1", CultureInfo.InvariantCulture);
    }
}
