using System.Globalization;
using LlmEmbed.Comparison;
using LlmEmbed.Reading;

namespace LlmEmbed.Benchmarks;

/// <summary>
/// Accuracy with few examples of each class: the mean over draws from the training texts, all measured on the same other texts, which are a fifth
/// of the training texts or a test file. A cache keeps the embeddings, so that each text is read once at each set of views.
/// </summary>
internal static class FewLabels
{
    private const int DrawCount = 10;

    private const double HeldOutShare = 0.2;

    /// <summary>What the release leaves open. With few texts an epoch is one step.</summary>
    private const float ReferenceSigma = 0.1f;

    private const int ReferenceSteps = 200;

    /// <summary>The methods that train on hidden states, by the names under which the table lists them.</summary>
    private static readonly (string Name, Recipe Recipe)[] Methods =
    [
        ("auto", new Recipe.Automatic { Backbones = Bench.Starters }),
        ("default views", Linear(Bench.Starters, ViewSelection.Default)),
        ("MiniLM", Linear(Bench.Starters[1..], ViewSelection.At("-1"))),
        ("last mean + MiniLM", Linear(Bench.Starters, ViewSelection.At("-1"))),
        (
            "released recipe",
            new Recipe.Reference
            {
                Roles = new(Bench.Starters[0], Bench.Starters[1], Bench.Starters[1]),
                Sigma = ReferenceSigma,
                Epochs = ReferenceSteps,
            }
        ),
    ];

    public static int Run(string trainingFile, string? testFile = null)
    {
        IReadOnlyList<LabeledText> training = Bench.ReadForTraining(trainingFile), testing;
        if (testFile is null) (training, testing) = Draws.HoldOut(training, HeldOutShare);
        else testing = Bench.ReadForTesting(testFile);

        using OpenBackbones backbones = new(Bench.Runtime with { CacheFolder = Path.Combine(Path.GetTempPath(), "llmembed-few-labels") });
        List<string[]> rows = [];
        foreach (int perClass in new[] { 5, 20, 100 })
        {
            OrderedDictionary<string, List<double>> accuracies = [];
            List<TrainingSummary> trainings = [];
            for (int draw = 0; draw < DrawCount; draw++)
            {
                LabeledText[] drawn = Draws.OfEachClass(training, perClass, draw);
                foreach ((string name, Recipe recipe) in Methods)
                {
                    using TextClassifier classifier = TextClassifier.Train(drawn, new() { Recipe = recipe, Seed = draw }, backbones);
                    Add(name, classifier.Evaluate(testing).Accuracy);
                    if (recipe is Recipe.Automatic) trainings.Add(classifier.Training!);
                }
                IEnumerable<Prediction> predictions = WordClassifier.Train(drawn).Predict(testing.Select(example => example.Text));
                Add("TF-IDF", testing.Zip(predictions, (example, prediction) => example.Label == prediction.Label ? 1.0 : 0.0).Average());
            }
            foreach ((string name, List<double> values) in accuracies) rows.Add([$"{perClass}", name, Show(values)]);
            Console.Error.WriteLine($"{perClass} a class: {string.Join(", ", accuracies.Select(pair => $"{pair.Key} {Show(pair.Value)}"))}");
            Console.Error.WriteLine($"  auto: {CostOf(trainings)}");

            void Add(string name, double accuracy)
            {
                if (!accuracies.TryGetValue(name, out List<double>? list)) accuracies.Add(name, list = []);
                list.Add(accuracy);
            }
        }
        string measured = testFile is null ? "held-out" : "test";
        return Bench.Table(
            $"Accuracy with few labels, {Bench.DataSetOf(trainingFile)}, {testing.Count} {measured} texts, {DrawCount} draws (mean ± deviation)",
            ["examples a class", "method", "accuracy"],
            rows);
    }

    /// <summary>A linear head on given views, read behind the same prompt as the views among which auto chooses.</summary>
    private static Recipe.Fixed Linear(string[] backbones, ViewSelection views) =>
        new() { Backbones = backbones, Views = views, Prompt = Bench.LineBreakPrompt, Head = new HeadOptions.Linear() };

    /// <summary>What the trainings of recipe auto took, and what it chose most often.</summary>
    private static string CostOf(List<TrainingSummary> trainings)
    {
        double seconds = trainings.Average(training => ((training.SelectionTime ?? TimeSpan.Zero) + training.HeadTime).TotalSeconds);
        double readMs = trainings.SelectMany(StatisticsOf).GroupBy(part => part.Backbone).Sum(parts =>
            parts.Sum(part => part.Statistics.Elapsed.TotalMilliseconds) / Math.Max(1, parts.Sum(part => part.Statistics.ComputedTexts)));
        string ViewsOf(TrainingSummary training) => string.Join(" and ", training.Reading.Select(part => $"{part.Views.Count} of {part.Name}"));
        IEnumerable<string> chosen = trainings.CountBy(ViewsOf).OrderByDescending(pair => pair.Value).Take(4)
            .Select(pair => $"views {pair.Key} ({pair.Value} times)");
        return $"choosing and training {seconds:0.0} s, reading {readMs:0.0} ms a text; chosen {string.Join(", ", chosen)}";
    }

    private static IEnumerable<(string Backbone, EncodingStatistics Statistics)> StatisticsOf(TrainingSummary training) =>
        [.. training.Reading.Select(part => (part.Name, part.Statistics)), .. training.Dropped];

    private static string Show(List<double> values)
    {
        double mean = values.Average(), deviation = Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Count - 1));
        return string.Create(CultureInfo.InvariantCulture, $"{100 * mean:0.0} ± {100 * deviation:0.0}");
    }
}
