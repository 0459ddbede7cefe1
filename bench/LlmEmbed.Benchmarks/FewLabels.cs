using System.Diagnostics;
using System.Globalization;
using LlmEmbed.Data;
using LlmEmbed.Heads;
using LlmEmbed.Selection;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// Accuracy with few examples of each class: the mean over draws from the training texts, all measured on the same test texts. The texts are read once at
/// every candidate view; each draw then chooses views and trains as `train` does.
/// </summary>
internal static class FewLabels
{
    private const int Draws = 10;

    public static int Run(string trainingFile, string testFile)
    {
        LabeledText[] training = [.. LabeledTableReader.ReadForTraining(trainingFile, new LabeledTableOptions()).Examples];
        LabeledText[] testing = [.. LabeledTableReader.Read(testFile, new LabeledTableOptions()).Examples];
        string[] labels = [.. training.Select(example => example.Label).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        TextEncoder[] encoders = [.. Bench.Starters.Select(starter => TextEncoder.Load(starter, new() { UsesCandidateViews = true, ModelFolders = [Path.Combine(Bench.Root(), "models")] }))];
        FeatureLayout layout = Fusion.LayoutOf(encoders);
        long start = Stopwatch.GetTimestamp();
        ArrayFeatures train = Read(encoders, training, layout), test = Read(encoders, testing, layout);
        double perText = Stopwatch.GetElapsedTime(start).TotalSeconds / (training.Length + testing.Length);
        int[] truth = [.. testing.Select(example => Array.IndexOf(labels, example.Label))];
        int[] all = [.. training.Select(example => Array.IndexOf(labels, example.Label))];

        int[] defaults = [.. layout.Views.Index().Where(view => IsDefault(encoders, view.Item)).Select(view => view.Index)];
        int sentence = layout.Views.Count - 1, last = layout.Views.Index().Last(view => view.Item.Backbone == encoders[0].Name && view.Item.Pooling == Pooling.MeanSkipFirst).Index;
        List<string[]> rows = [];
        foreach (int perClass in new[] { 5, 20, 100 })
        {
            Dictionary<string, List<double>> accuracies = [];
            List<double> seconds = [];
            Dictionary<string, int> chosen = [];
            for (int draw = 0; draw < Draws; draw++)
            {
                int[] drawn = Draw(all, labels.Length, perClass, (ulong)draw);
                HeadTrainingData data = new(train.Select(drawn), [.. drawn.Select(row => all[row])], labels.Length, layout);
                long begin = Stopwatch.GetTimestamp();
                ViewChoice choice = ViewChooser.Choose(data, defaults, new LinearOptions { Seed = (ulong)draw })!;
                Add("auto", [.. choice.Chosen.Views]);
                seconds.Add(Stopwatch.GetElapsedTime(begin).TotalSeconds);
                string views = string.Join(' ', choice.Chosen.Views.Select(view => $"{layout.Views[view].Backbone[0]}{layout.Views[view].Depth}{layout.Views[view].Pooling.ToString()[0]}"));
                chosen[views] = chosen.GetValueOrDefault(views) + 1;
                Add("default views", defaults);
                Add("MiniLM", [sentence]);
                Add("last mean + MiniLM", [last, sentence]);

                void Add(string name, int[] views)
                {
                    TrainedHead head = HeadTrainer.Train(data.SelectViews(views), new TrainingOptions { Seed = draw }, progress: null, CancellationToken.None);
                    FeatureMatrix features = test.Select([.. views.Select(view => layout.Views[view])]);
                    if (!accuracies.TryGetValue(name, out List<double>? list)) accuracies.Add(name, list = []);
                    list.Add(Accuracy(head, features, truth, labels.Length));
                }
            }
            foreach ((string name, List<double> values) in accuracies) rows.Add([$"{perClass}", name, Show(values)]);
            Console.Error.WriteLine($"{perClass} a class: choosing and training {seconds.Average():0.0} s, reading {1000 * perText:0.0} ms a text; chosen {string.Join(", ", chosen.OrderByDescending(pair => pair.Value).Take(4))}");
        }
        return Bench.Table($"Accuracy with few labels, {Path.GetFileName(Path.GetDirectoryName(trainingFile))}, {testing.Length} test texts, {Draws} draws (mean ± deviation)", ["examples a class", "method", "accuracy"], rows);
    }

    private static ArrayFeatures Read(TextEncoder[] encoders, LabeledText[] examples, FeatureLayout layout)
    {
        string[] texts = [.. examples.Select(example => example.Text)];
        return new(Fusion.Fuse([.. encoders.Select(encoder => encoder.Encode(texts))]), texts.Length, layout.FeatureCount);
    }

    private static bool IsDefault(TextEncoder[] encoders, FeatureView view)
    {
        TextEncoder encoder = encoders.First(candidate => candidate.Name == view.Backbone);
        return EncoderOptions.DefaultViews(encoder.Backbone.IsDecoder, encoder.BlockCount).Contains(new View(view.Depth, view.Pooling));
    }

    /// <summary>So many of each class, or all where there are fewer.</summary>
    private static int[] Draw(int[] labels, int classCount, int perClass, ulong seed)
    {
        DeterministicRandom random = new(seed);
        int[] rows = [.. Enumerable.Range(0, labels.Length)];
        random.Shuffle(rows.AsSpan());
        return [.. Enumerable.Range(0, classCount).SelectMany(c => rows.Where(row => labels[row] == c).Take(perClass)).Order()];
    }

    private static double Accuracy(TrainedHead head, FeatureMatrix features, int[] truth, int classCount)
    {
        float[] logits = new float[features.Rows * classCount];
        head.Head.Logits(features.Block(0, features.Rows).Span, features.Rows, logits);
        return truth.Index().Average(text => System.Numerics.Tensors.TensorPrimitives.IndexOfMax<float>(logits.AsSpan(text.Index * classCount, classCount)) == text.Item ? 1.0 : 0.0);
    }

    private static string Show(List<double> values)
    {
        double mean = values.Average(), deviation = Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1));
        return string.Create(CultureInfo.InvariantCulture, $"{100 * mean:0.0} ± {100 * deviation:0.0}");
    }
}
