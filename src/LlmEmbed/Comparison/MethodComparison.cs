using System.Globalization;
using LlmEmbed.Data;
using LlmEmbed.Evaluation;
using LlmEmbed.Learning;
using LlmEmbed.Models;
using LlmEmbed.Reading;
using LlmEmbed.Recipes;
using LlmEmbed.Tokenization;

namespace LlmEmbed.Comparison;

/// <summary>What is compared.</summary>
public sealed record ComparisonOptions
{
    /// <summary>
    /// The recipe that is compared with the others; its row is the last one. The first decoder and the first encoder among its backbones serve the
    /// baselines.
    /// </summary>
    public Recipe.Automatic Recipe { get; init; } = new();

    /// <summary>The first seed.</summary>
    public int Seed { get; init; }

    /// <summary>Trainings of each method in which chance plays a part.</summary>
    public int Seeds { get; init; } = 5;

    /// <summary>How the first decoder is prompted; null leaves that out.</summary>
    public PromptingOptions? Prompting { get; init; } = new();
}

/// <summary>Methods compared on the same texts.</summary>
/// <param name="Rows">One row for each method, the automatic recipe last.</param>
/// <param name="LeftOut">What could not be compared and why, each as a phrase.</param>
public sealed record ComparisonResult(IReadOnlyList<ComparisonRow> Rows, IReadOnlyList<string> LeftOut)
{
    /// <summary>What a user should know of the backbones' configurations. Each is a sentence.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>What the test texts share with the training texts.</summary>
    public required TextOverlap Overlap { get; init; }
}

/// <summary>
/// The honest table: baselines, the released recipe, its repair, prompting and the automatic recipe on the same texts of the user. Every choice is
/// made on the training texts; the test texts are predicted once by each method. The baselines that read all blocks share one pass, whose full cost
/// is counted for each of them.
/// </summary>
public sealed class MethodComparison : IDisposable
{
    /// <summary>Steps of Adam after which the reference head is tried. The release leaves the number of epochs open.</summary>
    private static readonly int[] ReferenceSteps = [200, 700];

    private static readonly float[] ReferenceSigmas = [0.1f, 0.001f];

    private const double ReferenceHeldOut = 0.2;

    private readonly Recipe.Automatic _recipe;
    private readonly int _seed, _seeds, _threads;
    private readonly PromptingOptions? _prompting;
    private readonly OpenBackbones _backbones;
    private readonly IProgress<WorkProgress>? _progress;
    private readonly CancellationToken _cancellationToken;
    private readonly IReadOnlyList<LabeledText> _examples;
    private readonly TrainingTexts _training;
    private readonly string[] _testTexts, _labels;
    private readonly int[] _truth;
    private readonly int _classCount;
    private readonly List<Pass> _passes = [];
    private readonly List<string> _leftOut = [];

    private MethodComparison(
        IReadOnlyList<LabeledText> training,
        IReadOnlyList<LabeledText> testing,
        ComparisonOptions options,
        OpenBackbones backbones,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken)
    {
        (_examples, _recipe, _seed, _seeds, _prompting) = (training, options.Recipe, options.Seed, options.Seeds, options.Prompting);
        (_backbones, _threads, _progress, _cancellationToken) = (
            backbones, backbones.Runtime.Threads ?? Environment.ProcessorCount, progress, cancellationToken);
        string[] known = ClassLabels.Of(training);
        // A class that no method has seen is an error of each, not a reason to stop.
        _labels = ClassLabels.Extend(known, testing);
        _classCount = known.Length;
        _training = TrainingTexts.Of(training, known, [.. Enumerable.Range(0, training.Count)], heldOutShare: 0, _seed);
        (_testTexts, _truth) = ([.. testing.Select(example => example.Text)], ClassLabels.IndexesOf(testing, _labels));
    }

