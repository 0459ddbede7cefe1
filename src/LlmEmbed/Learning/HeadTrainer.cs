using System.Globalization;
using System.Text.Json.Nodes;
using LlmEmbed.Evaluation;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;

namespace LlmEmbed.Learning;

/// <summary>A trained head with what calibrates it and how it was chosen.</summary>
/// <param name="Head">The head.</param>
/// <param name="Temperature">Logits are divided by this before the softmax.</param>
/// <param name="Choice">What was chosen and why, in one sentence for people.</param>
/// <param name="Details">The same for programs.</param>
internal sealed record TrainedHead(IHead Head, double Temperature, string Choice, JsonObject Details)
{
    /// <summary>Rows taken at a time where there may be more than memory holds.</summary>
    private const int BlockRows = 4096;

    /// <summary>Out-of-fold predictions of the training rows; null where nothing was cross-validated.</summary>
    public CrossValidation? CrossValidation { get; init; }

    /// <summary>Adds what the words say to the head's logits; null where that is nothing.</summary>
    public LexicalHead? Lexical { get; init; }

    /// <summary>The head without the words, calibrated by itself; null where there are none, and for a head that was loaded.</summary>
    public TrainedHead? WithoutWords { get; init; }

    /// <summary>A view that the head reads besides those of its training data; null where there is none.</summary>
    public AttentionView? Attention { get; init; }

    /// <summary>How rare classes were weighed.</summary>
    public ClassWeighting Weighting { get; init; } = ClassWeighting.None;

    /// <summary>Everything that was trained.</summary>
    public IReadOnlyList<HeadTensor> Tensors => [.. Head.Tensors, .. Attention is null ? [] : new[] { Attention.Tensor }, .. Lexical?.Tensors ?? []];

    /// <summary>The head's weights.</summary>
    public long ParameterCount => Tensors.Sum(tensor => (long)tensor.Values.Length);

    /// <summary>Features [N,F] and the texts that they were read from → calibrated probabilities [N,C].</summary>
    public float[] Probabilities(ReadOnlySpan<float> features, IReadOnlyList<string> texts)
    {
        float[] logits = new float[texts.Count * Head.ClassCount]; // [N,C]
        Head.Logits(features, texts.Count, logits);
        Lexical?.AddLogits(texts, logits);
        TemperatureScaling.ToProbabilities(logits, Head.ClassCount, Temperature);
        return logits;
    }

    /// <inheritdoc cref="Probabilities(ReadOnlySpan{float}, IReadOnlyList{string})"/>
    public float[] Probabilities(FeatureMatrix features, IReadOnlyList<string> texts)
    {
        float[] probabilities = new float[features.Rows * Head.ClassCount]; // [N,C]
        for (int first = 0; first < features.Rows; first += BlockRows)
        {
            int count = Math.Min(BlockRows, features.Rows - first);
            Probabilities(features.Block(first, count).Span, [.. texts.Skip(first).Take(count)]).CopyTo(probabilities, first * Head.ClassCount);
        }
        return probabilities;
    }

    /// <summary>The share of rows whose most probable class is the true one.</summary>
    public double Accuracy(FeatureMatrix features, IReadOnlyList<string> texts, int[] truth) =>
        RowMaxima.IndexesOf<float>(Probabilities(features, texts), Head.ClassCount).Zip(truth, (predicted, label) => predicted == label ? 1.0 : 0.0).Average();
}

/// <summary>Trains and restores heads by kind.</summary>
internal static class HeadTrainer
{
    /// <summary>Classes whose sizes differ by less than this factor are not worth the time to weigh them.</summary>
    private const int LeastImbalance = 2;

    /// <summary>Networks are tried in between: fewer rows do not fill them, and with more they take longer than reading the texts.</summary>
    private const int LeastNetworkRows = 1000, MostNetworkRows = 20_000;

