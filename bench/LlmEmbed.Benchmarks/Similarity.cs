using System.Globalization;
using System.Numerics.Tensors;
using LlmEmbed.Reading;

namespace LlmEmbed.Benchmarks;

/// <summary>How close int8 is to fp32, view by view, on texts that neither the calibration nor the choice of the precision has seen.</summary>
internal static class Similarity
{
    public static int Run(string file, int count = 300)
    {
        string[] texts = [.. Bench.ReadTexts(file).Take(count)];
        List<string[]> rows = [];
        foreach (string starter in Bench.Starters)
        {
            TextEmbeddings exact = Read(Precision.Fp32), quantized = Read(Precision.Int8);
            rows.AddRange(exact.Views.Select((view, index) => RowOf(starter, view, Centred(exact, index), Centred(quantized, index))));

            TextEmbeddings Read(Precision precision)
            {
                EncoderOptions options = new() { Precision = precision, Views = ViewSelection.Candidates };
                using TextEncoder encoder = TextEncoder.Load(starter, options, Bench.Runtime);
                return encoder.Encode(texts);
            }
        }
        return Bench.Table(
            $"{texts.Length} texts of {Bench.DataSetOf(file)}; the mean of the texts taken off; " +
                "noise: variance of the error of a feature by its variance.",
            ["backbone", "view", "centred cosine: mean", "lowest", "noise: mean of the features"],
            rows);
    }

    /// <summary>One view of all texts, without its mean over the texts: [N][H].</summary>
    private static float[][] Centred(TextEmbeddings embeddings, int view)
    {
        float[][] rows = [.. Enumerable.Range(0, embeddings.Count).Select(text => embeddings[text, view].ToArray())];
        float[] mean = new float[embeddings.HiddenSize];
        foreach (float[] row in rows) TensorPrimitives.MultiplyAdd(row, 1f / rows.Length, mean, mean);
        foreach (float[] row in rows) TensorPrimitives.Subtract(row, mean, row);
        return rows;
    }

    private static string[] RowOf(string backbone, View view, float[][] exact, float[][] quantized)
    {
        double[] cosines = [.. exact.Zip(quantized, (a, b) => (double)TensorPrimitives.CosineSimilarity<float>(a, b))];
        // The noise of a feature is relative to its variance, so a feature that never varies has none.
        int[] features = [.. Enumerable.Range(0, exact[0].Length).Where(feature => exact.Any(row => Math.Abs(row[feature]) > 1e-6))];
        double noise = features.Average(NoiseOf);
        return [backbone, Poolings.NameOf(view), Show(cosines.Average()), Show(cosines.Min()), Show(noise)];

        double NoiseOf(int feature) => exact.Zip(quantized, (a, b) => Square(a[feature] - b[feature])).Sum() / exact.Sum(row => Square(row[feature]));
        static double Square(double value) => value * value;
        static string Show(double value) => value.ToString("0.0000", CultureInfo.InvariantCulture);
    }
}
