using System.Diagnostics;
using LlmEmbed.Bundles;
using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;
using LlmEmbed.Tokenization;

namespace LlmEmbed;

/// <summary>
/// A text classifier on frozen language models. The line of the data: text → hidden states of each backbone, pooled → fused features → logits → prediction.
/// Only the head, right of the features, is trained.
/// </summary>
public sealed class TextClassifier : IDisposable
{
    /// <summary>
    /// Texts go through the line together until they have so many characters or are so many, so that a stream of any length needs constant memory. Batches are formed among
    /// them: of 1,024 phrases of ten tokens 6 % of what is computed would be padding (3 % with these), and as many long texts take a minute.
    /// </summary>
    private const int ChunkCharacters = 400_000, ChunkTexts = 8192;

    private readonly IReadOnlyList<TextEncoder> _encoders;
    private readonly TrainedHead _head;

    internal TextClassifier(IReadOnlyList<TextEncoder> encoders, IReadOnlyList<string> labels, TrainedHead head, TrainingSummary? training)
    {
        _encoders = encoders;
        Labels = labels;
        _head = head;
        Training = training;
    }

    /// <summary>The classes, in ordinal order.</summary>
    public IReadOnlyList<string> Labels { get; }

    /// <summary>What the training met, chose and cost; null for a classifier that was loaded.</summary>
    public TrainingSummary? Training { get; }

    internal IReadOnlyList<TextEncoder> Encoders => _encoders;

    internal TrainedHead Head => _head;

    /// <summary>Weights of the blocks and the head that a text passes.</summary>
    internal long ParameterCount =>
        _encoders.Sum(encoder => encoder.Backbone.ParameterCount(encoder.Views.Max(view => view.Depth))) + _head.ParameterCount;

    /// <summary>Trains a classifier.</summary>
    /// <param name="examples">At least two classes with two examples each.</param>
    /// <param name="options">Null takes the defaults: both starter backbones, views chosen on the examples, logistic regression.</param>
    /// <param name="progress">Told about every stage.</param>
    /// <param name="cancellationToken">Stops the work; embeddings finished by then are kept where a cache is used.</param>
    /// <exception cref="LlmEmbedException">A backbone or an example cannot be used.</exception>
    public static TextClassifier Train(
        IReadOnlyList<LabeledText> examples, TrainingOptions? options = null, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(examples);
        options ??= new TrainingOptions();
        if (options.HeldOutShare is not (>= 0 and < 1)) throw new LlmEmbedException($"The held-out share is {options.HeldOutShare}, expected at least 0 and less than 1.");
        string[] labels = ClassLabels.Of(examples);
        options = options with { Encoder = options.Encoder with { Prompt = PromptTemplate.Fill(options.Encoder.Prompt, labels) } };
        int[] used = options.Budget is { } budget
            ? TimeBudget.RowsWithin(budget, TextsOf(examples), ClassLabels.IndexesOf(examples, labels), options, cancellationToken)
            : [.. Enumerable.Range(0, examples.Count)];
        if (used.Length < examples.Count) examples = [.. used.Select(row => examples[row])];
        string[] texts = TextsOf(examples);
        TrainingTexts training = new(texts, ClassLabels.IndexesOf(examples, labels), labels.Length, OverlappingTexts.GroupsOf(texts));
        (int[] kept, int[] heldOut) = options.HeldOutShare > 0
            ? StratifiedSplit.HoldOut(training.Labels, options.HeldOutShare, (ulong)options.Seed, training.Groups)
            : ([.. Enumerable.Range(0, examples.Count)], []);
        // What is held out is read, but neither the choice of views nor the head that is measured on it sees it.
        ExtractedFeatures features = AutoRecipe.Applies(options)
            ? new AutoRecipe(options, progress, cancellationToken).Extract(training, kept)
            : ReadFixedViews(texts, options, progress, cancellationToken);
        using FeatureMatrix matrix = features.Features;
        return Disposal.OnFailure(features.Encoders, () =>
        {
            RequireTokens(features.Statistics.Concat(features.Selection?.Encoding.Select(part => part.Statistics) ?? []), examples);
            options = options with { Mixture = features.Selection?.Choice?.Mixture, LikelyC = features.Selection?.SecondLook?.Chosen.Score.C };
            HeadTrainingData data = training.With(matrix, Fusion.LayoutOf(features.Encoders)) with { Tokens = features.Tokens };
            if (options is { Recipe: Recipe.Auto, Head: HeadKind.Auto } && data.Rows <= ClassNames.MostTexts) data = data with { ClassNames = ClassNames.Read(features.Encoders, labels) };

            EvaluationReport? measured = heldOut.Length > 0 ? MeasureHeldOut(data, kept, heldOut, labels, options, progress, cancellationToken) : null;
            long start = Stopwatch.GetTimestamp();
            TrainedHead head = HeadTrainer.Train(data, options, progress, cancellationToken);
            TrainingSummary summary = new(examples.Count, features.Statistics, head.Choice, Stopwatch.GetElapsedTime(start), measured)
            {
                Selection = features.Selection,
                HeldOutRows = [.. heldOut.Select(row => used[row])],
                LabelErrors = head.CrossValidation is { } validation ? [.. LabelErrors.Find(validation, training.Labels).Select(error => error with { Row = used[error.Row] })] : null,
            };
            IReadOnlyList<TextEncoder> encoders = head.Attention is { } view ? features.EncodersWith(view) : features.Encoders;
            return new TextClassifier(encoders, labels, head with { CrossValidation = null }, summary);
        });
    }

