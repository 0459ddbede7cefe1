using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using LlmEmbed.Comparison;
using LlmEmbed.Evaluation;
using LlmEmbed.Reading;
using Readings = (string Backbone, LlmEmbed.EncodingStatistics Statistics)[];

namespace LlmEmbed.Benchmarks;

/// <summary>
/// Accuracy and calibration with few examples of each class: the mean over draws from the training texts, all measured on the same other texts, which
/// are a fifth of the training texts or a test file. A cache keeps the embeddings, so that each text is read once at each set of views.
/// </summary>
internal static class FewLabels
{
    private const double HeldOutShare = 0.2;

    /// <summary>What the release leaves open. With few texts an epoch is one step.</summary>
    private const float ReferenceSigma = 0.1f;

    private const int ReferenceSteps = 200;

    private static readonly Recipe.Automatic Auto = new() { Backbones = Bench.Starters };

    /// <summary>The methods by the names under which the table lists them; without a recipe the one that reads only words.</summary>
    private static readonly (string Name, Recipe? Recipe)[] Methods =
        [("TF-IDF", null), ("MiniLM", Linear(Bench.Starters[1..], ViewSelection.At("-1"))), ("auto", Auto)];

    private static readonly (string Name, Recipe? Recipe)[] MoreMethods =
    [
        ("default views", Linear(Bench.Starters, ViewSelection.Default)),
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

    public static int Run(string trainingFile, FewLabelsOptions options)
    {
        IReadOnlyList<LabeledText> training = Bench.ReadForTraining(trainingFile), testing;
        if (options.TestFile is null) (training, testing) = Draws.HoldOut(training, HeldOutShare);
        else testing = Bench.ReadForTesting(options.TestFile);
        LabeledText[] measured = Draws.Stratified(testing, options.TestTexts ?? testing.Count);

        string cache = options.CacheFolder ?? Directory.CreateTempSubdirectory("llmembed-bench-").FullName;
        List<string[]> rows = [], account = [];
        try
        {
            using OpenBackbones backbones = new(Bench.Runtime with { CacheFolder = cache });
            foreach (int perClass in options.PerClass) rows.AddRange(Measure(perClass, training, measured, options, backbones, account));
        }
        finally
        {
            if (options.CacheFolder is null) Directory.Delete(cache, recursive: true);
        }
        string kind = options.TestFile is null ? "held-out" : "test";
        string texts = measured.Length == testing.Count
            ? $"{measured.Length} {kind} texts"
            : $"{measured.Length} of {testing.Count} {kind} texts (a stratified sample with seed 0, the same for all draws and methods)";
        Bench.Table(
            $"Accuracy and calibration error in % with few labels, {Bench.DataSetOf(trainingFile)}, {texts}, {options.DrawCount} draws " +
                "(mean ± deviation; all texts are one draw). Choosing and training goes without reading. Milliseconds of reading include the " +
                "opening of networks, which counts much with few texts; they are empty where the cache had all texts from an earlier draw.",
            [
                "examples a class", "method", "accuracy", "calibration error", "choosing and training, s", "reading to train, ms a text",
                "reading to predict, ms a text",
            ],
            rows);
        return Bench.Table(
            $"Where the accuracy of auto comes from, {Bench.DataSetOf(trainingFile)}: cross-validation on the training texts of the same draws " +
                "(mean ± deviation), weights learned on the other folds.",
            ["examples a class", "mixture", "accuracy", "log loss"],
            account);
    }

    /// <summary>The rows of one size, a row for each method, and those of the account of auto.</summary>
    private static string[][] Measure(
        int perClass,
        IReadOnlyList<LabeledText> training,
        LabeledText[] testing,
        FewLabelsOptions options,
        OpenBackbones backbones,
        List<string[]> account)
    {
        (string Name, Recipe? Recipe)[] methods = options.HasMore ? [.. Methods, .. MoreMethods] : Methods;
        List<Outcome>[] outcomes = [.. methods.Select(_ => new List<Outcome>())];
        List<Outcome> auto = outcomes[Array.FindIndex(methods, method => method.Recipe == Auto)];
        string size = perClass == FewLabelsOptions.All ? "all" : $"{perClass}";
        int drawCount = perClass == FewLabelsOptions.All ? 1 : options.DrawCount;
        for (int draw = 0; draw < drawCount; draw++)
        {
            long start = Stopwatch.GetTimestamp();
            LabeledText[] drawn = Draws.OfEachClass(training, perClass, draw);
            foreach ((int method, (_, Recipe? recipe)) in methods.Index())
            {
                outcomes[method].Add(recipe is null
                    ? OfWords(drawn, testing)
                    : OfStates(drawn, testing, new() { Recipe = recipe, Seed = draw }, backbones));
            }
            double accuracy = auto[draw].Accuracy;
            string seconds = Show(Stopwatch.GetElapsedTime(start).TotalSeconds);
            Console.Error.WriteLine($"{size} a class, draw {draw + 1} of {drawCount}: auto {Show(100 * accuracy)}, in {seconds} s");
        }
        account.AddRange(auto.SelectMany(draw => draw.Variants).GroupBy(variant => variant.Name).Select(draws => new[]
        {
            size, draws.Key, Percent(draws.Select(variant => variant.Accuracy)), Show(draws.Average(variant => variant.LogLoss), "0.000"),
        }));
        string[][] rows = [.. methods.Select((method, m) => RowOf(size, method.Name, outcomes[m]))];
        IEnumerable<string> summaries = rows.Select(row => $"{row[1]} {row[2]} (calibration error {row[3]}, trained in {row[4]} s)");
        Console.Error.WriteLine($"{size} a class: {string.Join(", ", summaries)}");
        return rows;
    }

    private static Outcome OfStates(LabeledText[] training, LabeledText[] testing, TrainingOptions options, OpenBackbones backbones)
    {
        using TextClassifier classifier = TextClassifier.Train(training, options, backbones);
        EvaluationReport report = classifier.Evaluate(testing);
        TrainingSummary summary = classifier.Training!;
        return new(
            report.Accuracy,
            report.ExpectedCalibrationError,
            ((summary.SelectionTime ?? TimeSpan.Zero) + summary.HeadTime).TotalSeconds,
            [.. summary.Reading.Select(part => (part.Name, part.Statistics)), .. summary.Dropped],
            [.. report.Reading.Select(part => (part.Name, part.Statistics))])
        { Variants = [.. (JsonNode.Parse(summary.ToJson())!["head"]!["variants"]?.AsArray() ?? []).Select(VariantOf)] };
    }

    private static (string Name, double Accuracy, double LogLoss) VariantOf(JsonNode? variant) =>
        ((string)variant!["name"]!, (double)variant["accuracy"]!, (double)variant["log_loss"]!);

    private static Outcome OfWords(LabeledText[] training, LabeledText[] testing)
    {
        long start = Stopwatch.GetTimestamp();
        WordClassifier classifier = WordClassifier.Train(training);
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        IEnumerable<Prediction> predictions = classifier.Predict(testing.Select(example => example.Text));
        (bool IsRight, double Confidence)[] texts =
            [.. testing.Zip(predictions, (example, prediction) => (example.Label == prediction.Label, prediction.Probability))];
        return new(texts.Average(text => text.IsRight ? 1.0 : 0.0), CalibrationError(texts), seconds, [], []);
    }

    /// <summary>As <see cref="EvaluationReport.ExpectedCalibrationError"/>, which only classifiers with a backbone give.</summary>
    private static double CalibrationError((bool IsRight, double Confidence)[] texts)
    {
        const int Bins = 15;
        return texts.GroupBy(text => Math.Clamp((int)Math.Ceiling(Bins * text.Confidence) - 1, 0, Bins - 1))
            .Sum(bin => Math.Abs(bin.Sum(text => (text.IsRight ? 1 : 0) - text.Confidence))) / texts.Length;
    }

    /// <summary>A linear head on given views, read behind the same prompt as the views among which auto chooses.</summary>
    private static Recipe.Fixed Linear(string[] backbones, ViewSelection views) =>
        new() { Backbones = backbones, Views = views, Prompt = Bench.LineBreakPrompt, Head = new HeadOptions.Linear() };

    private static string[] RowOf(string size, string method, List<Outcome> draws) =>
    [
        size,
        method,
        Percent(draws.Select(draw => draw.Accuracy)),
        Percent(draws.Select(draw => draw.CalibrationError)),
        Show(draws.Average(draw => draw.TrainingSeconds)),
        ReadingMs(draws.Select(draw => draw.ReadToTrain)),
        ReadingMs(draws.Select(draw => draw.ReadToPredict)),
    ];

    /// <summary>
    /// The mean over draws of the milliseconds that a text takes all backbones of the draw. What the cache gave does not count; empty if it gave all.
    /// </summary>
    private static string ReadingMs(IEnumerable<Readings> draws)
    {
        Readings[] all = [.. draws];
        IEnumerable<double> ofEach = all.SelectMany(draw => draw).GroupBy(part => part.Backbone, part => part.Statistics).Select(parts =>
        {
            EncodingStatistics[] computed = [.. parts.Where(part => part.ComputedTexts > 0)];
            double ms = computed.Sum(part => part.Elapsed.TotalMilliseconds) / computed.Sum(part => part.ComputedTexts);
            return ms * parts.Count() / all.Length;
        });
        double total = ofEach.Sum();
        return total > 0 ? Show(total) : "";
    }

    private static string Percent(IEnumerable<double> shares)
    {
        double[] values = [.. shares.Select(share => 100 * share)];
        double mean = values.Average();
        if (values.Length == 1) return Show(mean);
        double deviation = Math.Sqrt(values.Sum(value => (value - mean) * (value - mean)) / (values.Length - 1));
        return $"{Show(mean)} ± {Show(deviation)}";
    }

    private static string Show(double value, string format = "0.0") => value.ToString(format, CultureInfo.InvariantCulture);

    /// <summary>What one method gave on one draw.</summary>
    private sealed record Outcome(
        double Accuracy, double CalibrationError, double TrainingSeconds, Readings ReadToTrain, Readings ReadToPredict)
    {
        /// <summary>What auto would be worth if its mixture were made in other ways; empty for other methods.</summary>
        public (string Name, double Accuracy, double LogLoss)[] Variants { get; init; } = [];
    }
}

/// <summary>What the table of few labels is made of.</summary>
internal sealed record FewLabelsOptions
{
    /// <summary>The size that stands for all training texts.</summary>
    public const int All = int.MaxValue;

