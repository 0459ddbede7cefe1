using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Evaluation;
using LlmEmbed.Files;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;
using LlmEmbed.Reports;

namespace LlmEmbed.Bundles;

/// <summary>
/// A trained classifier as a folder: <c>classifier.json</c> (what it is), <c>head.safetensors</c> (what was trained), <c>terms.txt</c> (words and
/// pairs of words, one a line, where they count), <c>README.md</c> (a model card) and, where something was measured, <c>report.json</c> and
/// <c>report.html</c>, without texts of the data and without times. Nothing in it is executable. Backbones are not part of it: they are named, with
/// checksums.
/// </summary>
internal static class ClassifierBundle
{
    private const string FormatName = "llmembed-classifier";
    private const int FormatVersion = 6;
    private const string ManifestFile = "classifier.json";
    private const string HeadFile = "head.safetensors";
    private const string TermsFile = "terms.txt";
    private const string CardFile = "README.md";
    private const string ReportFile = "report.json";
    private const string PageFile = "report.html";

    private static readonly JsonSerializerOptions Json = new(HeadSentences.Json)
    {
        TypeInfoResolver = ManifestJson.Default,
        WriteIndented = true,
        RespectNullableAnnotations = true,
        RespectRequiredConstructorParameters = true,
        Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
    };

    /// <summary>Whether a folder holds a classifier, of whatever version.</summary>
    public static bool IsBundle(string folder) => File.Exists(Path.Combine(folder, ManifestFile));

    /// <summary>Every file that a classifier in a folder may have.</summary>
    public static IReadOnlyList<string> FilesIn(string folder) =>
        [.. new[] { ManifestFile, HeadFile, TermsFile, CardFile, ReportFile, PageFile }.Select(name => Path.Combine(folder, name))];

    /// <summary>The files that decide what a classifier predicts, whether they are there or not.</summary>
    public static IReadOnlyList<string> DecidingFilesIn(string folder) =>
        [.. new[] { ManifestFile, HeadFile, TermsFile }.Select(name => Path.Combine(folder, name))];

    /// <summary>The names and places of the backbones that a classifier needs; none if its manifest cannot be read.</summary>
    public static IReadOnlyList<string> BackbonesOf(string folder)
    {
        try
        {
            return [.. ReadManifest(folder).Backbones.SelectMany(entry => new[] { entry.Source, entry.Name }).Distinct(StringComparer.Ordinal)];
        }
        catch (LlmEmbedException)
        {
            return []; // whoever loads the classifier says what is wrong with it
        }
    }

