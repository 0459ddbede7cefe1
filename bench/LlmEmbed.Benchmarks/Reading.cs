using LlmEmbed.Comparison;
using LlmEmbed.Data;

namespace LlmEmbed.Benchmarks;

/// <summary>Seconds that recipe auto reads its training texts, sample and dropped views included, beside those that the released recipe needs for the same texts, in turn.</summary>
internal static class Reading
{
    public static int Run(string trainingFile, int? count)
    {
        DirectoryInfo weights = Directory.CreateTempSubdirectory("llmembed-bench-");
        IReadOnlyList<LabeledText> examples = LabeledTableReader.ReadForTraining(trainingFile, new LabeledTableOptions()).Sample(count, seed: 1).Examples;
        EncoderOptions encoder = new() { Precision = Precision.Int8, WeightsFolder = weights.FullName, ModelFolders = [Path.Combine(Bench.Root(), "models")] };
        string[] texts = [.. examples.Select(example => example.Text)];
        _ = SecondsOfReleased(encoder, texts[..64]); // quantizes

        Measurement released = new(), auto = new(), share = new();
        for (int i = 0; i < Bench.Repetitions; i++)
        {
            released.Add(SecondsOfReleased(encoder, texts));
            auto.Add(SecondsOfAuto(encoder, examples));
            share.Add(100 * auto.Last / released.Last);
        }
        weights.Delete(recursive: true);
        return Bench.Table(
            $"{texts.Length:N0} texts of {trainingFile}, int8; median of {Bench.Repetitions} repetitions (range), measured in turn.",
            ["released recipe, seconds", "auto, seconds", "share, %"],
            [[released.Show("0.0"), auto.Show("0.0"), share.Show("0")]]);
    }

    private static double SecondsOfReleased(EncoderOptions options, string[] texts) => Bench.Starters.Sum(backbone =>
    {
        using TextEncoder encoder = TextEncoder.Load(backbone, options with { ViewsOf = MethodComparison.BaselineViews });
        return encoder.Encode(texts).Statistics.Elapsed.TotalSeconds;
    });

    private static double SecondsOfAuto(EncoderOptions options, IReadOnlyList<LabeledText> examples)
    {
        using TextClassifier classifier = TextClassifier.Train(examples, new TrainingOptions { Backbones = Bench.Starters, Encoder = options });
        return MethodComparison.Read(classifier).Sum(part => part.Elapsed.TotalSeconds);
    }
}