    public string? TestFile { get; init; }

    public int DrawCount { get; init; } = 5;

    public int[] PerClass { get; init; } = [5, 20, 100];

    /// <summary>How many texts are measured; null for all.</summary>
    public int? TestTexts { get; init; }

    /// <summary>Keeps the embeddings for the next run; null for a folder that is deleted at the end.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Whether the methods are measured that are not in the usual table.</summary>
    public bool HasMore { get; init; }

    /// <returns>These options with what the arguments ask for; null if one of them is not known.</returns>
    public FewLabelsOptions? With(string[] arguments) => arguments switch
    {
        [] => this,
        ["--draws", string count, .. string[] rest] => (this with { DrawCount = Bench.Number(count) }).With(rest),
        ["--per-class", string sizes, .. string[] rest] => (this with { PerClass = [.. sizes.Split(',').Select(SizeOf)] }).With(rest),
        ["--test-texts", string count, .. string[] rest] => (this with { TestTexts = Bench.Number(count) }).With(rest),
        ["--cache", string folder, .. string[] rest] => (this with { CacheFolder = folder }).With(rest),
        ["--more", .. string[] rest] => (this with { HasMore = true }).With(rest),
        [string file, .. string[] rest] when TestFile is null && !file.StartsWith('-') => (this with { TestFile = file }).With(rest),
        _ => null,
    };

    private static int SizeOf(string text) => text == "all" ? All : Bench.Number(text);
}
