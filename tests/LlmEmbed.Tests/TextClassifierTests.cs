using System.Text;
using LlmEmbed.Data;
using LlmEmbed.Reading;
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
        using TextClassifier asks = Requests.Train(Requests.Generate(60), Requests.Options("bert")), linear = Requests.Train(Requests.Generate(60), Requests.Options("bert") with { Head = HeadKind.Linear });
        Assert.Contains("the names of the classes", asks.Training!.Choice, StringComparison.Ordinal);
        Assert.DoesNotContain("the names of the classes", linear.Training!.Choice, StringComparison.Ordinal);
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
        Parallel.For(0, texts.Length, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Cancellation }, i => found[i] = trained.Classifier.Predict(texts[i]));
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
        Assert.Contains("Example 7 of 7", Assert.Throws<LlmEmbedException>(() => trained.Classifier.Evaluate(examples, progress: null, Cancellation)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_label_that_the_classifier_does_not_know_counts_as_an_error()
    {
        LabeledText[] known = Requests.Generate(30, seed: 6);
        EvaluationReport before = trained.Classifier.Evaluate(known, progress: null, Cancellation);
        EvaluationReport after = trained.Classifier.Evaluate([.. known, new("refund of the invoice", "zoology"), new("refund of the parcel", "astronomy")], progress: null, Cancellation);
        Assert.Equal(["billing", "delivery", "technical", "astronomy", "zoology"], after.Classes.Select(score => score.Label));
        Assert.Equal(before.Accuracy * 30 / 32, after.Accuracy, 1e-12);
        Assert.Equal((1, 0.0), (after.Classes[4].Support, after.Classes[4].Recall));
    }

    [Fact]
    public void Nothing_to_evaluate_is_an_error()
    {
        Assert.Contains("nothing to evaluate", Assert.Throws<LlmEmbedException>(() => trained.Classifier.Evaluate([], progress: null, Cancellation)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_training_says_what_it_met_and_chose()
    {
        TrainingSummary summary = trained.Classifier.Training!;
        Assert.Equal(90, summary.Examples);
        Assert.Equal(2, summary.Encoding.Count);
        Assert.All(summary.Encoding, statistics => Assert.Equal(90, statistics.ComputedTexts));
        Assert.Contains("logistic regression with C = ", summary.Choice, StringComparison.Ordinal);
        Assert.Null(summary.HeldOut);
    }

    [Fact]
    public void A_held_out_share_is_measured_and_then_trained_on_as_well()
    {
        TrainingOptions options = Options with { Encoder = Options.Encoder with { Depths = "1,2" } };
        using TextClassifier everything = Train(Requests.Generate(90), options), classifier = Train(Requests.Generate(90), options with { HeldOutShare = 0.2 });
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
            TrainingOptions variant = folder == "one-thread" ? options with { Encoder = options.Encoder with { Threads = 1 } } : options;
            using TextClassifier classifier = Train(Requests.Generate(60), variant);
            classifier.Save(_folder.File(folder));
        }
        Assert.Equal(["README.md", "classifier.json", "head.safetensors", "report.html", "report.json", "terms.txt"], Files("one"));
        foreach (string folder in folders[1..]) AssertSameFolders("one", folder);
    }

    [Theory]
    [InlineData(HeadKind.Linear, null)]
    [InlineData(HeadKind.Linear, "1,2")]
    [InlineData(HeadKind.Cooccurrence, null)]
    public void Features_in_a_mapped_file_give_the_classifier_of_features_in_memory_byte_for_byte(HeadKind head, string? depths)
    {
        foreach ((string folder, long memoryBytes) in new[] { ("memory", long.MaxValue), ("mapped", 0) })
        {
            EncoderOptions encoder = Options.Encoder with { Depths = depths, Precision = Precision.Fp32, CacheFolder = _folder.File($"{folder} cache") };
            using TextClassifier classifier = Train(
                Requests.Generate(60), Options with { Encoder = encoder, Head = head, HeldOutShare = 0.25, FeatureMemoryBytes = memoryBytes });
            classifier.Save(_folder.File(folder));
        }
        AssertSameFolders("memory", "mapped");
    }

    [Fact]
    public void Copies_of_a_text_are_held_out_together()
    {
        LabeledText[] once = Requests.Generate(120);
        using TextClassifier classifier = Train([.. once, .. once.Select(example => example with { Text = example.Text.ToUpperInvariant() + "!" })], Options with { HeldOutShare = 0.25 });
        int[] heldOut = [.. classifier.Training!.HeldOutRows];
        Assert.InRange(heldOut.Length, 50, 70);
        Assert.Equal(heldOut.Where(row => row < 120), heldOut.Where(row => row >= 120).Select(row => row - 120));
    }

    [Fact]
    public void A_learned_pooling_is_measured_on_texts_it_has_not_seen_and_comes_back_from_disk()
    {
        TrainingOptions options = new() { Backbones = ["all-minilm-l6-v2"], HeldOutShare = 0.25, UseWords = false };
        LabeledText[] examples = Buried(2200);
        using TextClassifier classifier = Train(examples, options), without = Train(examples, options with { UseAttention = false });
        Assert.True(classifier.Training!.Choice.Contains("logistic regression on attention pooling at depth", StringComparison.Ordinal), classifier.Training.Choice);
        Assert.Single(classifier.Encoders[0].Views, view => view.Pooling == Pooling.Attention);
        Assert.DoesNotContain(without.Encoders[0].Views, view => view.Pooling == Pooling.Attention);
        Assert.InRange(classifier.Training.HeldOut!.LogLoss, 0, 0.8 * without.Training!.HeldOut!.LogLoss);

        // The measurement is that of a classifier which never saw the rest, its pooling included.
        HashSet<int> heldOut = [.. classifier.Training.HeldOutRows];
        using TextClassifier part = Train([.. examples.Where((_, row) => !heldOut.Contains(row))], options with { HeldOutShare = 0 });
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

        string head = _folder.File("saved/head.safetensors");
        File.WriteAllBytes(head, Encoding.Latin1.GetBytes(Encoding.Latin1.GetString(File.ReadAllBytes(head)).Replace("attention.query", "attention.other", StringComparison.Ordinal)));
        Assert.Contains("the tensor 'attention.query' is missing", Assert.Throws<LlmEmbedException>(() => Load("saved")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(900, null, null)]
    [InlineData(1200, 1_000_000, null)] // less than the tokens take
    [InlineData(1200, null, 3600)]
    public void Nothing_is_learned_from_tokens_of_few_texts_without_room_or_within_a_budget(int count, int? memoryBytes, int? budgetSeconds)
    {
        TrainingOptions options = Requests.Options("llama-gqa") with
        {
            UseWords = false,
            FeatureMemoryBytes = memoryBytes,
            Budget = budgetSeconds is int seconds ? TimeSpan.FromSeconds(seconds) : null,
        };
        using TextClassifier classifier = Train(Buried(count), options);
        Assert.DoesNotContain("attention", classifier.Training!.Choice, StringComparison.Ordinal);
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
            using TextClassifier classifier = Train([.. common, .. rare], Options with { ClassWeighting = weighting });
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
        using TextClassifier classifier = Requests.Train(Requests.Generate(30), Options, progress);
        // Few texts train more than one regression, so the last two may come again.
        Assert.Equal(["Reading llama-gqa", "Reading bert", "Comparing views", "Comparing sets of views", "Choosing the penalty", "Training the head", "Training on words"], stages.Distinct());
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
        Assert.ThrowsAny<OperationCanceledException>(() => TextClassifier.Train(Requests.Generate(60), Options, progress, source.Token));
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
        Assert.Contains("too few examples to choose it", classifier.Training!.Choice, StringComparison.Ordinal);
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
        Assert.Contains("name at least one", Assert.Throws<LlmEmbedException>(() => Train(Requests.Generate(6), Options with { Backbones = [] })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_features_of_several_backbones_lie_side_by_side()
    {
        FeatureLayout layout = Fusion.LayoutOf(trained.Classifier.Encoders);
        string[] texts = Texts(3, seed: 8);
        TextEmbeddings[] parts = [.. trained.Classifier.Encoders.Select(encoder => encoder.Encode(texts, progress: null, Cancellation))];
        float[] features = Fusion.Fuse(parts);
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

    private TextClassifier Load(string folder) => TextClassifier.Load(_folder.File(folder), new() { ModelFolders = [Repository.Fixtures] });

    private string[] Files(string folder) => [.. Directory.EnumerateFiles(_folder.File(folder)).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal)];

    private void AssertSameFolders(string expected, string found)
    {
        Assert.Equal(Files(expected), Files(found));
        foreach (string file in Files(expected)) Assert.Equal(File.ReadAllBytes(Path.Combine(_folder.File(expected), file)), File.ReadAllBytes(Path.Combine(_folder.File(found), file)));
    }

    private static string[] Texts(int count, int seed) => [.. Requests.Generate(count, seed).Select(example => example.Text)];

    /// <summary>Words of all classes in every text, so that no classifier is sure.</summary>
    private static LabeledText[] Noisy(LabeledText[] examples) =>
        [.. examples.Select((example, i) => example with { Text = $"{example.Text[..(example.Text.Length / 2)]} {(i % 2 == 0 ? "invoice refund" : "parcel courier")} {i % 7}" })];

    /// <summary>Long texts of words that say nothing, with one that tells the class.</summary>
    private static LabeledText[] Buried(int count)
    {
        string[] words = ["table", "river", "seven", "green", "paper", "under", "walks", "music", "house", "early", "north", "chair", "water", "monday", "street", "window", "orange", "bread"];
        string[][] telling = [["great", "superb", "lovely", "brilliant", "perfect", "charming"], ["awful", "dreadful", "boring", "terrible", "ugly", "stupid"]];
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