    /// <summary>Compares all methods.</summary>
    /// <param name="training">Labelled texts to train on.</param>
    /// <param name="testing">Labelled texts to measure on; no choice looks at them.</param>
    /// <param name="options">Null takes the defaults.</param>
    /// <param name="runtime">How the backbones run on this machine; embeddings are not taken from a cache, so that each method's cost is its
    /// own.</param>
    /// <param name="progress">Told about every stage.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <exception cref="LlmEmbedException">A backbone or a text cannot be used.</exception>
    public static ComparisonResult Run(
        IReadOnlyList<LabeledText> training,
        IReadOnlyList<LabeledText> testing,
        ComparisonOptions? options = null,
        RuntimeOptions? runtime = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(training);
        ArgumentNullException.ThrowIfNull(testing);
        runtime ??= new RuntimeOptions();
        using OpenBackbones backbones = new(runtime with { CacheFolder = null, WeightsFolder = runtime.FolderOfWeights });
        options ??= new ComparisonOptions();
        IReadOnlyList<Tokenizer> tokenizers = EmptyTexts.TokenizersOf(
            options.Recipe.BackboneNames, name => backbones.Open(name, new Work(progress, cancellationToken)).Tokenizer);
        foreach (IReadOnlyList<LabeledText> examples in new[] { training, testing }) EmptyTexts.Refuse(examples, tokenizers, cancellationToken);
        using MethodComparison comparison = new(training, testing, options, backbones, progress, cancellationToken);
        return comparison.Run();
    }

    /// <summary>Frees what the baselines read with.</summary>
    public void Dispose() => Disposal.All(_passes.Select(pass => pass.Reader));

    private ComparisonResult Run()
    {
        ComparisonRow[] rows = [Majority(), Tfidf(), .. Baselines(), .. Prompted(), .. Auto()];
        bool[] autoIsRight = RightOnes(rows[^1]);
        bool[] AutoAt(int[]? sample) => sample is null ? autoIsRight : [.. sample.Select(text => autoIsRight[text])];
        ComparisonRow[] compared =
        [
            .. rows.Select(row => row == rows[^1] ? row : row with { PAgainstAuto = PValue(AutoAt(row.Sample), RightOnes(row)) }),
        ];
        return new ComparisonResult(compared, _leftOut)
        {
            Overlap = TextOverlap.Find(_training.Texts, _testTexts),
            Warnings = _backbones.Warnings,
        };
    }

    private ComparisonRow Majority()
    {
        int[] counts = new int[_classCount];
        foreach (int label in _training.Labels) counts[label]++;
        float[] probabilities = [.. _truth.SelectMany(_ => counts.Select(count => (float)count / _examples.Count))];
        return Row("majority class", _labels[Array.IndexOf(counts, counts.Max())], probabilities, default);
    }

    private ComparisonRow Tfidf()
    {
        CostMeter meter = new();
        WordClassifier words = WordClassifier.Train(_training, _seed, _cancellationToken);
        Cost training = meter.Read();
        meter = new();
        float[] probabilities = words.Probabilities(_testTexts);
        Cost prediction = meter.Read();
        MethodCost cost = new(words.ParameterCount, Tokens: 0, words.FeatureBytes(_training.Texts), training, prediction);
        string note = string.Create(CultureInfo.InvariantCulture, $"{words.TermCount:N0} words and pairs of words, C = {words.C}");
        return Row("TF-IDF + LR", note, probabilities, cost);
    }

    /// <summary>What reads all blocks of the first decoder, of the first encoder or of both.</summary>
    private IEnumerable<ComparisonRow> Baselines()
    {
        PassFeatures features = ReadAllBlocks();
        Pass? decoder = _passes.Find(pass => pass.Reader.Backbone.Model.IsCausal), encoder = _passes.Find(
            pass => !pass.Reader.Backbone.Model.IsCausal);
        if (encoder is not null) yield return Linear("sentence embedding + LR", encoder, features.Select(encoder.ViewsOf(Pooling.Mean)));
        if (decoder is not null)
        {
            ViewKey[] five = decoder.ViewsOf(Pooling.Mean);
            yield return Linear("last layer + LR", decoder, features.Select(five[..1]));
            yield return Linear("last five layers + LR", decoder, features.Select(five));
        }
        if (decoder is not null && encoder is not null && encoder.Reader.Backbone.Model.HasPooler)
        {
            PassFeatures roles = features.Select(
                [.. decoder.ViewsOf(Pooling.Mean), .. encoder.ViewsOf(Pooling.Pooler), .. encoder.ViewsOf(Pooling.First)]);
            ReferenceRoles models = new(decoder.Reader.Backbone.Source, encoder.Reader.Backbone.Source, encoder.Reader.Backbone.Source);
            Recipe.Reference released = ChooseReference(roles.Train, models);
            yield return Reference("released recipe", decoder, encoder, roles, seed => ReferenceTraining.PlanOf(released, seed, _threads));
            Recipe.ReferenceRepaired repaired = new() { Roles = models, ClassWeighting = _recipe.Head.ClassWeighting };
            yield return Reference("repaired recipe", decoder, encoder, roles, seed => ReferenceTraining.PlanOf(repaired, seed, _threads));
        }
        else
        {
            _leftOut.Add("released recipe and its repair: they need a decoder, and an encoder with a pooler");
        }
    }