    public static TrainedHead Train(HeadTrainingData data, TrainingOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellationToken) => options.Head switch
    {
        _ when options.Recipe != Recipe.Auto => TrainCooccurrence(data, options, ReferenceRecipe.HeadOptions(options) with { Fusion = options.Fusion }, progress, cancellationToken),
        HeadKind.Auto when options.Mixture is { } parts => WithWords(WithNames(TrainMixture(data, parts, options, progress, cancellationToken), data), data, options, progress, cancellationToken),
        HeadKind.Auto => WithWords(
            WithAttention(WithNames(ChooseHead(data, options, progress, cancellationToken), data), data, options, progress, cancellationToken), data, options, progress, cancellationToken),
        HeadKind.Linear => TrainLinear(data, options, progress, cancellationToken),
        HeadKind.Cooccurrence => TrainCooccurrence(data, options, new CooccurrenceOptions { Fusion = options.Fusion }, progress, cancellationToken),
        HeadKind.Mlp => TrainCooccurrence(data, options, CooccurrenceOptions.Mlp, progress, cancellationToken),
        HeadKind.NearestMean => TrainNearestMean(data, LinearOptions.Of(options), cancellationToken),
        _ => throw new ArgumentOutOfRangeException(nameof(options), options.Head, "Unknown head."),
    };

    public static IHead Load(string kind, JsonObject settings, IReadOnlyList<HeadTensor> tensors, FeatureLayout layout, int classCount, int threads) => kind switch
    {
        LinearHead.KindName => LinearHead.Load(tensors, layout.FeatureCount, classCount),
        CooccurrenceHead.KindName => CooccurrenceHead.Load(tensors, settings, layout, classCount, threads),
        _ => throw new LlmEmbedException($"The head '{kind}' is not known. Known: {LinearHead.KindName}, {CooccurrenceHead.KindName}."),
    };

    /// <summary>The linear head, unless another kind is clearly better: by more than two standard errors of the log loss on rows that neither was fitted to (a network was stopped by them, which flatters it).</summary>
    private static TrainedHead ChooseHead(HeadTrainingData data, TrainingOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        TrainedHead linear = TrainLinear(data, options, progress, cancellationToken);
        if (linear.CrossValidation is not { } validation) return linear;
        Dictionary<int, double> losses = validation.Rows.Zip(validation.RowLosses(data.Labels)).ToDictionary(pair => pair.First, pair => pair.Second);
        bool triesNetworks = data.Rows is >= LeastNetworkRows and <= MostNetworkRows && options.Budget is null;
        const string Cooccurrence = "co-occurrence";
        (string Name, Func<TrainedHead> Train)[] rivals =
        [
            ("nearest class mean", () => TrainNearestMean(data, LinearOptions.Of(options), cancellationToken)),
            .. triesNetworks
                ? new (string, Func<TrainedHead>)[]
                {
                    ("multi-layer perceptron", () => Train(data, options with { Head = HeadKind.Mlp }, progress, cancellationToken)),
                    (Cooccurrence, () => Train(data, options with { Head = HeadKind.Cooccurrence }, progress, cancellationToken)),
                }
                : [],
        ];
        (TrainedHead Head, double Gain) best = (linear, 0);
        List<string> compared = [];
        JsonArray details = [];
        foreach ((string name, Func<TrainedHead> train) in rivals)
        {
            // A network gains nothing from inner products where it gains nothing as it is.
            if (name == Cooccurrence && best.Head == linear) continue;
            TrainedHead rival = train();
            CrossValidation own = rival.CrossValidation!;
            (double Own, double Linear)[] both = [.. own.Rows.Zip(own.RowLosses(data.Labels)).Where(row => losses.ContainsKey(row.First)).Select(row => (row.Second, losses[row.First]))];
            (double excess, double error) = PairedLosses.Excess([.. both.Select(loss => loss.Own)], [.. both.Select(loss => loss.Linear)]);
            // A negative number that rounds to nothing would be shown as -+0.000; adding 0 takes the sign off.
            compared.Add(string.Create(CultureInfo.InvariantCulture, $"{name} {Math.Round(excess, 3) + 0.0:+0.000;-0.000}"));
            details.Add(new JsonObject { ["head"] = name, ["excess_log_loss"] = excess, ["standard_error"] = error });
            bool isBetter = excess < -2 * error && -excess > best.Gain;
            (isBetter ? best.Head : rival).Head.Dispose();
            if (isBetter) best = (rival, -excess);
        }
        best.Head.Details["compared_heads"] = details;
        return best.Head with { Choice = $"{best.Head.Choice}; log loss of other heads on unseen texts against logistic regression: {string.Join(", ", compared)}" };
    }