    /// <summary>Refuses a folder that holds something else than a classifier, before any work is done for it.</summary>
    public static void RequireUsable(string folder)
    {
        if (File.Exists(folder)) throw new LlmEmbedException($"{folder} is a file; a classifier is saved as a folder.") { FilePath = folder };
        if (Directory.Exists(folder) && !IsBundle(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
            throw new LlmEmbedException(
                $"{folder} is not empty and holds no classifier. Name another folder, so that nothing of yours is overwritten.")
            { FilePath = folder };
    }

    /// <summary>Writes beside the target and renames, so that the folder appears whole or not at all.</summary>
    /// <param name="classifier">The classifier.</param>
    /// <param name="folder">Where to.</param>
    /// <param name="report">What was measured; null if nothing was.</param>
    public static void Save(TrainedClassifier classifier, string folder, EvaluationReport? report)
    {
        RequireUsable(folder);
        string target = Path.TrimEndingDirectorySeparator(Path.GetFullPath(folder));
        string temporary = $"{target}.{Guid.NewGuid():N}{AtomicFile.TemporarySuffix}";
        try
        {
            Directory.CreateDirectory(temporary);
            Manifest manifest = Describe(classifier);
            AtomicFile.WriteText(Path.Combine(temporary, ManifestFile), JsonSerializer.Serialize(manifest, Json.Of<Manifest>()) + "\n");
            WriteTensors(Path.Combine(temporary, HeadFile), [.. classifier.Head.Tensors, .. QueriesOf(classifier.Reader)]);
            if (classifier.Head.Words is { } words)
                AtomicFile.WriteText(Path.Combine(temporary, TermsFile), string.Concat(words.Terms.Select(term => $"{term}\n")));
            AtomicFile.WriteText(Path.Combine(temporary, CardFile), ModelCard(manifest, report));
            if (report is not null) WriteReport(temporary, classifier, report);
            Replace(temporary, target);
        }
        catch (Exception exception) when (WritingProblem(exception) is { } problem)
        {
            throw new LlmEmbedException(
                $"{folder}: the classifier cannot be written: {FileProblem.Describe(problem)} Nothing of it was kept.", exception)
            { FilePath = folder };
        }
        finally
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
        }
    }

    /// <summary>The exception itself, or the one inside of a message that names a temporary file; null where it is about something else.</summary>
    private static Exception? WritingProblem(Exception exception) => exception switch
    {
        IOException or UnauthorizedAccessException => exception,
        LlmEmbedException { InnerException: IOException or UnauthorizedAccessException } => exception.InnerException,
        _ => null,
    };

    /// <param name="folder">A folder that <see cref="Save"/> wrote.</param>
    /// <param name="backbones">Holds the backbones, which are looked for by name or path and recognized by checksum.</param>
    /// <param name="work">Told about the opening of backbones.</param>
    /// <exception cref="LlmEmbedException">The folder is no classifier, is damaged or of another format, or a backbone is missing or
    /// changed.</exception>
    public static TrainedClassifier Load(string folder, OpenBackbones backbones, Work work)
    {
        Manifest manifest = ReadManifest(folder);
        string head = Path.Combine(folder, HeadFile);
        HeadTensor[] tensors = ReadTensors(head);
        FeatureReader reader = FeatureReader.Open(
            manifest.Backbones.Select((entry, place) =>
            {
                OpenBackbone backbone = entry.Open(folder, backbones, work);
                return (backbone, entry.PlanOf(backbone, QueriesOf(entry, place, backbone.Model.HiddenSize, tensors, head)));
            }),
            backbones.Runtime,
            work);
        return Disposal.OnFailure([reader], () => new TrainedClassifier(
            reader,
            manifest.Labels,
            ReadHead(folder, manifest, tensors, reader.Layout, backbones.Runtime.Threads ?? Environment.ProcessorCount),
            manifest.Examples));
    }

    /// <summary>What a classifier is, without its backbones being there.</summary>
    public static Manifest ReadManifest(string folder)
    {
        string path = Path.Combine(folder, ManifestFile);
        if (!Directory.Exists(folder))
            throw new LlmEmbedException($"{folder}: there is no such folder, expected one that 'llmembed train' wrote.") { FilePath = folder };
        if (!IsBundle(folder))
            throw new LlmEmbedException($"{folder} holds no {ManifestFile}: it is no classifier that 'llmembed train' wrote.") { FilePath = folder };
        try
        {
            JsonObject json = JsonObject.Create(StrictJson.Parse(File.ReadAllBytes(path))) ?? throw new JsonException("it is null");
            // Versions first: a newer file may hold anything else.
            if ((string?)json["format"] != FormatName) throw new JsonException($"'format' is not \"{FormatName}\"");
            int version = (int?)json["format_version"] ?? throw new JsonException("'format_version' is missing");
            if (version < 1) throw new JsonException("Expected a 'format_version' from 1 on.");
            if (version != FormatVersion)
            {
                string what = version > FormatVersion ? "Update llmembed, or train the classifier again." : "Train the classifier again.";
                throw new LlmEmbedException($"{path} has format version {version}; this llmembed reads version {FormatVersion}. {what}")
                { FilePath = path };
            }
            if (((string[])["labels", "head", "backbones", "examples"]).FirstOrDefault(key => json[key] is null) is { } missing)
                throw new JsonException($"'{missing}' is missing");
            Manifest manifest = json.Deserialize(Json.Of<Manifest>())!;
            Check(manifest);
            return manifest;
        }
        catch (Exception exception) when (
            exception is JsonException or InvalidOperationException or FormatException or NotSupportedException
                or LlmEmbedException { FilePath: null })
        {
            string problem = exception is JsonException json ? StrictJson.Describe(json) : exception.Message;
            throw new LlmEmbedException($"{path} is damaged: {problem} Restore the folder or train the classifier again.", exception)
            { FilePath = path };
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new LlmEmbedException($"{path}: the file cannot be read: {exception.Message}", exception) { FilePath = path };
        }
    }

    /// <summary>What the types of the manifest do not say by themselves.</summary>
    private static void Check(Manifest manifest)
    {
        static void Require(bool condition, string expected)
        {
            if (!condition) throw new JsonException($"Expected {expected}.");
        }

        Require(
            manifest.Labels.Count >= 2 && manifest.Labels.All(label => label is not null)
                && manifest.Labels.Distinct(StringComparer.Ordinal).Count() == manifest.Labels.Count,
            "at least two different 'labels'");
        Require(manifest.Head.Temperature > 0 && double.IsFinite(manifest.Head.Temperature), "a 'temperature' above 0");
        Require(manifest.Head.Terms is null or >= 0, "a number of 'terms' from 0 on");
        Require(manifest.Head.Decisions.Attention.All(summary => summary?.Words.All(word => word is not null) ?? false), "words of each 'attention'");
        Require(manifest.Backbones.Count > 0 && manifest.Backbones.All(backbone => backbone is not null), "at least one backbone");
        foreach (BackboneEntry entry in manifest.Backbones)
        {
            Require(IsSha256(entry.WeightsSha256) && IsSha256(entry.TokenizerSha256), $"two SHA-256 for the backbone '{entry.Name}'");
            Require(
                PrecisionNames.Find(entry.Precision) is Precision.Fp32 or Precision.Int8,
                $"the precision fp32 or int8 for the backbone '{entry.Name}'");
            Require(entry.Views.Count > 0 && entry.Views.All(view => view is not null), $"at least one view of the backbone '{entry.Name}'");
            foreach (ViewEntry view in entry.Views) Poolings.Parse(view.Pooling);
        }
    }

    private static bool IsSha256(string text) => text.Length == 64 && text.All(char.IsAsciiHexDigitLower);

    private static Manifest Describe(TrainedClassifier classifier) => new(
        FormatName,
        FormatVersion,
        classifier.Labels,
        new HeadEntry(
            classifier.Head.Head.Kind,
            classifier.Head.Head.Settings.DeepClone().AsObject(),
            classifier.Head.Temperature,
            classifier.Head.Decisions,
            classifier.Head.Words?.Terms.Count),
        [.. classifier.Reader.Backbones.Select(BackboneEntry.Of)],
        classifier.Examples);

    /// <summary>What the views with attention pooling weigh tokens by.</summary>
    private static IEnumerable<HeadTensor> QueriesOf(FeatureReader reader) => reader.Backbones.SelectMany(
        (backbone, place) => backbone.Plan.AttentionQueries.Select(
            query => new HeadTensor(AttentionQuery.TensorNameOf(place, query.Depth), [query.Values.Length], query.Values)));

    private static void WriteTensors(string path, IReadOnlyList<HeadTensor> tensors)
    {
        using SafetensorsWriter writer = SafetensorsWriter.Create(
            path, [], tensors.Select(tensor => new SafetensorsLayout(tensor.Name, "F32", tensor.Shape[1..])).ToArray());
        foreach (HeadTensor tensor in tensors) writer.Append<float>(tensor.Name, tensor.Values);
        writer.Commit();
    }

    private static void WriteReport(string folder, TrainedClassifier classifier, EvaluationReport report)
    {
        AtomicFile.WriteText(Path.Combine(folder, ReportFile), report.ToJson() + "\n");
        EvaluationPage page = new("Text classifier", report)
        {
            Choices = ClassifierFacts.Choices(classifier),
            Selection = classifier.Selection,
            Attention = classifier.Head.Decisions.Attention,
        };
        AtomicFile.WriteText(Path.Combine(folder, PageFile), page.ToHtml());
    }

    private static HeadTensor[] ReadTensors(string path)
    {
        using SafetensorsFile file = SafetensorsFile.Open(path);
        return file.Tensors.Values.Select(tensor => new HeadTensor(tensor.Name, [.. tensor.Shape], file.ReadFloat32(tensor.Name))).ToArray();
    }

    /// <summary>The query of each view with attention pooling of a backbone.</summary>
    /// <param name="own">What is read of the backbone.</param>
    /// <param name="place">The place of the backbone among those of the classifier.</param>
    /// <param name="hiddenSize">H of the backbone.</param>
    /// <param name="tensors">What was trained.</param>
    /// <param name="path">The file of these tensors.</param>
    private static AttentionQuery[] QueriesOf(BackboneEntry own, int place, int hiddenSize, HeadTensor[] tensors, string path)
    {
        IEnumerable<ViewEntry> learned = own.Views.Where(view => Poolings.Parse(view.Pooling) == Pooling.Attention).DistinctBy(view => view.Depth);
        return [.. learned.Select(view => new AttentionQuery(view.Depth, QueryOf(AttentionQuery.TensorNameOf(place, view.Depth))))];

        float[] QueryOf(string name)
        {
            HeadTensor tensor = tensors.FirstOrDefault(tensor => tensor.Name == name)
                ?? throw Damaged($"the tensor '{name}' is missing, which a view of {own.Name} with attention pooling needs");
            if (tensor.Values.Length == hiddenSize) return tensor.Values;
            throw Damaged($"the tensor '{tensor.Name}' has {tensor.Values.Length} numbers, expected the {hiddenSize} of a state of {own.Name}");
        }

        LlmEmbedException Damaged(string problem) =>
            new($"{path}: {problem}. Restore the folder or train the classifier again.") { FilePath = path };
    }

    private static TrainedHead ReadHead(string folder, Manifest manifest, HeadTensor[] tensors, FeatureLayout layout, int threads)
    {
        string path = Path.Combine(folder, HeadFile);
        HeadEntry entry = manifest.Head;
        try
        {
            string[]? terms = entry.Terms is int count ? ReadTerms(Path.Combine(folder, TermsFile), count) : null;
            SavedHead saved = new(entry.Settings, tensors, layout, manifest.Labels.Count, terms, threads);
            return new TrainedHead(HeadTrainer.Load(entry.Kind, saved), entry.Temperature, entry.Decisions)
            {
                Words = terms is null ? null : LexicalHead.Load(terms, tensors, manifest.Labels.Count),
            };
        }
        catch (LlmEmbedException exception) when (exception.FilePath is null)
        {
            throw new LlmEmbedException($"{path}: {exception.Message}", exception) { FilePath = path };
        }
    }

    private static string[] ReadTerms(string path, int count)
    {
        LlmEmbedException Damaged(string problem, Exception? inner = null) =>
            new($"{path} {problem} Restore the folder or train the classifier again.", inner) { FilePath = path };
        string[] terms;
        try
        {
            terms = File.ReadAllLines(path);
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw Damaged($"cannot be read: {exception.Message}", exception);
        }
        if (terms.Length != count) throw Damaged($"has {terms.Length} lines, expected {count} words and pairs of words.");
        if (terms.Distinct(StringComparer.Ordinal).Count() != count) throw Damaged("holds a line twice.");
        return terms;
    }

    private static void Replace(string temporary, string target)
    {
        string? old = null;
        if (Directory.Exists(target))
        {
            old = $"{target}.{Guid.NewGuid():N}.old";
            Directory.Move(target, old);
        }
        try
        {
            Directory.Move(temporary, target);
        }
        catch when (old is not null)
        {
            Directory.Move(old, target);
            throw;
        }
        if (old is not null) Directory.Delete(old, recursive: true);
    }

    private static string ModelCard(Manifest manifest, EvaluationReport? report)
    {
        StringBuilder card = new();
        card.Append("# Text classifier\n\n");
        card.Append(
            CultureInfo.InvariantCulture,
            $"Chooses among {manifest.Labels.Count} classes: {string.Join(", ", manifest.Labels.Select(InOneLine))}.\n");
        card.Append(
            CultureInfo.InvariantCulture,
            $"Trained on {manifest.Examples} examples, on top of frozen language models; run it with `llmembed predict`.\n\n");
        card.Append("| backbone | depth:pooling | at most | SHA-256 of the weights |\n|---|---|---|---|\n");
        foreach (BackboneEntry entry in manifest.Backbones)
            card.Append(
                CultureInfo.InvariantCulture,
                $"| {entry.Name} ({entry.ModelType}) | {string.Join(", ", entry.Views.Select(view => $"{view.Depth}:{view.Pooling}"))} | " +
                $"{entry.MaxTokens} tokens | {entry.WeightsSha256} |\n");
        card.Append(CultureInfo.InvariantCulture, $"\nHead: {HeadSentences.Of(manifest.Head.Decisions)}.\n");
        if (manifest.Head.Terms is int terms)
            card.Append(
                CultureInfo.InvariantCulture,
                $"\n`{TermsFile}` lists the {terms:N0} words and pairs of words, each from two training texts or more.\n");
        if (report is null) return card.ToString();
        if (report.Overlap is { } overlap) card.Append(CultureInfo.InvariantCulture, $"\nOf the texts that it was measured on: {overlap}.\n");
        card.Append(CultureInfo.InvariantCulture, $"\nMeasured on {report.Count} texts: {report}.\n\n");
        card.Append("| class | precision | recall | F1 | texts |\n|---|---|---|---|---|\n");
        foreach (ClassScore score in report.Classes)
            card.Append(
                CultureInfo.InvariantCulture,
                $"| {InOneLine(score.Label)} | {score.Precision:P1} | {score.Recall:P1} | {score.F1:P1} | {score.Support} |\n");
        return card.ToString();
    }

    /// <summary>A label as Markdown shows it in a sentence or a table's cell.</summary>
    private static string InOneLine(string label) => label.ReplaceLineEndings(" ").Replace("|", "\\|", StringComparison.Ordinal);

    /// <summary>classifier.json.</summary>
    internal sealed record Manifest(
        string Format, int FormatVersion, IReadOnlyList<string> Labels, HeadEntry Head, IReadOnlyList<BackboneEntry> Backbones, int Examples);

    internal sealed record HeadEntry(string Kind, JsonObject Settings, double Temperature, HeadDecisions Decisions, int? Terms = null);
}