    /// <summary>One pass of the first decoder and one of the first encoder over all texts, at every view that a baseline needs.</summary>
    private PassFeatures ReadAllBlocks()
    {
        foreach (OpenBackbone backbone in _recipe.Backbones.Select(name => _backbones.Open(name, new Work(_progress, _cancellationToken))))
        {
            if (_passes.Exists(pass => pass.Reader.Backbone.Model.IsCausal == backbone.Model.IsCausal)) continue;
            EncoderOptions options = new()
            {
                Views = ViewSelection.Of(BaselineViews(backbone.Model)),
                MaxTokens = _recipe.MaxTokens,
                Precision = _recipe.Precision,
            };
            BackboneReader reader = new(backbone, BackbonePlan.For(backbone, options), _backbones.Runtime);
            _passes.Add(new Pass(reader));
        }
        // The passes own the readers.
        FeatureReader together = new([.. _passes.Select(pass => pass.Reader)]);
        FeatureLayout layout = together.Layout;
        ArrayFeatures train = new(new float[checked(_examples.Count * layout.FeatureCount)], _examples.Count, layout.FeatureCount);
        ArrayFeatures test = new(new float[checked(_testTexts.Length * layout.FeatureCount)], _testTexts.Length, layout.FeatureCount);
        int end = 0;
        foreach (Pass pass in _passes)
        {
            int offset = end;
            end += pass.Reader.RowLength;
            (EncodingStatistics trainPart, pass.TrainingCost) = Read(pass.Reader, _training.Texts, train, offset);
            (EncodingStatistics testPart, pass.TestCost) = Read(pass.Reader, _testTexts, test, offset);
            pass.Tokens = trainPart.Tokens + testPart.Tokens;
        }
        return new PassFeatures(HeadTrainingData.Of(_training, train, layout), test);
    }

    /// <summary>What the baselines read of a backbone; the released recipe's views are most of it.</summary>
    internal static IReadOnlyList<View> BaselineViews(Backbone backbone)
    {
        int last = backbone.BlockCount;
        if (backbone.IsCausal) return [.. Enumerable.Range(0, Math.Min(5, last + 1)).Select(i => new View(last - i, Pooling.Mean))];
        View mean = new(last, Pooling.Mean);
        return backbone.HasPooler ? [new(last, Pooling.Pooler), new(last, Pooling.First), mean] : [mean];
    }

    private (EncodingStatistics Statistics, Cost Cost) Read(BackboneReader reader, string[] texts, FeatureMatrix features, int offset)
    {
        CostMeter meter = new();
        EncodingStatistics statistics = reader.Read(
            texts, text => features.RowTarget(text).Slice(offset, reader.RowLength), _progress, _cancellationToken);
        return (statistics, meter.Read());
    }

    private ComparisonRow Linear(string name, Pass pass, PassFeatures features)
    {
        CostMeter meter = new();
        LearningPlan plan = new(new HeadOptions.Linear { ClassWeighting = _recipe.Head.ClassWeighting }) { Seed = (ulong)_seed, Threads = _threads };
        TrainedHead head = HeadTrainer.Train(features.Train, plan, _progress, _cancellationToken);
        return WithHeads(name, NameOf(pass.Reader), [pass], features, [head], meter.Read());
    }