    /// <summary>Loads a classifier that <see cref="Save"/> wrote. Its backbones are found by name or path and recognized by checksum.</summary>
    /// <exception cref="LlmEmbedException">The folder is no classifier, is damaged or of a newer format, or a backbone is missing or changed.</exception>
    public static TextClassifier Load(string folder, ClassifierOptions? options = null) => ClassifierBundle.Load(folder, options ?? new ClassifierOptions());

    /// <summary>Writes the classifier to a folder: head, options, labels and the backbones' checksums, not the backbones. An earlier classifier there is replaced as a whole.</summary>
    /// <exception cref="LlmEmbedException">The folder holds something else, or cannot be written.</exception>
    public void Save(string folder) => ClassifierBundle.Save(this, folder);

    /// <summary>Classifies one text. Thread-safe.</summary>
    public Prediction Predict(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        return PredictChunk([text], CancellationToken.None).Single();
    }

    /// <summary>Classifies a stream of texts of any length in constant memory, in order. Thread-safe.</summary>
    public IEnumerable<Prediction> Predict(IEnumerable<string> texts, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        return InChunks(texts, text => text).SelectMany(chunk => PredictChunk(chunk, cancellationToken));
    }

    /// <summary>Measures the classifier on labelled texts that it was not trained on.</summary>
    /// <exception cref="LlmEmbedException">A text gives no token.</exception>
    public EvaluationReport Evaluate(IReadOnlyList<LabeledText> examples, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(examples);
        return EvaluateWithStatistics(examples, progress, cancellationToken).Report;
    }

    /// <summary>Frees the backbones.</summary>
    public void Dispose()
    {
        Disposal.All(_encoders);
        _head.Head.Dispose();
    }

    /// <summary>As <see cref="Evaluate"/>, with what the encodings met.</summary>
    internal (EvaluationReport Report, IReadOnlyList<EncodingStatistics> Statistics) EvaluateWithStatistics(
        IReadOnlyList<LabeledText> examples, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        (float[] probabilities, TextEmbeddings[] embeddings) = Probabilities(Prepare(TextsOf(examples), cancellationToken), progress, cancellationToken);
        EncodingStatistics[] statistics = [.. embeddings.Select(part => part.Statistics)];
        RequireTokens(statistics, examples);
        string[] labels = ClassLabels.Extend(Labels, examples);
        return (EvaluationReport.Compute(labels, probabilities, ClassLabels.IndexesOf(examples, labels)), statistics);
    }

    /// <summary>Rows as they go through the line together.</summary>
    internal static IEnumerable<T[]> InChunks<T>(IEnumerable<T> rows, Func<T, string> textOf) => rows.ChunkByLength(textOf, ChunkCharacters, ChunkTexts);

    /// <summary>What of a prediction needs no engine, for each backbone.</summary>
    internal PreparedRequest Prepare(IReadOnlyList<string> texts, CancellationToken cancellationToken) =>
        new(texts, [.. _encoders.Select(encoder => encoder.Prepare(texts, cancellationToken))]);

    /// <summary>The rest of it, with what the encodings met.</summary>
    internal (IReadOnlyList<Prediction> Predictions, IReadOnlyList<EncodingStatistics> Statistics) Predict(PreparedRequest request, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> texts = request.Texts;
        (float[] probabilities, TextEmbeddings[] embeddings) = Probabilities(request, progress: null, cancellationToken);
        HashSet<int> withoutTokens = embeddings.SelectMany(part => part.Statistics.TextsWithoutTokens).ToHashSet();
        // Special tokens give even an empty text an embedding in some backbones; it would be classified by nothing but them.
        bool IsEmpty(int text) => withoutTokens.Contains(text) || string.IsNullOrWhiteSpace(texts[text]);
        Prediction[] predictions = Enumerable.Range(0, texts.Count)
            .Select(text => IsEmpty(text) ? Prediction.None : new Prediction(Labels, probabilities.AsSpan(text * Labels.Count, Labels.Count)))
            .ToArray();
        return (predictions, embeddings.Select(part => part.Statistics).ToArray());
    }

