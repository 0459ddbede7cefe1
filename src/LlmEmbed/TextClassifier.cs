using System.Diagnostics;
using LlmEmbed.Bundles;
using LlmEmbed.Data;
using LlmEmbed.Evaluation;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;
using LlmEmbed.Reports;
using LlmEmbed.Tokenization;

namespace LlmEmbed;

/// <summary>
/// A text classifier on frozen language models. The line of the data: text → hidden states of each backbone, pooled → fused features → logits →
/// prediction.
/// Only the head, right of the features, is trained.
/// </summary>
public sealed class TextClassifier : ITextClassifier, IDisposable
{
    /// <summary>
    /// Texts go through the line together until they have so many characters or are so many, so that a stream of any length needs constant memory.
    /// Batches are formed among them: of 1,024 phrases of ten tokens 6 % of what is computed would be padding (3 % with these), and as many long
    /// texts take a minute.
    /// </summary>
    private const int ChunkCharacters = 400_000, ChunkTexts = 8192;

    private readonly TrainedClassifier _parts;
    private readonly OpenBackbones? _owned;

    private TextClassifier(TrainedClassifier parts, TrainingSummary? training, OpenBackbones? owned) =>
        (_parts, Training, _owned) = (parts, training, owned);

    /// <inheritdoc/>
    public IReadOnlyList<string> Labels => _parts.Labels;

    /// <summary>What the training met, chose and cost; null for a classifier that was loaded.</summary>
    public TrainingSummary? Training { get; }

    /// <summary>Weights of the blocks and the head that a text passes.</summary>
    public long ParameterCount => _parts.ParameterCount;

    /// <summary>What the classifier is made of and why, as names and sentences for people.</summary>
    public IReadOnlyList<(string Name, string Value)> Facts => ClassifierFacts.Choices(_parts);

    /// <summary>The tokenizers of its backbones, without the prompts that may stand around texts.</summary>
    public IReadOnlyList<Tokenizer> Tokenizers => [.. _parts.Reader.Backbones.Select(backbone => backbone.Backbone.Tokenizer)];

    internal TrainedClassifier Parts => _parts;

    /// <summary>Trains a classifier.</summary>
    /// <param name="examples">At least two classes with two examples each.</param>
    /// <param name="options">Null takes the defaults: both starter backbones, views chosen on the examples, logistic regression.</param>
    /// <param name="runtime">How the backbones run on this machine; null takes the defaults.</param>
    /// <param name="progress">Told about every stage.</param>
    /// <param name="cancellationToken">Stops the work; embeddings finished by then are kept if there is a cache folder.</param>
    /// <exception cref="LlmEmbedException">A backbone or an example cannot be used.</exception>
    public static TextClassifier Train(
        IReadOnlyList<LabeledText> examples,
        TrainingOptions? options = null,
        RuntimeOptions? runtime = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        OpenBackbones owned = new(runtime);
        return Disposal.OnFailure([owned], () => Train(examples, options, owned, owned, progress, cancellationToken));
    }

    /// <summary>Trains a classifier on backbones that others use too.</summary>
    /// <param name="examples">At least two classes with two examples each.</param>
    /// <param name="options">Null takes the defaults.</param>
    /// <param name="backbones">Holds the backbones; it is not disposed of with the classifier and must outlive it.</param>
    /// <param name="progress">Told about every stage.</param>
    /// <param name="cancellationToken">Stops the work; embeddings finished by then are kept if there is a cache folder.</param>
    /// <exception cref="LlmEmbedException">A backbone or an example cannot be used.</exception>
    public static TextClassifier Train(
        IReadOnlyList<LabeledText> examples,
        TrainingOptions? options,
        OpenBackbones backbones,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default) => Train(examples, options, backbones, owned: null, progress, cancellationToken);

    private static TextClassifier Train(
        IReadOnlyList<LabeledText> examples,
        TrainingOptions? options,
        OpenBackbones backbones,
        OpenBackbones? owned,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(examples);
        options ??= new TrainingOptions();
        string[] classes = ClassLabels.Of(examples);
        RecipeTraining training = RecipeTraining.For(options, classes, backbones, progress, cancellationToken);
        training.RequireTexts(examples, options.Recipe);
        TrainingTexts texts = TrainingTexts.Of(examples, classes, training.AffordableRows(examples, classes), options.HeldOutShare, options.Seed);
        ReadingPlan plan = training.PlanReading(texts); // which views of which backbones, found out on a sample
        Features features = training.Read(texts, plan); // [N,F] of all texts
        using FeatureMatrix _ = features.Matrix;
        return Disposal.OnFailure([features.Reader], () =>
        {
            EvaluationReport? heldOut = training.Measure(texts, features); // on texts that this training does not see
            long start = Stopwatch.GetTimestamp();
            TrainedHead head = training.Learn(texts, features);
            TimeSpan headTime = Stopwatch.GetElapsedTime(start);
            AttentionLook look = AttentionLook.Of(head, texts, features, options.Seed);
            head = head with { Decisions = head.Decisions with { Attention = look.Summaries } };
            Features read = features.ReadFor(head, backbones.Runtime);
            TrainedClassifier parts = new(read.Reader, classes, head.WithoutTraining(), texts.Texts.Length) { Selection = read.Selection };
            TrainingSummary summary = TrainingSummary.Of(texts, parts, read.Statistics, head.CrossValidation, headTime, heldOut);
            return new TextClassifier(parts, summary with { Shaded = look.Shaded }, owned);
        });
    }