    private ComparisonRow Reference(string name, Pass decoder, Pass encoder, PassFeatures features, Func<int, LearningPlan> planOf)
    {
        List<TrainedHead> heads = [];
        Cost training = default;
        for (int seed = 0; seed < _seeds; seed++)
        {
            CostMeter meter = new();
            heads.Add(HeadTrainer.Train(features.Train, planOf(_seed + seed), _progress, _cancellationToken));
            if (seed == 0) training = meter.Read();
        }
        string note = $"{NameOf(decoder.Reader)}, {encoder.Reader.Backbone.Name} in BERT's and RoBERTa's place, real tokens only";
        return WithHeads(name, note, [decoder, encoder], features, heads, training);
    }

    /// <summary>σ and epochs by accuracy on a held-out part of the training texts.</summary>
    private Recipe.Reference ChooseReference(HeadTrainingData data, ReferenceRoles roles)
    {
        (int[] kept, int[] heldOut) = StratifiedSplit.HoldOut(data.Labels, ReferenceHeldOut, (ulong)_seed, data.Groups);
        HeadTrainingData part = data.Select(kept);
        FeatureMatrix rest = data.Features.Select(heldOut);
        string[] restTexts = [.. heldOut.Select(row => _training.Texts[row])];
        int[] truth = [.. heldOut.Select(row => data.Labels[row])];
        int stepsPerEpoch = Math.Max(1, (data.Rows + 1023) / 1024);
        return (from sigma in ReferenceSigmas
                from steps in ReferenceSteps
                select new Recipe.Reference
                {
                    Roles = roles,
                    Sigma = sigma,
                    Epochs = Math.Max(1, steps / stepsPerEpoch),
                    ClassWeighting = _recipe.Head.ClassWeighting,
                })
            .MaxBy(candidate =>
            {
                TrainedHead head = HeadTrainer.Train(part, ReferenceTraining.PlanOf(candidate, _seed, _threads), _progress, _cancellationToken);
                using IHead _ = head.Head;
                return head.Accuracy(rest, restTexts, truth);
            })!;
    }

    /// <summary>What the method replaces: the same decoder, asked in words.</summary>
    private IEnumerable<ComparisonRow> Prompted()
    {
        if (_prompting is null) return [];
        if (_passes.Find(pass => pass.Reader.Backbone.Model.IsCausal) is not { } pass)
        {
            _leftOut.Add("zero-shot, few-shot and chain of thought: they need a decoder");
            return [];
        }
        PromptedMethods methods = new(pass.Reader, _examples, _labels[.._classCount], _seed, _prompting, _progress, _cancellationToken);
        PromptedResult[] results = [.. methods.Run(_testTexts, _truth, _seeds)];
        _leftOut.AddRange(methods.LeftOut);
        return results.Select(result =>
        {
            ComparisonRow row = Row(result.Method, $"{NameOf(pass.Reader)}, {result.Note}", result.Probabilities[0], result.Cost, result.Sample);
            int[] truth = TruthOf(row.Sample);
            double Accuracy(float[] probabilities) =>
                RowMaxima.IndexesOf<float>(probabilities, _classCount).Zip(truth, (predicted, label) => predicted == label ? 1.0 : 0).Average();
            return row with { IsPrompted = true, SeedAccuracies = [.. result.Probabilities.Select(Accuracy)] };
        });
    }

    private IEnumerable<ComparisonRow> Auto()
    {
        CostMeter meter = new();
        TrainingOptions options = new() { Recipe = _recipe, Seed = _seed };
        using TextClassifier classifier = TextClassifier.Train(_examples, options, _backbones.Runtime, _progress, _cancellationToken);
        Cost training = meter.Read();
        meter = new();
        TrainedClassifier parts = classifier.Parts;
        PreparedRequest request = parts.Reader.Prepare(_testTexts, _cancellationToken);
        (float[] features, IReadOnlyList<EncodingStatistics> statistics) = parts.Reader.Read(request, new Work(_progress, _cancellationToken));
        float[] probabilities = parts.Head.Probabilities(features, _testTexts);
        Cost prediction = meter.Read();
        EncodingStatistics[] read = [.. ReadBy(classifier), .. statistics];
        MethodCost cost = new(
            classifier.ParameterCount,
            read.Sum(part => part.Tokens),
            sizeof(float) * (long)_examples.Count * parts.Reader.Layout.FeatureCount,
            training,
            prediction)
        { ReadingSeconds = read.Sum(part => part.Elapsed.TotalSeconds) };
        string views = string.Join(
            "; ", parts.Reader.Backbones.Select(backbone => $"{NameOf(backbone)} {string.Join(", ", backbone.Plan.Views.Select(Poolings.NameOf))}"));
        if (parts.Head.WithoutWords() is { } alone)
            yield return Row(
                "auto without words", "the same training", alone.Probabilities(features, _testTexts), cost) with
            { Head = alone.Decisions };
        yield return Row("auto", views, probabilities, cost) with { Head = parts.Head.Decisions };
    }