    /// <summary>The head, with a share of the classes' names in its weights where that is better on unseen texts.</summary>
    private static TrainedHead WithNames(TrainedHead head, HeadTrainingData data)
    {
        if (data.ClassNames is null || head is not { Head: LinearHead linear, CrossValidation: { } validation }) return head;
        if (ClassNames.Add(linear, data, validation) is not var (together, share, combined)) return head with { Choice = $"{head.Choice}; the names of the classes add nothing" };
        head.Details["class_names"] = GainOf(share, validation, combined);
        string choice = string.Create(CultureInfo.InvariantCulture, $"{head.Choice}; plus {share:0.0} times the likeness to the names of the classes: {Accuracies(validation, combined)}");
        return head with { Head = together, Temperature = combined.Chosen.Temperature, CrossValidation = combined, Choice = choice };
    }

    /// <summary>The head, with one more view whose pooling is learned where that is clearly better on unseen texts.</summary>
    private static TrainedHead WithAttention(TrainedHead head, HeadTrainingData data, TrainingOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        if (data.Tokens is null || head is not { Head: LinearHead linear, CrossValidation: { } validation }) return head;
        progress?.Report(new WorkProgress("Learning to pool", 0, data.Rows, "texts"));
        var added = AttentionPooling.Add(linear, data, validation, head.Weighting, (ulong)options.Seed, options.Encoder.Threads ?? Environment.ProcessorCount, cancellationToken);
        progress?.Report(new WorkProgress("Learning to pool", data.Rows, data.Rows, "texts"));
        head.Details["attention_pooling"] = added is { } gain ? GainOf(gain.Share, validation, gain.Together, ("depth", gain.View.Depth)) : null;
        if (added is not var (together, view, share, combined)) return head with { Choice = $"{head.Choice}; attention pooling adds nothing" };
        string choice = string.Create(
            CultureInfo.InvariantCulture,
            $"{head.Choice}; plus {share:0.0} times a logistic regression on attention pooling at depth {view.Depth} of {view.Backbone}: {Accuracies(validation, combined)}");
        return head with { Head = together, Attention = view, Temperature = combined.Chosen.Temperature, CrossValidation = combined, Choice = choice };
    }

    /// <summary>The head, with the logits of a regression on words added where that is clearly better on unseen texts.</summary>
    private static TrainedHead WithWords(TrainedHead head, HeadTrainingData data, TrainingOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        if (!options.UseWords || data.Texts is null || head.CrossValidation is not { } validation) return head;
        progress?.Report(new WorkProgress("Training on words", 0, data.Rows, "texts"));
        var words = LexicalHead.Train(data, validation, head.Weighting, (ulong)options.Seed, options.Encoder.Threads ?? Environment.ProcessorCount, cancellationToken);
        progress?.Report(new WorkProgress("Training on words", data.Rows, data.Rows, "texts"));
        head.Details["words"] = words is { } gain ? GainOf(gain.Share, validation, gain.Together, ("terms", gain.Head.Terms.Count)) : null;
        if (words is not var (lexical, share, together)) return head with { Choice = $"{head.Choice}; words add nothing" };
        string choice = string.Create(
            CultureInfo.InvariantCulture,
            $"{head.Choice}; plus {share:0.0} times a logistic regression on {lexical.Terms.Count:N0} words and pairs of words: {Accuracies(validation, together)}");
        return head with { Lexical = lexical, WithoutWords = head, Temperature = together.Chosen.Temperature, CrossValidation = together, Choice = choice };
    }

