namespace LlmEmbed.Benchmarks;

/// <summary>
/// Seconds that recipe auto reads its training texts, the sample and dropped backbones included, beside those that the released recipe needs for the
/// same texts. The two are measured in turn.
/// </summary>
internal static class Reading
{
    /// <summary>What the baselines read of each starter, of which the released recipe's views are most.</summary>
    private static readonly ViewSelection[] ReleasedViews =
        [ViewSelection.At("last5", [Pooling.Mean]), ViewSelection.At("-1", [Pooling.Pooler, Pooling.First, Pooling.Mean])];

    public static int Run(string trainingFile, int? count)
    {
        DirectoryInfo weights = Directory.CreateTempSubdirectory("llmembed-bench-");
        RuntimeOptions runtime = Bench.Runtime with { WeightsFolder = weights.FullName };
        IReadOnlyList<LabeledText> examples = Bench.ReadForTraining(trainingFile, count);
        string[] texts = [.. examples.Select(example => example.Text)];
        _ = SecondsOfReleased(runtime, texts[..Math.Min(64, texts.Length)]); // quantizes

        Measurement released = new(), auto = new(), share = new();
        for (int i = 0; i < Bench.Repetitions; i++)
        {
            released.Add(SecondsOfReleased(runtime, texts));
            auto.Add(SecondsOfAuto(runtime, examples));
            share.Add(100 * auto.Last / released.Last);
        }
        weights.Delete(recursive: true);
        return Bench.Table(
            $"{texts.Length:N0} texts of {trainingFile}, int8; median of {Bench.Repetitions} repetitions (range), measured in turn.",
            ["released recipe, seconds", "auto, seconds", "share, %"],
            [[released.Show("0.0"), auto.Show("0.0"), share.Show("0")]]);
    }

    private static double SecondsOfReleased(RuntimeOptions runtime, string[] texts) => Bench.Starters.Zip(ReleasedViews, (backbone, views) =>
    {
        using TextEncoder encoder = TextEncoder.Load(backbone, new() { Precision = Precision.Int8, Views = views }, runtime);
        return encoder.Encode(texts).Statistics.Elapsed.TotalSeconds;
    }).Sum();

    private static double SecondsOfAuto(RuntimeOptions runtime, IReadOnlyList<LabeledText> examples)
    {
        Recipe recipe = new Recipe.Automatic { Backbones = Bench.Starters, Precision = Precision.Int8 };
        using TextClassifier classifier = TextClassifier.Train(examples, new() { Recipe = recipe }, runtime);
        TrainingSummary training = classifier.Training!;
        // What was read of a backbone and then dropped took its time as well.
        IEnumerable<EncodingStatistics> kept = training.Reading.Select(part => part.Statistics), dropped = training.Dropped
            .Select(part => part.Statistics);
        return kept.Concat(dropped).Sum(part => part.Elapsed.TotalSeconds);
    }
}