    /// <summary>Loads a classifier that <see cref="Save"/> wrote. Its backbones are found by name or path and recognized by checksum.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="runtime">How the backbones run on this machine; null takes the defaults.</param>
    /// <param name="progress">Told about work that takes long, such as hashing a large checkpoint.</param>
    /// <param name="cancellationToken">Stops that work.</param>
    /// <exception cref="LlmEmbedException">The folder is no classifier, is damaged or of another format, or a backbone is missing or
    /// changed.</exception>
    public static TextClassifier Load(
        string folder, RuntimeOptions? runtime = null, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        OpenBackbones owned = new(runtime);
        return Disposal.OnFailure(
            [owned], () => new TextClassifier(ClassifierBundle.Load(folder, owned, new Work(progress, cancellationToken)), training: null, owned));
    }

    /// <summary>Loads a classifier on backbones that others use too: two classifiers on the same backbones then hold their weights once.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="backbones">Holds the backbones; it is not disposed of with the classifier and must outlive it.</param>
    /// <param name="progress">Told about work that takes long, such as hashing a large checkpoint.</param>
    /// <param name="cancellationToken">Stops that work.</param>
    /// <exception cref="LlmEmbedException">The folder is no classifier, is damaged or of another format, or a backbone is missing or
    /// changed.</exception>
    public static TextClassifier Load(
        string folder, OpenBackbones backbones, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(backbones);
        return new TextClassifier(ClassifierBundle.Load(folder, backbones, new Work(progress, cancellationToken)), training: null, owned: null);
    }

    /// <summary>Loads a classifier and makes ready what its first prediction would otherwise wait for, on another thread.</summary>
    /// <param name="folder">The folder.</param>
    /// <param name="runtime">How the backbones run on this machine; null takes the defaults.</param>
    /// <param name="progress">Told about work that takes long: hashing a large checkpoint, quantizing its weights.</param>
    /// <param name="cancellationToken">Stops that work.</param>
    /// <exception cref="LlmEmbedException">The folder is no classifier, is damaged or of another format, or a backbone is missing or
    /// changed.</exception>
    public static Task<TextClassifier> LoadAsync(
        string folder,
        RuntimeOptions? runtime = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default) => Task.Run(
        () =>
        {
            TextClassifier classifier = Load(folder, runtime, progress, cancellationToken);
            return Disposal.OnFailure([classifier], () =>
            {
                classifier.WarmUp(progress, cancellationToken);
                return classifier;
            });
        },
        cancellationToken);

