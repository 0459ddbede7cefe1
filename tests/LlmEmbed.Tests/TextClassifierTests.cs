using System.Text;
using LlmEmbed.Bundles;
using LlmEmbed.Data;
using LlmEmbed.Evaluation;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;
using Xunit;

namespace LlmEmbed.Tests;

public sealed class TextClassifierTests(TextClassifierTests.Trained trained) : IClassFixture<TextClassifierTests.Trained>, IDisposable
{
    /// <summary>What the last bits of an embedding may change in a probability.</summary>
    private const double Tolerance = 1e-4;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Fact]
    public void The_default_head_asks_the_names_of_the_classes_where_texts_are_few()
    {
        TrainingOptions options = Requests.Options("all-minilm-l6-v2");
        using TextClassifier asks = Train(Requests.Generate(12), options);
        using TextClassifier linear = Train(Requests.Generate(12), options.With(recipe => recipe with { Head = new HeadOptions.Linear() }));
        Assert.Contains("the names of the classes", Requests.HeadOf(asks), StringComparison.Ordinal);
        Assert.DoesNotContain("the names of the classes", Requests.HeadOf(linear), StringComparison.Ordinal);
    }

    [Fact]
    public void Labels_are_in_ordinal_order_and_the_classifier_is_right_about_new_texts()
    {
        Assert.Equal(["billing", "delivery", "technical"], trained.Classifier.Labels);
        EvaluationReport report = trained.Classifier.Evaluate(Requests.Generate(90, seed: 2), progress: null, Cancellation);
        Assert.Equal(90, report.Count);
        Assert.True(report.Accuracy > 0.9, report.ToString());
    }

    [Fact]
    public void A_prediction_ranks_all_labels_and_its_probabilities_sum_to_one()
    {
        Prediction prediction = trained.Classifier.Predict("refund of the invoice");
        Assert.False(prediction.IsEmpty);
        Assert.Equal("billing", prediction.Label);
        Assert.Equal(new LabelProbability(prediction.Label, prediction.Probability), prediction.Ranked[0]);
        Assert.Equal(trained.Classifier.Labels, prediction.Ranked.Select(item => item.Label).Order(StringComparer.Ordinal));
        Assert.Equal(prediction.Ranked.OrderByDescending(item => item.Probability), prediction.Ranked);
        Assert.Equal(1, prediction.Ranked.Sum(item => item.Probability), 1e-6);
    }

    [Fact]
    public void A_stream_gives_the_predictions_of_single_texts_in_order()
    {
        string[] texts = [.. Texts(1100, seed: 3).Select(text => $"{text} {new string('x', 500)}")]; // more than go through the line together
        Prediction[] stream = [.. trained.Classifier.Predict(texts, Cancellation)];
        Assert.Equal(texts.Length, stream.Length);
        for (int i = 0; i < texts.Length; i += 50) AssertClose(trained.Classifier.Predict(texts[i]), stream[i]);
        AssertClose(trained.Classifier.Predict(texts[^1]), stream[^1]);
    }

    [Fact]
    public void A_stream_is_read_no_further_than_needed()
    {
        int read = 0;
        IEnumerable<string> Endless()
        {
            while (true) yield return $"request {read++}";
        }

        Assert.Equal(10, trained.Classifier.Predict(Endless(), Cancellation).Take(10).Count());
        Assert.InRange(read, 10, 20_000);
    }

    [Fact]
    public void A_saved_classifier_predicts_the_same_bits()
    {
        string[] texts = Texts(100, seed: 4);
        trained.Classifier.Save(_folder.File("saved"));
        using TextClassifier loaded = Load("saved");
        Assert.Null(loaded.Training);
        Assert.Equal(trained.Classifier.Labels, loaded.Labels);
        AssertEqual([.. trained.Classifier.Predict(texts, Cancellation)], [.. loaded.Predict(texts, Cancellation)]);
        AssertEqual([trained.Classifier.Predict(texts[0])], [loaded.Predict(texts[0])]);
    }

    [Fact]
    public void Predicting_is_thread_safe()
    {
        string[] texts = Texts(64, seed: 5);
        Prediction[] expected = [.. texts.Select(trained.Classifier.Predict)];
        Prediction[] found = new Prediction[texts.Length];
        Parallel.For(
            0,
            texts.Length,
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Cancellation },
            i => found[i] = trained.Classifier.Predict(texts[i]));
        AssertEqual(expected, found);
    }

    [Fact]
    public void A_text_without_tokens_is_no_prediction_and_leaves_the_others_alone()
    {
        Prediction[] predictions = [.. trained.Classifier.Predict(["", "refund of the invoice", ""], Cancellation)];
        Assert.Equal([true, false, true], predictions.Select(prediction => prediction.IsEmpty));
        Assert.Equal(("", 0.0, 0), (predictions[0].Label, predictions[0].Probability, predictions[0].Ranked.Count));
        AssertClose(trained.Classifier.Predict("refund of the invoice"), predictions[1]);
    }

    [Fact]
    public void An_example_without_tokens_is_refused_by_number_and_label()
    {
        LabeledText[] examples = [.. Requests.Generate(6), new("", "billing")];
        string message = Assert.Throws<LlmEmbedException>(() => Train(examples)).Message;
        Assert.Contains("Example 7 of 7 (label 'billing') gives no token", message, StringComparison.Ordinal);
        Assert.Contains(
            "Example 7 of 7",
            Assert.Throws<LlmEmbedException>(() => trained.Classifier.Evaluate(examples, progress: null, Cancellation)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_label_that_the_classifier_does_not_know_counts_as_an_error()
    {
        LabeledText[] known = Requests.Generate(30, seed: 6);
        EvaluationReport before = trained.Classifier.Evaluate(known, progress: null, Cancellation);
        EvaluationReport after = trained.Classifier.Evaluate(
            [.. known, new("refund of the invoice", "zoology"), new("refund of the parcel", "astronomy")], progress: null, Cancellation);
        Assert.Equal(["billing", "delivery", "technical", "astronomy", "zoology"], after.Classes.Select(score => score.Label));
        Assert.Equal(before.Accuracy * 30 / 32, after.Accuracy, 1e-12);
        Assert.Equal((1, 0.0), (after.Classes[4].Support, after.Classes[4].Recall));
    }

    [Fact]
    public void Nothing_to_evaluate_is_an_error()
    {
        Assert.Contains(
            "nothing to evaluate",
            Assert.Throws<LlmEmbedException>(() => trained.Classifier.Evaluate([], progress: null, Cancellation)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void The_training_says_what_it_met_and_chose()
    {
        TrainingSummary summary = trained.Classifier.Training!;
        Assert.Equal(90, summary.Examples);
        Assert.Equal(2, summary.Reading.Count);
        Assert.All(summary.Reading, backbone => Assert.Equal(90, backbone.Statistics.ComputedTexts));
        Assert.Single(summary.Explain(), line => line.StartsWith("Head: mixture of ", StringComparison.Ordinal));
        Assert.Null(summary.HeldOut);
    }

    [Fact]
    public void A_held_out_share_is_measured_and_then_trained_on_as_well()
    {
        TrainingOptions options = Requests.Options(ViewSelection.At("1,2"), "llama-gqa", "bert");
        using TextClassifier everything = Train(Requests.Generate(90), options), classifier = Train(
            Requests.Generate(90), options with { HeldOutShare = 0.2 });
        EvaluationReport report = classifier.Training!.HeldOut!;
        Assert.Equal((18, 6), (report.Count, report.Classes[0].Support));
        Assert.True(report.Accuracy > 0.8, report.ToString());
        string[] texts = Texts(20, seed: 7);
        AssertEqual([.. everything.Predict(texts, Cancellation)], [.. classifier.Predict(texts, Cancellation)]);
    }

    [Fact]
    public void Views_are_chosen_on_what_is_not_held_out()
    {
        using TextClassifier everything = Train(Requests.Generate(90)), part = Train(Requests.Generate(90), Options with { HeldOutShare = 0.2 });
        Assert.Equal((90, 72), (everything.Training!.Selection!.SampleTexts, part.Training!.Selection!.SampleTexts));
    }

    [Fact]
    public void A_class_with_one_example_stays_on_the_side_that_is_trained_on()
    {
        LabeledText[] examples = [.. Requests.Generate(30).Where(example => example.Label == "billing"), new("the courier is late", "delivery")];
        using TextClassifier classifier = Train(examples, Options with { HeldOutShare = 0.3 });
        Assert.Equal([3, 0], classifier.Training!.HeldOut!.Classes.Select(score => score.Support));
    }

    [Fact]
    public void The_same_data_options_and_seed_give_the_same_folder_byte_for_byte()
    {
        TrainingOptions options = Options with { HeldOutShare = 0.25, Seed = 11 };
        string[] folders = ["one", "two", "one-thread"];
        foreach (string folder in folders)
        {
            RuntimeOptions runtime = folder == "one-thread" ? Requests.Runtime with { Threads = 1 } : Requests.Runtime;
            using TextClassifier classifier = Requests.Train(Requests.Generate(60), options, runtime);
            classifier.Save(_folder.File(folder));
        }
        Assert.Equal(["README.md", "classifier.json", "head.safetensors", "report.html", "report.json", "terms.txt"], Files("one"));
        foreach (string folder in folders[1..]) AssertSameFolders("one", folder);
    }

    [Theory]
    [InlineData("linear", null)]
    [InlineData("linear", "1,2")]
    [InlineData("cooccurrence", null)]
    public void Features_in_a_mapped_file_give_the_classifier_of_features_in_memory_byte_for_byte(string head, string? depths)
    {
        HeadOptions headOptions = HeadOptions.ByName[head];
        TrainingOptions options = depths is null
            ? Options.With(recipe => recipe with { Head = headOptions, Precision = Precision.Fp32 })
            : Requests.Options(ViewSelection.At(depths), "llama-gqa", "bert").WithFixed(
                recipe => recipe with { Head = headOptions, Precision = Precision.Fp32 });
        LabeledText[] examples = WithoutMeaning(Requests.Generate(60));
        string[] classes = ClassLabels.Of(examples);
        using OpenBackbones backbones = new(Requests.Runtime);
        RecipeTraining training = RecipeTraining.For(options, classes, backbones, progress: null, Cancellation);
        TrainingTexts texts = TrainingTexts.Of(examples, classes, training.AffordableRows(examples, classes), heldOutShare: 0.25, options.Seed);
        using Features read = training.Read(texts, training.PlanReading(texts));
        foreach ((string folder, long memoryBytes) in new[] { ("memory", long.MaxValue), ("mapped", 0) })
        {
            using FeatureMatrix matrix = new FeatureStorage(_folder.File("cache"), memoryBytes).Allocate(read.Matrix.Rows, read.Matrix.Columns);
            Assert.Equal(folder == "mapped", matrix is MappedFeatures);
            read.Reader.Read(texts.Texts, matrix.RowTarget, progress: null, Cancellation);
            Features features = read with { Matrix = matrix };
            EvaluationReport heldOut = training.Measure(texts, features)!;
            TrainedClassifier classifier = new(features.Reader, classes, training.Learn(texts, features), examples.Length)
            { Selection = features.Selection };
            ClassifierBundle.Save(classifier, _folder.File(folder), heldOut);
        }
        AssertSameFolders("memory", "mapped");
    }

    /// <summary>No block runs at depth 0, so that little memory suffices for everything but the features.</summary>
    [Theory]
    [InlineData("linear")]
    [InlineData("cooccurrence")]
    public void Little_memory_changes_no_byte_of_a_classifier(string head)
    {
        TrainingOptions options = Requests.Options(
            ViewSelection.At("0", [Pooling.Mean, Pooling.Last]), "llama-gqa", "bert") with
        { HeldOutShare = 0.25 };
        options = options.WithFixed(recipe => recipe with { Head = HeadOptions.ByName[head] });
        LabeledText[] examples = WithoutMeaning(Requests.Generate(60));
        foreach ((string folder, long? memoryBytes) in new[] { ("all memory", (long?)null), ("little memory", 4) })
        {
            RuntimeOptions runtime = Requests.Runtime with { CacheFolder = _folder.File($"{folder} cache"), MemoryBytes = memoryBytes };
            using TextClassifier classifier = Requests.Train(examples, options, runtime);
            classifier.Save(_folder.File(folder));
        }
        AssertSameFolders("all memory", "little memory");
    }

    [Fact]
    public void Copies_of_a_text_are_held_out_together()
    {
        LabeledText[] once = Requests.Generate(120);
        LabeledText[] twice = [.. once, .. once.Select(example => example with { Text = example.Text.ToUpperInvariant() + "!" })];
        using TextClassifier classifier = Train(twice, Options with { HeldOutShare = 0.25 });
        int[] heldOut = [.. classifier.Training!.HeldOutRows];
        Assert.InRange(heldOut.Length, 50, 70);
        Assert.Equal(heldOut.Where(row => row < 120), heldOut.Where(row => row >= 120).Select(row => row - 120));
    }

    [Fact]
    public void A_learned_pooling_is_measured_on_texts_it_has_not_seen_and_comes_back_from_disk()
    {
        // Slow: five heads are learned. The three trainings share what was read.
        RuntimeOptions runtime = Requests.Runtime with { CacheFolder = _folder.File("cache") };
        TrainingOptions options = WithoutWords(Requests.Options("all-minilm-l6-v2")) with { HeldOutShare = 0.25 };
        LabeledText[] examples = Buried(2200);
        using TextClassifier classifier = Requests.Train(examples, options, runtime);
        using TextClassifier without = Requests.Train(examples, options.With(recipe => recipe with { UseAttention = false }), runtime);
        Assert.Contains("attention pooling at depth", Requests.HeadOf(classifier), StringComparison.Ordinal);
        Assert.Contains(classifier.Parts.Reader.Backbones[0].Plan.Views, view => view.Pooling == Pooling.Attention);
        Assert.DoesNotContain(without.Parts.Reader.Backbones[0].Plan.Views, view => view.Pooling == Pooling.Attention);
        Assert.InRange(classifier.Training!.HeldOut!.LogLoss, 0, 0.8 * without.Training!.HeldOut!.LogLoss);

        // The measurement is that of a classifier which never saw the rest, its pooling included.
        HashSet<int> heldOut = [.. classifier.Training.HeldOutRows];
        using TextClassifier part = Requests.Train(
            [.. examples.Where((_, row) => !heldOut.Contains(row))], options with { HeldOutShare = 0 }, runtime);
        EvaluationReport report = part.Evaluate([.. classifier.Training.HeldOutRows.Select(row => examples[row])], progress: null, Cancellation);
        Assert.Equal(report.Accuracy, classifier.Training.HeldOut.Accuracy, 0.005);
        Assert.Equal(report.LogLoss, classifier.Training.HeldOut.LogLoss, 0.005);

        classifier.Save(_folder.File("saved"));
        using (TextClassifier loaded = Load("saved"))
        {
            string[] texts = [.. Buried(50).Select(example => example.Text), "refund"];
            AssertEqual([.. classifier.Predict(texts, Cancellation)], [.. loaded.Predict(texts, Cancellation)]);
            loaded.Save(_folder.File("again"));
        }
        Assert.Equal(File.ReadAllBytes(_folder.File("saved/head.safetensors")), File.ReadAllBytes(_folder.File("again/head.safetensors")));

        int depth = classifier.Parts.Reader.Backbones[0].Plan.AttentionQueries[0].Depth;
        string head = _folder.File("saved/head.safetensors"), tensor = $"attention.0.{depth}.query", other = $"attention.0.{depth}.other";
        File.WriteAllBytes(
            head,
            Encoding.Latin1.GetBytes(
                Encoding.Latin1.GetString(File.ReadAllBytes(head)).Replace(tensor, other, StringComparison.Ordinal)));
        Assert.Contains(
            $"the tensor '{tensor}' is missing", Assert.Throws<LlmEmbedException>(() => Load("saved")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_is_learned_from_tokens_within_a_budget()
    {
        TrainingOptions options = Requests.Options("llama-gqa");
        LabeledText[] examples = Buried(60);
        using TextClassifier with = Train(examples, options);
        using TextClassifier within = Train(examples, options.With(recipe => recipe with { Budget = TimeSpan.FromHours(1) }));
        Assert.Contains("attention", Requests.HeadOf(with), StringComparison.Ordinal);
        Assert.DoesNotContain("attention", Requests.HeadOf(within), StringComparison.Ordinal);
    }

    [Fact]
    public void Another_seed_holds_out_other_texts()
    {
        LabeledText[] examples = Noisy(Requests.Generate(60));
        double[] losses = [.. new[] { 1, 2 }.Select(seed =>
        {
            using TextClassifier classifier = Train(examples, Options with { HeldOutShare = 0.25, Seed = seed });
            return classifier.Training!.HeldOut!.LogLoss;
        })];
        Assert.NotEqual(losses[0], losses[1]);
    }

    [Fact]
    public void Labels_are_strings_and_survive_saving_whatever_they_hold()
    {
        string[] labels = ["1", "01", "naïve, \"quoted\"\nsecond line | 東京 👍"];
        LabeledText[] examples = Requests.Generate(30).Relabel(("billing", labels[0]), ("delivery", labels[1]), ("technical", labels[2]));
        using TextClassifier classifier = Train(examples);
        Assert.Equal(labels.Order(StringComparer.Ordinal), classifier.Labels);
        classifier.Save(_folder.File("saved"));
        using TextClassifier loaded = Load("saved");
        Assert.Equal(classifier.Labels, loaded.Labels);
        EvaluationReport report = loaded.Evaluate(examples, progress: null, Cancellation);
        Assert.True(report.Accuracy > 0.9, report.ToString());
        Assert.Equal(classifier.Evaluate(examples, progress: null, Cancellation).ToJson(), report.ToJson());
    }

    [Fact]
    public void Balanced_weights_help_a_rare_class()
    {
        LabeledText[] common = [.. Noisy(Requests.Generate(300)).Where(example => example.Label == "billing")];
        LabeledText[] rare = [.. Noisy(Requests.Generate(300)).Where(example => example.Label == "delivery").Take(6)];
        LabeledText[] fresh = Noisy([.. Requests.Generate(300, seed: 9).Where(example => example.Label != "technical")]);
        double Recall(ClassWeighting weighting)
        {
            using TextClassifier classifier = Train(
                [.. common, .. rare], Options.With(recipe => recipe with { Head = new HeadOptions.Automatic { ClassWeighting = weighting } }));
            return classifier.Evaluate(fresh, progress: null, Cancellation).Classes.Single(score => score.Label == "delivery").Recall;
        }

        double none = Recall(ClassWeighting.None), balanced = Recall(ClassWeighting.Balanced);
        Assert.True(balanced > none, $"recall {none} without weights, {balanced} with");
    }

    [Fact]
    public void Progress_tells_every_stage_in_order()
    {
        List<string> stages = [];
        ProgressCallback progress = new(value =>
        {
            if (stages.Count == 0 || stages[^1] != value.Stage) stages.Add(value.Stage);
        });
        using TextClassifier classifier = Requests.Train(Requests.Generate(30), Options, progress: progress);
        // Few texts train more than one regression, so that stages may come again.
        Assert.Equal(
            [
                "Quantizing llama-gqa", "Quantizing bert", "Reading llama-gqa", "Reading bert",
                "Comparing views", "Comparing sets of views", "Choosing the penalty", "Training the head",
                "Training on views", "Training on sentence vectors", "Learning to pool", "Training on words", "Mixing experts",
            ],
            stages.Distinct());
    }

    [Theory]
    [InlineData("Reading bert")]
    [InlineData("Comparing views")]
    [InlineData("Comparing sets of views")]
    [InlineData("Choosing the penalty")]
    [InlineData("Training the head")]
    [InlineData("Training on words")]
    public void Cancellation_ends_the_training_in_any_stage(string stage)
    {
        using CancellationTokenSource source = new();
        ProgressCallback progress = ProgressCallback.CancelWhen(source, value => value.Stage == stage);
        Assert.ThrowsAny<OperationCanceledException>(
            () => TextClassifier.Train(Requests.Generate(60), Options, Requests.Runtime, progress, source.Token));
    }

    [Fact]
    public void Cancellation_ends_a_stream_of_predictions()
    {
        using CancellationTokenSource source = new();
        source.Cancel();
        Assert.ThrowsAny<OperationCanceledException>(() => trained.Classifier.Predict(["a text"], source.Token).ToList());
    }

    [Fact]
    public void One_class_alone_is_refused()
    {
        string message = Assert.Throws<LlmEmbedException>(() => Train([new("a text", "x"), new("another", "x")])).Message;
        Assert.Contains("texts of 1 class, expected at least 2", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Too_few_examples_to_choose_a_penalty_still_give_a_classifier()
    {
        using TextClassifier classifier = Train([new("the invoice", "x"), new("the parcel", "y")]);
        Assert.Contains("too few examples to choose it", Requests.HeadOf(classifier), StringComparison.Ordinal);
        Assert.Equal("x", classifier.Predict("the invoice").Label);
    }

    [Theory]
    [InlineData(-0.1)]
    [InlineData(1)]
    [InlineData(double.NaN)]
    public void A_held_out_share_that_is_none_is_refused(double share)
    {
        string message = Assert.Throws<LlmEmbedException>(() => Train(Requests.Generate(6), Options with { HeldOutShare = share })).Message;
        Assert.Contains("expected at least 0 and less than 1", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_training_without_a_backbone_is_refused()
    {
        TrainingOptions none = Options.With(recipe => recipe with { Backbones = [] });
        Assert.Contains(
            "name at least one", Assert.Throws<LlmEmbedException>(() => Train(Requests.Generate(6), none)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_features_of_several_backbones_lie_side_by_side()
    {
        FeatureReader reader = trained.Classifier.Parts.Reader;
        FeatureLayout layout = reader.Layout;
        string[] texts = Texts(3, seed: 8);
        TextEmbeddings[] parts =
        [
            .. reader.Backbones.Select(backbone => backbone.Read(backbone.Prepare(texts, Cancellation), new Work(Progress: null, Cancellation))),
        ];
        (float[] features, _) = reader.Read(reader.Prepare(texts, Cancellation), new Work(Progress: null, Cancellation));
        Assert.Equal(3 * layout.FeatureCount, features.Length);
        for (int text = 0; text < 3; text++)
        {
            foreach ((FeatureView view, int index) in layout.Views.Select((view, index) => (view, index)))
            {
                TextEmbeddings part = parts[view.Backbone == "bert" ? 1 : 0];
                int place = index - (view.Backbone == "bert" ? parts[0].Views.Count : 0);
                Assert.Equal(new View(view.Depth, view.Pooling), part.Views[place]);
                Assert.Equal(part[text, place], features.AsSpan(text * layout.FeatureCount + view.Offset, view.Size));
            }
        }
    }

    private static TrainingOptions Options => Requests.Options("llama-gqa", "bert");

    private static TextClassifier Train(LabeledText[] examples, TrainingOptions? options = null) => Requests.Train(examples, options ?? Options);

    private static TrainingOptions WithoutWords(TrainingOptions options) =>
        options.With(recipe => recipe with { Head = new HeadOptions.Automatic { UseWords = false } });

    private TextClassifier Load(string folder) => Requests.LoadClassifier(_folder.File(folder));

    private string[] Files(string folder) =>
        [.. Directory.EnumerateFiles(_folder.File(folder)).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    private void AssertSameFolders(string expected, string found)
    {
        Assert.Equal(Files(expected), Files(found));
        foreach (string file in Files(expected))
            Assert.Equal(File.ReadAllBytes(Path.Combine(_folder.File(expected), file)), File.ReadAllBytes(Path.Combine(_folder.File(found), file)));
    }

    private static string[] Texts(int count, int seed) => [.. Requests.Generate(count, seed).Select(example => example.Text)];

    /// <summary>
    /// Labels that have nothing to do with the texts: a network that can learn its labels is trained for 1,500 epochs, one that cannot stops early.
    /// </summary>
    private static LabeledText[] WithoutMeaning(LabeledText[] examples) =>
        [.. examples.Select((example, i) => example with { Label = $"{i / 3 % 3}" })];

    /// <summary>Words of all classes in every text, so that no classifier is sure.</summary>
    private static LabeledText[] Noisy(LabeledText[] examples) =>
        [
            .. examples.Select(
                (example, i) =>
                    example with
                    {
                        Text = $"{example.Text[..(example.Text.Length / 2)]} {(i % 2 == 0 ? "invoice refund" : "parcel courier")} {i % 7}",
                    }),
        ];

    /// <summary>Long texts of words that say nothing, with one that tells the class.</summary>
    private static LabeledText[] Buried(int count)
    {
        string[] words =
        [
            "table", "river", "seven", "green", "paper", "under", "walks", "music", "house", "early",
            "north", "chair", "water", "monday", "street", "window", "orange", "bread",
        ];
        string[][] telling =
        [
            ["great", "superb", "lovely", "brilliant", "perfect", "charming"],
            ["awful", "dreadful", "boring", "terrible", "ugly", "stupid"],
        ];
        DeterministicRandom random = new(7);
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            string[] text = [.. Enumerable.Range(0, 24).Select(_ => words[random.Next(words.Length)])];
            text[1 + random.Next(text.Length - 1)] = telling[i % 2][random.Next(6)];
            return new LabeledText($"{string.Join(' ', text)} {i}", i % 2 == 0 ? "billing" : "delivery");
        })];
    }

    private static void AssertClose(Prediction expected, Prediction found)
    {
        Assert.Equal(expected.Label, found.Label);
        Assert.Equal(expected.Probability, found.Probability, Tolerance);
    }

    private static void AssertEqual(Prediction[] expected, Prediction[] found) =>
        Assert.Equal(expected.SelectMany(prediction => prediction.Ranked), found.SelectMany(prediction => prediction.Ranked));

    /// <summary>One classifier that several tests only read.</summary>
    public sealed class Trained : IDisposable
    {
        public TextClassifier Classifier { get; } = Train(Requests.Generate(90));

        public void Dispose() => Classifier.Dispose();
    }
}
