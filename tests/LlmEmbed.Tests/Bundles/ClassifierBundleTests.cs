using System.Text.Json.Nodes;
using LlmEmbed.Bundles;
using LlmEmbed.Data;
using LlmEmbed.Evaluation;
using LlmEmbed.Files;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;
using Xunit;

namespace LlmEmbed.Tests.Bundles;

public sealed class ClassifierBundleTests(ClassifierBundleTests.Trained trained) : IClassFixture<ClassifierBundleTests.Trained>, IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    private string Bundle => _folder.File("classifier");

    private string ManifestFile => Path.Combine(Bundle, "classifier.json");

    private string TermsFile => Path.Combine(Bundle, "terms.txt");

    private string HeadFile => Path.Combine(Bundle, "head.safetensors");

    [Fact]
    public void A_folder_without_a_manifest_is_no_classifier()
    {
        AssertRefused(_folder.Path, "holds no classifier.json");
        AssertRefused(_folder.File("missing"), "there is no such folder");
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("{}")]
    [InlineData("""{"format":"something-else","format_version":1}""")]
    [InlineData("""{"format":"llmembed-classifier"}""")]
    [InlineData("""{"format":"llmembed-classifier","format_version":"one"}""")]
    [InlineData("""{"format":"llmembed-classifier","format_version":6}""")]
    [InlineData("""{"format":"llmembed-classifier","format":"llmembed-classifier","format_version":6}""")]
    public void A_manifest_that_is_no_manifest_is_damaged(string json)
    {
        Save();
        File.WriteAllText(ManifestFile, json);
        LlmEmbedException error = AssertRefused(Bundle, "classifier.json is damaged: ");
        Assert.Equal(ManifestFile, error.FilePath);
    }

    public static TheoryData<string, Action<JsonObject>> Damages => new()
    {
        { "'format_version' from 1", json => json["format_version"] = 0 },
        { "two different 'labels'", json => json["labels"] = new JsonArray("billing") },
        { "two different 'labels'", json => json["labels"] = new JsonArray("billing", "billing", "technical") },
        { "two different 'labels'", json => json["labels"]![1] = null },
        { "labels", json => json["labels"] = null },
        { "'temperature' above 0", json => json["head"]!["temperature"] = 0 },
        { "'temperature' above 0", json => json["head"]!["temperature"] = -1 },
        { "a number of 'terms'", json => json["head"]!["terms"] = -1 },
        { "temperature", json => json["head"]!.AsObject().Remove("temperature") },
        { "decisions", json => json["head"]!.AsObject().Remove("decisions") },
        { "discriminator", json => json["head"]!["decisions"]!["head"]!["kind"] = "forest" },
        { "discriminator", json => json["head"]!["decisions"]!["head"]!.AsObject().Remove("kind") },
        { "words of each 'attention'", json => json["head"]!["decisions"]!["attention"] = new JsonArray(null as JsonNode) },
        {
            "words of each 'attention'",
            json => json["head"]!["decisions"]!["attention"] = JsonNode.Parse("""[{"backbone":"llama-gqa","depth":1,"words":[null]}]""")
        },
        { "class_weighting", json => json["head"]!["decisions"]!["head"]!["class_weighting"] = "some" },
        { "at least one backbone", json => json["backbones"] = new JsonArray() },
        { "at least one backbone", json => json["backbones"]![0] = null },
        { "two SHA-256 for the backbone 'llama-gqa'", json => json["backbones"]![0]!["weights_sha256"] = "abc" },
        { "two SHA-256 for the backbone 'llama-gqa'", json => json["backbones"]![0]!["tokenizer_sha256"] = new string('x', 64) },
        { "the precision fp32", json => json["backbones"]![0]!["precision"] = "int3" },
        { "at least one view of the backbone 'llama-gqa'", json => json["backbones"]![0]!["views"] = new JsonArray() },
        { "Pooling 'median' is not known", json => json["backbones"]![0]!["views"]![0]!["pooling"] = "median" },
        { "depth", json => json["backbones"]![0]!["views"]![0]!["depth"] = "deep" },
    };

    [Theory]
    [MemberData(nameof(Damages))]
    public void A_manifest_with_a_value_that_cannot_be_is_damaged(string expected, Action<JsonObject> damage)
    {
        Save();
        TemporaryFolder.EditJson(ManifestFile, damage);
        LlmEmbedException error = AssertRefused(Bundle, "classifier.json is damaged: ");
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Equal(ManifestFile, error.FilePath);
    }

    [Fact]
    public void A_newer_format_is_refused_whatever_else_it_holds()
    {
        Save();
        File.WriteAllText(ManifestFile, """{"format":"llmembed-classifier","format_version":7,"labels":{"new":"style"}}""");
        AssertRefused(Bundle, "has format version 7; this llmembed reads version 6. Update llmembed");
    }

    [Fact]
    public void An_older_format_is_refused_with_what_to_do()
    {
        Save();
        File.WriteAllText(ManifestFile, """{"format":"llmembed-classifier","format_version":5}""");
        AssertRefused(Bundle, "has format version 5; this llmembed reads version 6. Train the classifier again.");
    }

    [Fact]
    public void A_missing_head_is_named()
    {
        Save();
        File.Delete(HeadFile);
        Assert.Equal(HeadFile, AssertRefused(Bundle, "head.safetensors").FilePath);
    }

    [Theory]
    [InlineData(null, "cannot be read")]
    [InlineData("one\ntwo\n", "has 2 lines, expected ")]
    public void Terms_that_are_missing_or_too_few_are_refused(string? terms, string expected)
    {
        Save();
        File.Delete(TermsFile);
        if (terms is not null) File.WriteAllText(TermsFile, terms);
        Assert.Equal(TermsFile, AssertRefused(Bundle, expected).FilePath);
    }

    [Fact]
    public void A_term_that_is_there_twice_is_refused()
    {
        Save();
        string[] terms = File.ReadAllLines(TermsFile);
        File.WriteAllLines(TermsFile, [terms[1], .. terms[1..]]);
        Assert.Equal(TermsFile, AssertRefused(Bundle, "holds a line twice").FilePath);
    }

    [Fact]
    public void A_head_that_is_cut_off_is_refused()
    {
        Save();
        File.WriteAllBytes(HeadFile, File.ReadAllBytes(HeadFile)[..^8]);
        Assert.Equal(HeadFile, AssertRefused(Bundle, "head.safetensors").FilePath);
    }

    [Fact]
    public void A_head_of_another_number_of_classes_is_refused_by_tensor_and_shape()
    {
        Save();
        TemporaryFolder.EditJson(ManifestFile, json => json["labels"] = new JsonArray("a", "b", "c", "d"));
        LlmEmbedException error = AssertRefused(Bundle, "'weight' has the shape [3, ");
        Assert.Contains("expected [4, ", error.Message, StringComparison.Ordinal);
        Assert.Equal(HeadFile, error.FilePath);
    }

    [Fact]
    public void A_head_for_other_views_is_refused()
    {
        Save();
        TemporaryFolder.EditJson(ManifestFile, json => json["backbones"]![0]!["views"]!.AsArray().RemoveAt(0));
        Assert.Equal(HeadFile, AssertRefused(Bundle, "has the shape [128], expected [64]").FilePath);
    }

    [Theory]
    [InlineData("weight", "is missing")]
    [InlineData("scale", "is missing")]
    public void A_head_without_a_tensor_is_refused_by_name(string tensor, string expected)
    {
        Save();
        WriteHead(HeadTensors().Where(entry => entry.Name != tensor));
        Assert.Equal(HeadFile, AssertRefused(Bundle, $"'{tensor}' {expected}").FilePath);
    }

    [Theory]
    [InlineData(0f)]
    [InlineData(-1f)]
    public void A_head_that_divides_by_nothing_is_refused(float scale)
    {
        Save();
        WriteHead(HeadTensors().Select(entry => entry.Name == "scale" ? entry with { Values = [scale, .. entry.Values[1..]] } : entry));
        Assert.Equal(HeadFile, AssertRefused(Bundle, $"'scale' holds {scale}").FilePath);
    }

    [Fact]
    public void A_head_with_infinite_weights_is_refused()
    {
        Save();
        WriteHead(
            HeadTensors().Select(entry => entry.Name == "weight" ? entry with { Values = [float.PositiveInfinity, .. entry.Values[1..]] } : entry));
        Assert.Equal(HeadFile, AssertRefused(Bundle, "'weight' (F32) holds NaN or infinity").FilePath);
    }

    [Fact]
    public void A_head_of_an_unknown_kind_is_refused()
    {
        Save();
        TemporaryFolder.EditJson(ManifestFile, json => json["head"]!["kind"] = "forest");
        AssertRefused(Bundle, "The head 'forest' is not known");
    }

    [Fact]
    public void A_missing_backbone_is_named_with_what_to_do()
    {
        Save();
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => Requests.LoadClassifier(Bundle, new RuntimeOptions()));
        Assert.Contains("needs the backbone 'llama-gqa' (llama, SHA-256 ", error.Message, StringComparison.Ordinal);
        Assert.Contains("it was not found. Put that backbone in a folder named llama-gqa", error.Message, StringComparison.Ordinal);
        Assert.Equal(Bundle, error.FilePath);
    }

    [Fact]
    public void Other_weights_under_the_same_name_are_refused()
    {
        Save();
        string config = Path.Combine(_folder.CopyFixture("llama-gqa"), "config.json");
        TemporaryFolder.EditJson(config, json => json["rms_norm_eps"] = 1e-4);
        AssertRefused(
            Bundle, $"{Path.GetDirectoryName(config)} differs in its weights or config.json from the one it was trained with", _folder.Path);
    }

    [Fact]
    public void Another_tokenizer_under_the_same_name_is_refused()
    {
        Save();
        string tokenizer = Path.Combine(_folder.CopyFixture("llama-gqa"), "tokenizer.json");
        File.AppendAllText(tokenizer, "\n");
        AssertRefused(Bundle, $"{Path.GetDirectoryName(tokenizer)} differs in its tokenizer from the one it was trained with", _folder.Path);
    }

    [Fact]
    public void A_backbone_is_found_by_name_when_something_else_lies_where_it_was()
    {
        string source = _folder.CopyFixture("llama-gqa");
        using (TextClassifier classifier = Requests.Train(Requests.Generate(12), Requests.Options(source))) classifier.Save(Bundle);
        Directory.Delete(source, recursive: true);
        Directory.CreateDirectory(source);
        AssertRefused(Bundle, Path.Combine(source, "config.json"), _folder.File("nowhere"));
        using TextClassifier loaded = Requests.LoadClassifier(Bundle);
        Assert.Equal("llama-gqa", Assert.Single(loaded.Parts.Reader.Backbones).Backbone.Source);
    }

    [Fact]
    public void Keys_that_were_accepted_in_training_need_not_be_accepted_again()
    {
        string source = _folder.CopyFixture("llama-gqa");
        TemporaryFolder.EditJson(Path.Combine(source, "config.json"), config => (config["new_attention"], config["my_note"]) = (true, "x"));
        using OpenBackbones open = new(new RuntimeOptions { AcceptedConfigKeys = ["new_attention", "another_attention"] });
        using (TextClassifier classifier =
            TextClassifier.Train(Requests.Generate(12), Requests.Options(source), open, cancellationToken: TestContext.Current.CancellationToken))
        {
            Assert.Equal(
                [true, true],
                classifier.Training!.Warnings.Where(warning => warning.Kind == WarningKind.Configuration).Select(
                    warning => warning.Message.StartsWith(Path.Combine(source, "config.json"), StringComparison.Ordinal)));
            classifier.Save(Bundle);
        }
        Assert.Equal(["new_attention"], Assert.Single(ClassifierBundle.ReadManifest(Bundle).Backbones).AcceptedConfigKeys);
        Requests.LoadClassifier(Bundle).Dispose();
        using OpenBackbones strict = new();
        Assert.Throws<LlmEmbedException>(Open);
        using TextClassifier loaded = TextClassifier.Load(Bundle, strict, cancellationToken: TestContext.Current.CancellationToken);
        // The same backbone is open now, for the classifier that records the key and for nobody else.
        Assert.Throws<LlmEmbedException>(Open);
        Assert.Equal(2, strict.Warnings.Count);

        void Open() => TextEncoder.Load(source, options: null, strict, cancellationToken: TestContext.Current.CancellationToken);
    }

    [Fact]
    public void A_classifier_is_loaded_with_the_limits_it_was_trained_with()
    {
        ViewSelection views = ViewSelection.Of(new View(1, Pooling.MeanWithPads));
        TrainingOptions options = Options.WithFixed(recipe => recipe with { Views = views, MaxTokens = 20, PadTo = 24 });
        using (TextClassifier classifier = Requests.Train(Requests.Generate(12), options)) classifier.Save(Bundle);
        using TextClassifier loaded = Load();
        BackbonePlan found = Assert.Single(loaded.Parts.Reader.Backbones).Plan;
        Assert.Equal((20, 24), (found.MaxTokens, found.PadTo));
        Assert.Equal([new View(1, Pooling.MeanWithPads)], found.Views);
    }

    [Fact]
    public void An_earlier_classifier_is_replaced_as_a_whole()
    {
        Save();
        File.WriteAllText(Path.Combine(Bundle, "report.json"), "of the earlier one");
        Save();
        Assert.Equal(["README.md", "classifier.json", "head.safetensors", "terms.txt"], Entries(Bundle));
        Assert.Equal(["classifier"], Entries(_folder.Path));
        Load().Dispose();
    }

    [Fact]
    public void An_empty_folder_is_used()
    {
        Directory.CreateDirectory(Bundle);
        Save();
        Load().Dispose();
    }

    [Fact]
    public void Folders_above_are_created_and_a_separator_at_the_end_is_no_name()
    {
        string deep = _folder.File(Path.Combine("a", "b", "classifier"));
        trained.Classifier.Save(deep + Path.DirectorySeparatorChar);
        Assert.Equal(["classifier"], Entries(Path.GetDirectoryName(deep)!));
    }

    [Fact]
    public void A_folder_that_holds_something_else_is_refused_and_left_alone()
    {
        Directory.CreateDirectory(Bundle);
        File.WriteAllText(Path.Combine(Bundle, "thesis.txt"), "years of work");
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(Save);
        Assert.Contains("is not empty and holds no classifier", error.Message, StringComparison.Ordinal);
        Assert.Equal(Bundle, error.FilePath);
        Assert.Equal(["thesis.txt"], Entries(Bundle));
        Assert.Equal(["classifier"], Entries(_folder.Path));
    }

    [Fact]
    public void A_file_of_that_name_is_refused_and_left_alone()
    {
        _folder.Write("classifier", "years of work");
        Assert.Contains("is a file; a classifier is saved as a folder", Assert.Throws<LlmEmbedException>(Save).Message, StringComparison.Ordinal);
        Assert.Equal("years of work", File.ReadAllText(Bundle));
    }

    [Fact]
    public void A_place_that_cannot_be_written_is_an_error_that_names_it()
    {
        _folder.Write("file", "");
        string place = Path.Combine(_folder.File("file"), "classifier");
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => trained.Classifier.Save(place));
        Assert.Contains("the classifier cannot be written", error.Message, StringComparison.Ordinal);
        Assert.Equal(place, error.FilePath);
    }

    [Fact]
    public void A_save_that_fails_halfway_leaves_the_earlier_classifier_and_nothing_else()
    {
        Save();
        byte[] before = File.ReadAllBytes(HeadFile);
        using HeadOnFullDisk head = new();
        TrainedClassifier parts = trained.Classifier.Parts, failing = parts with { Head = parts.Head with { Head = head } };
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => ClassifierBundle.Save(failing, Bundle, report: null));
        Assert.Contains("No space left. Nothing of it was kept.", error.Message, StringComparison.Ordinal);
        Assert.Equal(["classifier"], Entries(_folder.Path));
        Assert.Equal(before, File.ReadAllBytes(HeadFile));
        Load().Dispose();
    }

    [Fact]
    public void The_manifest_says_what_the_classifier_is_without_its_backbones()
    {
        Save();
        ClassifierBundle.Manifest manifest = ClassifierBundle.ReadManifest(Bundle);
        Assert.Equal(["billing", "delivery", "technical"], manifest.Labels);
        Assert.Equal(("linear", 36), (manifest.Head.Kind, manifest.Examples));
        BackboneEntry backbone = Assert.Single(manifest.Backbones);
        Assert.Equal(("llama-gqa", "llama-gqa", "llama", 64), (backbone.Name, backbone.Source, backbone.ModelType, backbone.MaxTokens));
        Assert.Equal([new(2, "mean-skip-first"), new(2, "last")], backbone.Views);
        Assert.Equal(ClassWeighting.None, Assert.IsType<MixtureDecision>(manifest.Head.Decisions.Head).ClassWeighting);
    }

    [Fact]
    public void The_model_card_shows_classes_backbones_head_and_what_was_measured()
    {
        Save();
        string card = Card();
        Assert.StartsWith(
            "# Text classifier\n\nChooses among 3 classes: billing, delivery, technical.\nTrained on 36 examples", card, StringComparison.Ordinal);
        string sha256 = trained.Classifier.Parts.Reader.Backbones[0].Backbone.WeightsSha256;
        Assert.Contains($"| llama-gqa (llama) | 2:mean-skip-first, 2:last | 64 tokens | {sha256} |", card, StringComparison.Ordinal);
        Assert.Contains("Head: mixture of ", card, StringComparison.Ordinal);
        int terms = trained.Classifier.Parts.Head.Words!.Terms.Count;
        Assert.Contains($"`terms.txt` lists the {terms} words", card, StringComparison.Ordinal);
        Assert.DoesNotContain("Measured on", card, StringComparison.Ordinal);

        EvaluationReport report = trained.Classifier.Evaluate(Requests.Generate(12), progress: null, TestContext.Current.CancellationToken);
        trained.Classifier.Save(Bundle, report);
        Assert.Contains($"Measured on 12 texts: {report}.", Card(), StringComparison.Ordinal);
        Assert.Contains("\n| billing | ", Card(), StringComparison.Ordinal);
        Assert.Equal(report.ToJson() + "\n", File.ReadAllText(Path.Combine(Bundle, "report.json")));
    }

    [Fact]
    public void What_attention_looks_at_is_kept_and_inspected_and_shown_on_the_page_without_texts()
    {
        AttentionSummary[] attention = [new("llama-gqa", 1, [new("who", 4.125, 9), new("many", 3.2, 4)]), new("llama-gqa", 2, [])];
        TrainedClassifier parts = trained.Classifier.Parts;
        parts = parts with { Head = parts.Head with { Decisions = parts.Head.Decisions with { Attention = attention } } };
        ClassifierBundle.Save(
            parts, Bundle, trained.Classifier.Evaluate(Requests.Generate(12), progress: null, TestContext.Current.CancellationToken));
        using TextClassifier loaded = Load();
        Assert.Equal(attention.SelectMany(summary => summary.Words), loaded.Parts.Head.Decisions.Attention.SelectMany(summary => summary.Words));

        Inspection inspection = Inspection.Of(Bundle);
        JsonNode first = JsonNode.Parse(inspection.ToJson())!["attention"]![0]!;
        Assert.Equal((1, "who", 4.125), ((int)first["depth"]!, (string?)first["words"]![0]!["word"], (double)first["words"]![0]!["weight"]!));
        string[] lines = [.. inspection.ToString().ReplaceLineEndings("\n").Split('\n').Select(line => line.Trim())];
        Assert.Contains("words     who 4.1, many 3.2 (times as much as at an average token)", lines);
        Assert.Contains("words     no word more than others", lines);

        string page = File.ReadAllText(Path.Combine(Bundle, "report.html"));
        Assert.Contains("who 4.1, many 3.2", page, StringComparison.Ordinal);
        Assert.DoesNotContain("class=\"texts\"", page, StringComparison.Ordinal);
    }

    [Fact]
    public void Labels_that_would_break_the_model_cards_tables_are_written_in_one_cell()
    {
        LabeledText[] examples = Requests.Generate(12).Relabel(("billing", "a|b"), ("delivery", "two\nlines"), ("technical", "plain"));
        using TextClassifier classifier = Requests.Train(examples, Options with { HeldOutShare = 0.5 });
        classifier.Save(Bundle);
        Assert.Contains("Chooses among 3 classes: a\\|b, plain, two lines.\n", Card(), StringComparison.Ordinal);
        Assert.Contains("\n| a\\|b | ", Card(), StringComparison.Ordinal);
        Assert.Contains("\n| two lines | ", Card(), StringComparison.Ordinal);
    }

    [Fact]
    public void Queries_of_several_depths_of_two_backbones_come_back_from_disk()
    {
        using OpenBackbones backbones = new(Requests.Runtime);
        using TrainedClassifier saved = WithQueries(backbones, ("llama-gqa", [2, 1]), ("bert", [0, 1, 4]));
        ClassifierBundle.Save(saved, Bundle, report: null);
        Assert.Equal(
            [
                "attention.0.1.query", "attention.0.2.query", "attention.1.0.query", "attention.1.1.query", "attention.1.4.query",
            ],
            HeadTensors().Select(tensor => tensor.Name).Where(name => name.StartsWith("attention", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal));
        using TrainedClassifier loaded = ClassifierBundle.Load(Bundle, backbones, default);
        foreach ((BackboneReader before, BackboneReader after) in saved.Reader.Backbones.Zip(loaded.Reader.Backbones))
        {
            Assert.Equal(before.Plan.Views, after.Plan.Views);
            Assert.Equal(before.Fingerprint.Sha256, after.Fingerprint.Sha256);
        }
        Assert.Equal(Probabilities(saved), Probabilities(loaded));
    }

    [Fact]
    public void A_query_that_is_missing_or_of_another_length_is_refused_by_name()
    {
        using OpenBackbones backbones = new(Requests.Runtime);
        using TrainedClassifier saved = WithQueries(backbones, ("llama-gqa", [2]), ("bert", [2]));
        ClassifierBundle.Save(saved, Bundle, report: null);
        // Of two views with attention pooling neither takes what an older classifier had for its only one.
        Rename("attention.1.2.query", "attention.query");
        LlmEmbedException error = AssertRefused(
            Bundle, "the tensor 'attention.1.2.query' is missing, which a view of bert with attention pooling needs");
        Assert.Equal(HeadFile, error.FilePath);
        WriteHead([.. HeadTensors(), new HeadTensor("attention.1.2.query", [5], new float[5])]);
        error = AssertRefused(Bundle, "the tensor 'attention.1.2.query' has 5 numbers, expected the 32 of a state of bert");
        Assert.Equal(HeadFile, error.FilePath);
    }

    /// <summary>A classifier of a last token and attention poolings at some depths of each backbone, whose numbers are drawn.</summary>
    private TrainedClassifier WithQueries(OpenBackbones backbones, params (string Backbone, int[] Depths)[] parts)
    {
        DeterministicRandom random = new(7);
        float[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() - 0.5))];
        FeatureReader reader = FeatureReader.Open(
            parts.Select(part =>
            {
                OpenBackbone open = backbones.Open(part.Backbone, default);
                View[] views = [new(open.Model.BlockCount, Pooling.Last), .. part.Depths.Select(depth => new View(depth, Pooling.Attention))];
                BackbonePlan plan = new(views, MaxTokens: 32, Precision.Fp32)
                {
                    AttentionQueries = [.. part.Depths.Select(depth => new AttentionQuery(depth, Draw(open.Model.HiddenSize)))],
                };
                return (open, plan);
            }),
            backbones.Runtime);
        int features = reader.Layout.FeatureCount;
        LinearHead head = new(3, Standardization.None(features), Draw(3 * features), Draw(3));
        TrainedClassifier real = trained.Classifier.Parts;
        return real with { Reader = reader, Head = real.Head with { Head = head, Words = null, Layout = null, Queries = [] } };
    }

    private static float[] Probabilities(TrainedClassifier classifier)
    {
        string[] texts = [.. Requests.Generate(9).Select(example => example.Text)];
        CancellationToken cancellation = TestContext.Current.CancellationToken;
        return classifier.Probabilities(classifier.Reader.Prepare(texts, cancellation), new Work(Progress: null, cancellation)).Probabilities;
    }

    private void Rename(string tensor, string other) =>
        WriteHead(HeadTensors().Select(entry => entry.Name == tensor ? entry with { Name = other } : entry));

    private static TrainingOptions Options => Requests.Options(ViewSelection.At("2", [Pooling.MeanSkipFirst, Pooling.Last]), "llama-gqa");

    private string Card() => File.ReadAllText(Path.Combine(Bundle, "README.md"));

    private void Save() => trained.Classifier.Save(Bundle);

    private TextClassifier Load() => Requests.LoadClassifier(Bundle);

    private static LlmEmbedException AssertRefused(string folder, string expected, string? models = null)
    {
        RuntimeOptions runtime = new() { ModelFolders = [models ?? Repository.Fixtures] };
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => Requests.LoadClassifier(folder, runtime));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        return error;
    }

    private static string[] Entries(string folder) =>
        [.. Directory.EnumerateFileSystemEntries(folder).Select(entry => Path.GetFileName(entry)).Order(StringComparer.Ordinal)];

    private HeadTensor[] HeadTensors()
    {
        using SafetensorsFile file = SafetensorsFile.Open(HeadFile);
        return [.. file.Tensors.Values.Select(tensor => new HeadTensor(tensor.Name, [.. tensor.Shape], file.ReadFloat32(tensor.Name)))];
    }

    private void WriteHead(IEnumerable<HeadTensor> tensors)
    {
        HeadTensor[] all = [.. tensors];
        using SafetensorsWriter writer = SafetensorsWriter.Create(
            HeadFile, [], [.. all.Select(tensor => new SafetensorsLayout(tensor.Name, "F32", tensor.Shape[1..]))]);
        foreach (HeadTensor tensor in all) writer.Append<float>(tensor.Name, tensor.Values);
        writer.Commit();
    }

    /// <summary>A head whose tensors cannot be written.</summary>
    private sealed class HeadOnFullDisk : IHead
    {
        public string Kind => LinearHead.KindName;

        public int FeatureCount => 1;

        public int ClassCount => 2;

        public IReadOnlyList<HeadTensor> Tensors => throw new IOException("No space left.");

        public JsonObject Settings => [];

        public void Logits(ReadOnlySpan<float> features, int rows, Span<float> logits) => throw new NotSupportedException();

        public void Dispose()
        {
        }
    }

    /// <summary>One classifier that the tests only save.</summary>
    public sealed class Trained : IDisposable
    {
        public TextClassifier Classifier { get; } = Requests.Train(Requests.Generate(36), Options);

        public void Dispose() => Classifier.Dispose();
    }
}