    /// <summary>Makes ready what the first prediction would otherwise wait for: quantized weights and compiled blocks.</summary>
    /// <param name="progress">Told about each backbone.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public void WarmUp(IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        foreach (BackboneReader backbone in _parts.Reader.Backbones) backbone.WarmUp(new Work(progress, cancellationToken));
    }

    /// <summary>Refuses a folder that <see cref="Save"/> would refuse, before any work is done for it.</summary>
    /// <param name="folder">The folder; it need not exist.</param>
    /// <exception cref="LlmEmbedException">It is a file, or holds something else than a classifier.</exception>
    public static void RequireSavable(string folder) => ClassifierBundle.RequireUsable(folder);

    /// <summary>Refuses a folder that holds no classifier of this version, before any backbone is opened for it.</summary>
    /// <param name="folder">The folder.</param>
    /// <exception cref="LlmEmbedException">It is not there, holds no classifier, or one of another format.</exception>
    public static void RequireIn(string folder)
    {
        ArgumentNullException.ThrowIfNull(folder);
        ClassifierBundle.ReadManifest(folder);
    }

    /// <summary>The files of which a classifier in a folder may consist, whether they are there or not.</summary>
    /// <param name="folder">The folder; it need not exist.</param>
    public static IReadOnlyList<string> FilesIn(string folder) => ClassifierBundle.FilesIn(folder);

    /// <summary>
    /// Writes the classifier to a folder: head, options, labels and the backbones' checksums, not the backbones. An earlier classifier there is
    /// replaced as a whole.
    /// </summary>
    /// <param name="folder">The folder.</param>
    /// <param name="report">What was measured, to be kept beside it; it should be on texts that the classifier was not trained on. Null takes
    /// <see cref="TrainingSummary.HeldOut"/>.</param>
    /// <exception cref="LlmEmbedException">The folder holds something else, or cannot be written.</exception>
    public void Save(string folder, EvaluationReport? report = null) => ClassifierBundle.Save(_parts, folder, report ?? Training?.HeldOut);

    /// <inheritdoc/>
    public Prediction Predict(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return _parts.Predict(_parts.Reader.Prepare([text], CancellationToken.None), default).Single();
    }

    /// <inheritdoc/>
    public IEnumerable<Prediction> Predict(IEnumerable<string> texts, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        // Chunk after chunk: a stream of which the caller takes only the beginning is not read ahead.
        return texts.ChunkByLength(text => text, ChunkCharacters, ChunkTexts)
            .SelectMany(chunk => _parts.Predict(_parts.Reader.Prepare(chunk, cancellationToken), new Work(Progress: null, cancellationToken)));
    }

    /// <summary>
    /// Classifies a stream of items of any length in constant memory, in order: while one chunk is computed the next one is tokenized and the one
    /// before it is used. Thread-safe.
    /// </summary>
    /// <typeparam name="T">What carries a text, such as a row of a table.</typeparam>
    /// <param name="items">The stream.</param>
    /// <param name="textOf">The text of an item.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>Chunk by chunk the items and their predictions.</returns>
    public IEnumerable<(T[] Items, IReadOnlyList<Prediction> Predictions)> Predict<T>(
        IEnumerable<T> items, Func<T, string> textOf, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(items);
        ArgumentNullException.ThrowIfNull(textOf);
        return ChunkPipeline.Run(
            items.ChunkByLength(textOf, ChunkCharacters, ChunkTexts),
            chunk => _parts.Reader.Prepare([.. chunk.Select(textOf)], cancellationToken), // text → token ids of each backbone
            request => _parts.Predict(request, new Work(Progress: null, cancellationToken)),
            cancellationToken);
    }

    /// <summary>
    /// The indexes of texts that are empty to the classifier, ascending: white space, and texts that give one of its backbones no token of their own,
    /// such as a zero-width space. They get <see cref="Prediction.Empty"/>.
    /// </summary>
    /// <param name="texts">The texts.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public IReadOnlyList<int> FindEmptyTexts(IReadOnlyList<string> texts, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        return EmptyTexts.In(texts, Tokenizers, cancellationToken);
    }

    /// <summary>The indexes of texts that are empty to a backbone of a recipe, ascending; training refuses them.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="recipe">Names the backbones; one that cannot be opened finds no text empty, and training says what is wrong with it.</param>
    /// <param name="backbones">Holds the backbones, to be given to the training too, so that each is opened once.</param>
    /// <param name="progress">Told about a download.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public static IReadOnlyList<int> FindEmptyTexts(
        IReadOnlyList<string> texts,
        Recipe recipe,
        OpenBackbones backbones,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        ArgumentNullException.ThrowIfNull(recipe);
        ArgumentNullException.ThrowIfNull(backbones);
        Work work = new(progress, cancellationToken);
        return EmptyTexts.In(texts, EmptyTexts.TokenizersOf(recipe.BackboneNames, name => backbones.Open(name, work).Tokenizer), cancellationToken);
    }

    /// <summary>Measures the classifier on labelled texts.</summary>
    /// <param name="examples">The texts; classes that the classifier does not know count as errors.</param>
    /// <param name="progress">Told about the reading.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="LlmEmbedException">A text is empty (see <see cref="FindEmptyTexts(IReadOnlyList{string}, CancellationToken)"/>).</exception>
    public EvaluationReport Evaluate(
        IReadOnlyList<LabeledText> examples, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(examples);
        string[] texts = [.. examples.Select(example => example.Text)];
        EmptyTexts.Refuse(examples, Tokenizers, cancellationToken);
        (float[] probabilities, IReadOnlyList<EncodingStatistics> statistics) = _parts.Probabilities(
            _parts.Reader.Prepare(texts, cancellationToken), new Work(progress, cancellationToken));
        string[] labels = ClassLabels.Extend(Labels, examples);
        return EvaluationReport.Compute(labels, probabilities, ClassLabels.IndexesOf(examples, labels)).With(_parts.Reader.Describe(statistics));
    }

    /// <summary>Frees the classifier, and its backbones unless they were opened for others too.</summary>
    public void Dispose()
    {
        _parts.Dispose();
        _owned?.Dispose();
    }

}
