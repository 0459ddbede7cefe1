using System.Diagnostics;
using System.Globalization;
using LlmEmbed.Data;
using LlmEmbed.Evaluation;
using LlmEmbed.Learning;
using LlmEmbed.Models;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// Accuracy with few examples of each class: the mean over draws from the training texts, all measured on the same other texts: a fifth of the training
/// texts, or a test file. The texts are read once at every candidate view; each draw then chooses views and trains as `train` does.
/// </summary>
internal static class FewLabels
{
    private const int Draws = 10;

    private const double HeldOutShare = 0.2;

    /// <summary>What the release leaves open; with few texts an epoch is one step.</summary>
    private const float ReferenceSigma = 0.1f;

    private const int ReferenceSteps = 200;

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
        TextEncoder[] encoders = Open(CandidateViews.Of, leadsTexts: true), released = Open(ReferenceViews, leadsTexts: false);
        FeatureLayout layout = Fusion.LayoutOf(encoders), releasedLayout = Fusion.LayoutOf(released);
        long start = Stopwatch.GetTimestamp();
        ArrayFeatures train = Read(encoders, training, layout), test = Read(encoders, testing, layout);
        double perText = Stopwatch.GetElapsedTime(start).TotalSeconds / (training.Count + testing.Count);
        ArrayFeatures releasedTrain = Read(released, training, releasedLayout), releasedTest = Read(released, testing, releasedLayout);
        int[] truth = ClassLabels.IndexesOf(testing, labels), all = ClassLabels.IndexesOf(training, labels);

        int[][] presets = AutoRecipe.Presets(encoders);
        int[] defaults = presets[0], last = presets[1];
        string[] trainTexts = [.. training.Select(example => example.Text)], testTexts = [.. testing.Select(example => example.Text)];
        FeatureMatrix? names = ClassNames.Read(encoders, labels);
        List<string[]> rows = [];
        foreach (int perClass in new[] { 5, 20, 100 })
        {
            Dictionary<string, List<double>> accuracies = [];
            List<double> seconds = [];
            Dictionary<string, int> chosen = [];
            for (int draw = 0; draw < Draws; draw++)
            {
                int[] drawn = Draw(all, labels.Length, perClass, (ulong)draw);
                HeadTrainingData data = new(train.Select(drawn), [.. drawn.Select(row => all[row])], labels.Length, layout)
                {
                    Texts = [.. drawn.Select(row => trainTexts[row])],
                    ClassNames = drawn.Length <= ClassNames.MostTexts ? names : null,
                };
                long begin = Stopwatch.GetTimestamp();
                ViewChoice choice = ViewChooser.Choose(data, presets, _ => 1, new LinearOptions { Seed = (ulong)draw })!;
                int[] own = [.. choice.Chosen.Views];
                Add("auto", own, new() { Mixture = choice.Mixture });
                seconds.Add(Stopwatch.GetElapsedTime(begin).TotalSeconds);
                string views = choice.Mixture is { } mixture ? string.Join(' ', mixture.Select(part => $"{part.Weight:P0} of {part.Views.Count}")) : $"{own.Length} views";
                chosen[views] = chosen.GetValueOrDefault(views) + 1;
                TrainingOptions linear = new() { Head = HeadKind.Linear };
                Add("default views", defaults, linear);
                Add("MiniLM", last[^1..], linear);
                Add("last mean + MiniLM", last, linear);
                AddHead("released recipe", new(releasedTrain.Select(drawn), data.Labels, labels.Length, releasedLayout), releasedTest, new()
                {
                    Recipe = Recipe.Reference,
                    Reference = new() { Llama = released[0].Name, Bert = released[1].Name, Roberta = released[1].Name, Unpadded = true, Sigma = ReferenceSigma, Epochs = ReferenceSteps },
                });
                AddTo("TF-IDF", Tfidf([.. drawn.Select(row => trainTexts[row])], data.Labels, testTexts, truth, labels.Length));

                void Add(string name, int[] views, TrainingOptions options) => AddHead(name, data.SelectViews(views), test.Select([.. views.Select(view => layout.Views[view])]), options);

                void AddHead(string name, HeadTrainingData data, FeatureMatrix test, TrainingOptions options) =>
                    AddTo(name, HeadTrainer.Train(data, options with { Seed = draw }, progress: null, CancellationToken.None).Accuracy(test, testTexts, truth));

                void AddTo(string name, double accuracy)
                {
                    if (!accuracies.TryGetValue(name, out List<double>? list)) accuracies.Add(name, list = []);
                    list.Add(accuracy);
                }
            }
            foreach ((string name, List<double> values) in accuracies) rows.Add([$"{perClass}", name, Show(values)]);
            Console.Error.WriteLine($"{perClass} a class: {string.Join(", ", accuracies.Select(pair => $"{pair.Key} {Show(pair.Value)}"))}");
            Console.Error.WriteLine($"  auto: choosing and training {seconds.Average():0.0} s, reading {1000 * perText:0.0} ms a text; chosen {string.Join(", ", chosen.OrderByDescending(pair => pair.Value).Take(4))}");
        }
        return Bench.Table($"Accuracy with few labels, {Path.GetFileName(Path.GetDirectoryName(trainingFile))}, {testing.Count} {(testFile is null ? "held-out" : "test")} texts, {Draws} draws (mean ± deviation)", ["examples a class", "method", "accuracy"], rows);
    }

    /// <summary>The roles of the released recipe: the last five means of the decoder, pooler and first token of the encoder.</summary>
    private static IReadOnlyList<View> ReferenceViews(Backbone backbone) => backbone.IsDecoder
        ? [.. Enumerable.Range(0, 5).Select(i => new View(backbone.BlockCount - i, Pooling.Mean))]
        : [new(backbone.BlockCount, Pooling.Pooler), new(backbone.BlockCount, Pooling.First)];

    private static double Tfidf(string[] training, int[] labels, string[] testing, int[] truth, int classCount)
    {
        TfidfVectorizer vectorizer = TfidfVectorizer.Learn(training, leastTexts: 1);
        SparseLogisticRegression head = SparseLogisticRegression.Train(vectorizer.Transform(training), labels, classCount, groups: [], seed: 0, CancellationToken.None);
        return RowMaxima.IndexesOf<float>(head.Probabilities(vectorizer.Transform(testing)), classCount).Zip(truth, (predicted, label) => predicted == label ? 1.0 : 0.0).Average();
    }

    private static TextEncoder[] Open(Func<Backbone, IReadOnlyList<View>> views, bool leadsTexts) => [.. Bench.Starters.Select(starter => TextEncoder.Load(starter, new()
    {
        ViewsOf = views,
        LeadsTexts = leadsTexts,
        ModelFolders = [Path.Combine(Bench.Root(), "models")],
        CacheFolder = Path.Combine(Path.GetTempPath(), "llmembed-few-labels"),
    }))];

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