    /// <summary>What was added to a head and what it changed, for programs.</summary>
    private static JsonObject GainOf(double share, CrossValidation without, CrossValidation with, params ReadOnlySpan<(string Name, int Value)> facts)
    {
        JsonObject gain = [];
        foreach ((string name, int value) in facts) gain[name] = value;
        gain["weight"] = share;
        gain["log_loss_without"] = without.Chosen.CalibratedLogLoss;
        gain["log_loss"] = with.Chosen.CalibratedLogLoss;
        gain["accuracy"] = with.Chosen.Accuracy;
        return gain;
    }

    /// <summary>The same for people.</summary>
    private static string Accuracies(CrossValidation without, CrossValidation with) =>
        string.Create(CultureInfo.InvariantCulture, $"accuracy on unseen texts {with.Chosen.Accuracy:P1} (without {without.Chosen.Accuracy:P1})");

    /// <summary>One regression for each set of views, averaged.</summary>
    private static TrainedHead TrainMixture(
        HeadTrainingData data, IReadOnlyList<WeightedViews> parts, TrainingOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        LinearMixture mixture = LinearMixture.Train(data, parts, LinearOptions.Of(options), progress, cancellationToken);
        string members = string.Join(", ", parts.Zip(mixture.Penalties, (part, c) => string.Create(CultureInfo.InvariantCulture, $"{part.Weight:P0} on {part.Views.Count} views with C = {c:0.#####}")));
        string accuracy = mixture.CrossValidation is { } validation
            ? string.Create(CultureInfo.InvariantCulture, $" (accuracy by cross-validation {validation.Chosen.Accuracy:P1} ± {validation.Chosen.AccuracyDeviation:P1})")
            : "";
        JsonObject details = new()
        {
            ["mixture"] = new JsonArray([.. parts.Zip(mixture.Penalties, (part, c) => new JsonObject { ["weight"] = part.Weight, ["views"] = part.Views.Count, ["c"] = c })]),
        };
        return new TrainedHead(mixture.Head, mixture.CrossValidation?.Chosen.Temperature ?? 1, $"average of {parts.Count} logistic regressions, too few texts to choose one: {members}{accuracy}", details)
        { CrossValidation = mixture.CrossValidation };
    }

    private static TrainedHead TrainNearestMean(HeadTrainingData data, LinearOptions options, CancellationToken cancellationToken)
    {
        (LinearHead head, CrossValidation? validation) = NearestMeanTrainer.Train(data, options, cancellationToken);
        return new TrainedHead(head, validation?.Chosen.Temperature ?? 1, "nearest class mean", []) { CrossValidation = validation };
    }

    private static TrainedHead TrainLinear(HeadTrainingData data, TrainingOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        LinearOptions linear = LinearOptions.Of(options);
        (LinearTraining training, ClassWeighting weighting) = options.ClassWeighting == ClassWeighting.Auto
            ? ChooseWeighting(data, linear, progress, cancellationToken)
            : (LinearHeadTrainer.Train(data, linear, progress, cancellationToken), options.ClassWeighting);
        string weights = weighting == ClassWeighting.Balanced ? " and balanced class weights" : "";
        string choice = training.CrossValidation is { } validation
            ? string.Create(CultureInfo.InvariantCulture, $"logistic regression with C = {training.C:0.#####}{weights}, chosen among {validation.Table.Count} by cross-validation (accuracy {validation.Chosen.Accuracy:P1} ± {validation.Chosen.AccuracyDeviation:P1})")
            : string.Create(CultureInfo.InvariantCulture, $"logistic regression with C = {training.C:0.#####}{weights}; too few examples to choose it by cross-validation");
        JsonObject details = new()
        {
            ["c"] = training.C,
            ["class_weighting"] = weighting.ToString().ToLowerInvariant(),
            ["cross_validation"] = new JsonArray([.. (training.CrossValidation?.Table ?? []).Select(score => new JsonObject
            {
                ["c"] = score.C,
                ["accuracy"] = score.Accuracy,
                ["accuracy_deviation"] = score.AccuracyDeviation,
                ["macro_f1"] = score.MacroF1,
                ["log_loss"] = score.CalibratedLogLoss,
            })]),
        };
        return new TrainedHead(training.Head, training.Temperature, choice, details) { CrossValidation = training.CrossValidation, Weighting = weighting };
    }