    private IEnumerable<Prediction> PredictChunk(IReadOnlyList<string> texts, CancellationToken cancellationToken) => Predict(Prepare(texts, cancellationToken), cancellationToken).Predictions;

    /// <summary>Texts → calibrated probabilities [N,C].</summary>
    internal (float[] Probabilities, TextEmbeddings[] Embeddings) Probabilities(PreparedRequest request, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        TextEmbeddings[] embeddings = [.. _encoders.Zip(request.Parts, (encoder, part) => encoder.Encode(part, progress, cancellationToken))];
        return (_head.Probabilities(Fusion.Fuse(embeddings), request.Texts), embeddings);
    }

    /// <summary>Trains on a part and measures on the rest, as the final training will go: what it reports is what a user may expect of new texts.</summary>
    private static EvaluationReport MeasureHeldOut(
        HeadTrainingData data, int[] kept, int[] heldOut, string[] labels, TrainingOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        HeadTrainingData part = data.Select(kept);
        using FeatureMatrix seen = part.Features, unseen = data.Features.Select(heldOut);
        TrainedHead head = HeadTrainer.Train(part, options, progress, cancellationToken);
        using IHead _ = head.Head;
        using FeatureMatrix read = head.Attention?.AddTo(unseen, data.Layout, data.Tokens!.Select(heldOut)) ?? unseen;
        return EvaluationReport.Compute(labels, head.Probabilities(read, [.. heldOut.Select(row => data.Texts![row])]), heldOut.Select(row => data.Labels[row]).ToArray());
    }

    private static ExtractedFeatures ReadFixedViews(string[] texts, TrainingOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        if (options.Recipe == Recipe.Auto) AutoRecipe.RequireDistinct(options.Backbones);
        IReadOnlyList<TextEncoder> encoders = options.Recipe == Recipe.Auto
            ? AutoRecipe.LoadAll(options.Backbones.Select(backbone => (backbone, options.Encoder)))
            : ReferenceRecipe.LoadEncoders(options);
        List<IDisposable> owned = [.. encoders];
        return Disposal.OnFailure(owned, () =>
        {
            FeatureMatrix features = FeatureStorage.Of(options).Allocate(texts.Length, Fusion.LayoutOf(encoders).FeatureCount);
            owned.Add(features);
            return new ExtractedFeatures(encoders, features, Fusion.Read(encoders, texts, features.RowTarget, progress, cancellationToken), Selection: null);
        });
    }

    private static string[] TextsOf(IReadOnlyList<LabeledText> examples) => examples.Select(example => example.Text).ToArray();

    private static void RequireTokens(IEnumerable<EncodingStatistics> statistics, IReadOnlyList<LabeledText> examples)
    {
        foreach (EncodingStatistics part in statistics)
            if (part.TextsWithoutTokens is [int first, ..])
                throw new LlmEmbedException($"Example {first + 1} of {examples.Count} (label '{examples[first].Label}') gives no token, so it has no embedding. Remove it or give it a text.");
    }
}

/// <summary>What a training met, chose and cost.</summary>
/// <param name="Examples">Training examples.</param>
/// <param name="Encoding">What extraction met and cost, for each backbone in order.</param>
/// <param name="Choice">What was chosen and why, in one sentence.</param>
/// <param name="HeadTime">Time of the head's final training, the choice included.</param>
/// <param name="HeldOut">Measured on the share that was held out, by a classifier trained on the rest; null where nothing was held out.</param>
public sealed record TrainingSummary(int Examples, IReadOnlyList<EncodingStatistics> Encoding, string Choice, TimeSpan HeadTime, EvaluationReport? HeldOut)
{
    /// <summary>How the views were chosen; null where they were given.</summary>
    internal SelectionSummary? Selection { get; init; }

    /// <summary>The examples that <see cref="HeldOut"/> was measured on, in its order.</summary>
    internal IReadOnlyList<int> HeldOutRows { get; init; } = [];

    /// <summary>Training texts whose labels are doubted, the surest first; null where nothing was cross-validated.</summary>
    internal IReadOnlyList<LabelError>? LabelErrors { get; init; }
}

/// <summary>Texts to be classified, as each backbone reads them.</summary>
internal sealed record PreparedRequest(IReadOnlyList<string> Texts, IReadOnlyList<PreparedTexts> Parts);
