using System.Diagnostics;
using System.Globalization;
using LlmEmbed.Data;
using LlmEmbed.Heads;
using LlmEmbed.Selection;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// Accuracy with few examples of each class: the mean over draws from the training texts, all measured on the same other texts: a fifth of the training
/// texts, or a test file. The texts are read once at every candidate view; each draw then chooses views and trains as `train` does.
/// </summary>
internal static class FewLabels
{
    private const int Draws = 10;

    private const double HeldOutShare = 0.2;

    public static int Run(string trainingFile, string? testFile = null)
    {
        IReadOnlyList<LabeledText> training = LabeledTableReader.ReadForTraining(trainingFile, new LabeledTableOptions()).Examples;
        string[] labels = ClassLabels.Of(training);
        IReadOnlyList<LabeledText> testing;
        if (testFile is null)
        {
            (int[] kept, int[] heldOut) = StratifiedSplit.HoldOut(ClassLabels.IndexesOf(training, labels), HeldOutShare, seed: 0);
            (training, testing) = ([.. kept.Select(row => training[row])], [.. heldOut.Select(row => training[row])]);
        }
        else
        {
            testing = LabeledTableReader.Read(testFile, new LabeledTableOptions()).Examples;
        }
        TextEncoder[] encoders = [.. Bench.Starters.Select(starter => TextEncoder.Load(starter, new() { ViewsOf = CandidateViews.Of, ModelFolders = [Path.Combine(Bench.Root(), "models")] }))];
        FeatureLayout layout = Fusion.LayoutOf(encoders);
        long start = Stopwatch.GetTimestamp();
        ArrayFeatures train = Read(encoders, training, layout), test = Read(encoders, testing, layout);
        double perText = Stopwatch.GetElapsedTime(start).TotalSeconds / (training.Count + testing.Count);
        int[] truth = ClassLabels.IndexesOf(testing, labels), all = ClassLabels.IndexesOf(training, labels);

        int[] defaults = AutoRecipe.DefaultIndexes(encoders);
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
                    list.Add(head.Accuracy(features, truth));
                }
            }
            foreach ((string name, List<double> values) in accuracies) rows.Add([$"{perClass}", name, Show(values)]);
            Console.Error.WriteLine($"{perClass} a class: choosing and training {seconds.Average():0.0} s, reading {1000 * perText:0.0} ms a text; chosen {string.Join(", ", chosen.OrderByDescending(pair => pair.Value).Take(4))}");
        }
        return Bench.Table($"Accuracy with few labels, {Path.GetFileName(Path.GetDirectoryName(trainingFile))}, {testing.Count} {(testFile is null ? "held-out" : "test")} texts, {Draws} draws (mean ± deviation)", ["examples a class", "method", "accuracy"], rows);
    }

    private static ArrayFeatures Read(TextEncoder[] encoders, IReadOnlyList<LabeledText> examples, FeatureLayout layout)
    {
        string[] texts = [.. examples.Select(example => example.Text)];
        return new(Fusion.Fuse([.. encoders.Select(encoder => encoder.Encode(texts))]), texts.Length, layout.FeatureCount);
    }

    /// <summary>So many of each class, or all where there are fewer.</summary>
    private static int[] Draw(int[] labels, int classCount, int perClass, ulong seed)
    {
        DeterministicRandom random = new(seed);
        int[] rows = [.. Enumerable.Range(0, labels.Length)];
        random.Shuffle(rows.AsSpan());
        return [.. Enumerable.Range(0, classCount).SelectMany(c => rows.Where(row => labels[row] == c).Take(perClass)).Order()];
    }

    private static string Show(List<double> values)
    {
        double mean = values.Average(), deviation = Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1));
        return string.Create(CultureInfo.InvariantCulture, $"{100 * mean:0.0} ± {100 * deviation:0.0}");
    }
}