    /// <summary>All that a training read. What was read of a backbone and then dropped was paid for as well.</summary>
    internal static IEnumerable<EncodingStatistics> ReadBy(TextClassifier classifier)
    {
        TrainingSummary summary = classifier.Training!;
        return [.. summary.Reading.Select(part => part.Statistics), .. summary.Dropped.Select(part => part.Statistics)];
    }

    private ComparisonRow WithHeads(string name, string note, Pass[] passes, PassFeatures features, List<TrainedHead> heads, Cost headTraining)
    {
        CostMeter meter = new();
        float[] probabilities = heads[0].Probabilities(features.Test, _testTexts);
        Cost headPrediction = meter.Read();
        MethodCost cost = new(
            passes.Sum(pass => pass.Reader.Backbone.Model.ParameterCount(pass.Reader.Backbone.Model.BlockCount)) + heads[0].ParameterCount,
            passes.Sum(pass => pass.Tokens),
            sizeof(float) * (long)features.Train.Rows * features.Train.Features.Columns,
            passes.Aggregate(headTraining, (sum, pass) => sum + pass.TrainingCost),
            passes.Aggregate(headPrediction, (sum, pass) => sum + pass.TestCost))
        { ReadingSeconds = passes.Sum(pass => pass.TrainingCost.Seconds + pass.TestCost.Seconds) };
        double[] accuracies = [.. heads.Select(head => head.Accuracy(features.Test, _testTexts, _truth))];
        foreach (TrainedHead head in heads) head.Head.Dispose();
        return Row(name, note, probabilities, cost) with { SeedAccuracies = accuracies, Head = heads[0].Decisions };
    }

    private ComparisonRow Row(string name, string note, float[] probabilities, MethodCost cost, int[]? sample = null)
    {
        int[] predicted = RowMaxima.IndexesOf<float>(probabilities, _classCount), truth = TruthOf(sample);
        (Interval accuracy, Interval macroF1) = Resampling.Intervals(truth, predicted, _labels.Length, (ulong)_seed);
        return new ComparisonRow(name, note, EvaluationReport.Compute(_labels, probabilities, truth), predicted, accuracy, macroF1, cost)
        { Sample = sample };
    }

    private int[] TruthOf(int[]? sample) => sample is null ? _truth : [.. sample.Select(text => _truth[text])];

    private bool[] RightOnes(ComparisonRow row) => [.. row.Predicted.Zip(TruthOf(row.Sample), (predicted, label) => predicted == label)];

    private static double PValue(bool[] first, bool[] second) =>
        McNemarTest.ExactP(first.Zip(second).Count(pair => pair.First && !pair.Second), first.Zip(second).Count(pair => !pair.First && pair.Second));

    private static string NameOf(BackboneReader reader) => $"{reader.Name} in {PrecisionNames.NameOf(reader.Plan.Precision)}";

    /// <summary>All texts through one backbone at all its blocks.</summary>
    private sealed record Pass(BackboneReader Reader)
    {
        public Cost TrainingCost { get; set; }

        public Cost TestCost { get; set; }

        public long Tokens { get; set; }

        /// <summary>The views of this pass with a pooling.</summary>
        public ViewKey[] ViewsOf(Pooling pooling) =>
            [.. Reader.Plan.Views.Where(view => view.Pooling == pooling).Select(view => new ViewKey(Reader.Name, view))];
    }

    /// <summary>Features of the training and of the test texts, the same columns in both.</summary>
    private sealed record PassFeatures(HeadTrainingData Train, FeatureMatrix Test)
    {
        public PassFeatures Select(ViewKey[] views) => new(Train.SelectViews(views), Test.Select(Train.Layout.ColumnsOf(views)));
    }
}