    /// <summary>Balanced weights lift rare classes and cost common ones; macro-F1 has to gain more on unseen texts than accuracy loses, and that not clearly.</summary>
    private static (LinearTraining Training, ClassWeighting Weighting) ChooseWeighting(
        HeadTrainingData data, LinearOptions linear, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        LinearTraining even = LinearHeadTrainer.Train(data, linear with { ClassWeighting = ClassWeighting.None }, progress, cancellationToken);
        int[] counts = [.. data.ClassCounts.Where(count => count > 0)];
        if (even.CrossValidation is not { } plain || counts.Max() < LeastImbalance * counts.Min()) return (even, ClassWeighting.None);

        LinearTraining balanced = LinearHeadTrainer.Train(data, linear with { ClassWeighting = ClassWeighting.Balanced }, progress, cancellationToken);
        CrossValidation weighted = balanced.CrossValidation!;
        (double moreErrors, double error) = PairedLosses.Excess(Errors(weighted, data), Errors(plain, data));
        bool isBetter = weighted.Chosen.MacroF1 - plain.Chosen.MacroF1 > Math.Max(0, moreErrors) && moreErrors <= 2 * error;
        return isBetter ? (balanced, ClassWeighting.Balanced) : (even, ClassWeighting.None);
    }

    /// <summary>For each row that took part 1 where the class with the highest logit is not its own.</summary>
    private static double[] Errors(CrossValidation validation, HeadTrainingData data) =>
        [.. validation.Rows.Zip(RowMaxima.IndexesOf<double>(validation.Logits, data.ClassCount), (row, predicted) => predicted == data.Labels[row] ? 0.0 : 1.0)];

    private static TrainedHead TrainCooccurrence(HeadTrainingData data, TrainingOptions options, CooccurrenceOptions head, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
    {
        CooccurrenceTraining training = CooccurrenceTrainer.Train(
            data,
            head with { ClassWeighting = options.ClassWeighting, Seed = (ulong)options.Seed, Threads = options.Encoder.Threads ?? Environment.ProcessorCount },
            progress,
            cancellationToken);
        string recipe = options.Recipe switch { Recipe.Reference => "released LLMEmbed recipe: ", Recipe.ReferenceRepaired => "repaired LLMEmbed recipe: ", _ => "" };
        string end = head.Patience is null
            ? $"trained for {training.Epochs} epochs"
            : $"stopped after {training.Epochs} epochs by its loss on {training.HeldOutRows.Length} examples held out of the training data";
        string kind = head.Fusion == FusionOperators.None ? "multi-layer perceptron" : string.Create(CultureInfo.InvariantCulture, $"co-occurrence head, σ = {head.Sigma}");
        string choice = $"{recipe}{kind}, {end}";
        ClassWeighting weighting = options.ClassWeighting == ClassWeighting.Balanced ? ClassWeighting.Balanced : ClassWeighting.None;
        JsonObject details = new() { ["epochs"] = training.Epochs, ["class_weighting"] = weighting.ToString().ToLowerInvariant() };
        return new TrainedHead(training.Head, training.Temperature, choice, details) { CrossValidation = HeldOutOf(training, data) };
    }

    /// <summary>What a network was stopped by, as one fold.</summary>
    private static CrossValidation? HeldOutOf(CooccurrenceTraining training, HeadTrainingData data)
    {
        if (training.HeldOutLogits.Length == 0) return null;
        int[] rows = training.HeldOutRows, folds = new int[rows.Length];
        PenaltyScore score = PenaltyCandidate.ScoreOf(double.NaN, training.HeldOutLogits, [.. rows.Select(row => data.Labels[row])], folds, foldCount: 1);
        return new CrossValidation([], score, rows, training.HeldOutLogits, folds);
    }
}
