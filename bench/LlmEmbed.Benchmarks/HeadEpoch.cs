using System.Diagnostics;
using System.Globalization;
using LlmEmbed.Engine;
using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Benchmarks;

/// <summary>One epoch of the reference head at the paper's size, its features read from a memory map, as a share of the matrix product rate measured in turn.</summary>
internal static class HeadEpoch
{
    private const int Decoder = 4096, DecoderViews = 5, Encoder = 1024, Encoders = 2, Classes = 2;

    /// <summary>Rows that differ; more would say nothing more about speed.</summary>
    private const int DistinctRows = 1024;

    public static int Run(int rows)
    {
        FeatureLayout layout = Layout();
        DirectoryInfo folder = Directory.CreateTempSubdirectory("llmembed-bench-");
        using FeatureMatrix features = new FeatureStorage(folder.FullName, MemoryBytes: 0).Allocate(rows, layout.FeatureCount);
        Random random = new(1);
        for (int row = 0; row < rows; row++)
        {
            Span<float> target = features.RowTarget(row);
            if (row >= DistinctRows) features.Row(row % DistinctRows).CopyTo(target);
            else foreach (ref float value in target) value = 2 * random.NextSingle() - 1;
        }
        HeadTrainingData data = new(features, [.. Enumerable.Range(0, rows).Select(row => row % Classes)], Classes, layout);
        CooccurrenceOptions options = CooccurrenceOptions.Reference(sigma: 0.1f, epochs: 1);
        CooccurrenceShape shape = new(layout, Classes, options.Hidden1, options.Hidden2);
        double operations = rows * OperationsPerRow(shape);

        Measurement seconds = new(), shares = new();
        for (int i = 0; i < Bench.Repetitions; i++)
        {
            double peak = EnginePeak.Measure(Precision.Fp32, size: 2048, seconds: 1);
            long start = Stopwatch.GetTimestamp();
            using CooccurrenceHead head = CooccurrenceTrainer.Train(data, options).Head;
            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            shares.Add(100 * operations / seconds.Last / peak);
        }
        folder.Delete(recursive: true);
        long parameters = shape.Parameters.Sum(parameter => parameter.Shape.Aggregate(1L, (product, size) => product * size));
        return Bench.Table(
            string.Create(CultureInfo.InvariantCulture, $"One epoch of the reference head, {parameters / 1e6:0.0} M parameters, {rows:N0} rows of {layout.FeatureCount:N0} features ({(double)rows * layout.FeatureCount * sizeof(float) / 1e9:0.0} GB) from a mapped file; median of {Bench.Repetitions} (range)."),
            ["seconds", "% of the matrix product rate"],
            [[seconds.Show("0.0"), shares.Show("0")]]);
    }

    /// <summary>Products forward and for the weights' gradients; the upper layers' inputs have gradients too. What fc1 reads of the Gram matrix, and that itself, is too small to count.</summary>
    private static double OperationsPerRow(CooccurrenceShape shape) =>
        shape.Parameters.Where(parameter => parameter.Shape.Length == 2)
            .Sum(parameter => (parameter.Name is "fc2.weight" or "fc3.weight" ? 6.0 : 4.0) * parameter.Shape[0] * parameter.Shape[1]);

    private static FeatureLayout Layout()
    {
        List<FeatureView> views = [.. Enumerable.Range(0, DecoderViews).Select(view => new FeatureView("decoder", 32 - view, Pooling.Mean, view * Decoder, Decoder))];
        views.AddRange(Enumerable.Range(0, Encoders).Select(view => new FeatureView($"encoder {view}", 24, Pooling.First, DecoderViews * Decoder + view * Encoder, Encoder)));
        return new FeatureLayout(views);
    }
}
