using System.Globalization;
using LlmEmbed.Data;
using LlmEmbed.Evaluation;
using LlmEmbed.Learning;
using LlmEmbed.Models;
using LlmEmbed.Reading;

namespace LlmEmbed.Comparison;

/// <summary>What is compared.</summary>
internal sealed record ComparisonOptions
{
    /// <summary>Backbones and how they run. The first decoder and the first encoder among them serve the baselines.</summary>
    public TrainingOptions Training { get; init; } = new();

    /// <summary>Trainings of each method in which chance plays a part.</summary>
    public int Seeds { get; init; } = 5;

    /// <summary>How the first decoder is prompted; null leaves that out.</summary>
    public PromptingOptions? Prompting { get; init; } = new();
}

/// <summary>
/// The honest table: baselines, the released recipe, its repair, prompting and the default recipe on the same texts of the user. Every choice is made on the training
/// texts; the test texts are predicted once by each method. The baselines that read all blocks share one pass, whose full cost is counted for each of them.
/// </summary>
internal sealed class MethodComparison : IDisposable
{
    /// <summary>Steps of Adam after which the reference head is tried. The release leaves the number of epochs open.</summary>
    private static readonly int[] ReferenceSteps = [200, 700];

    private static readonly float[] ReferenceSigmas = [0.1f, 0.001f];

    private const double ReferenceHeldOut = 0.2;

    /// <summary>Below this many texts a term of a single one is kept; above, it cannot help others.</summary>
    private const int FewTexts = 1000;

    private readonly TrainingOptions _options;
    private readonly int _seeds;
    private readonly PromptingOptions? _prompting;
    private readonly IProgress<WorkProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly IReadOnlyList<LabeledText> _examples;
    private readonly TrainingTexts _training;
    private readonly string[] _testTexts, _labels;
    private readonly int[] _truth;
    private readonly int _classCount;
    private readonly List<Pass> _passes = [];

    public MethodComparison(
        IReadOnlyList<LabeledText> training, IReadOnlyList<LabeledText> testing, ComparisonOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellation)
    {
        (_examples, _seeds, _prompting, _progress, _cancellation) = (training, options.Seeds, options.Prompting, progress, cancellation);
        // Costs are measured without a store, which would give the second of two equal passes for nothing.
        EncoderOptions encoder = options.Training.Encoder;
        _options = options.Training with { Encoder = encoder with { CacheFolder = null, WeightsFolder = encoder.WeightsFolder ?? encoder.CacheFolder } };
        string[] known = ClassLabels.Of(training);
        // A class that no method has seen is an error of each, not a reason to stop.
        _labels = ClassLabels.Extend(known, testing);
        _classCount = known.Length;
        string[] texts = [.. training.Select(example => example.Text)];
        _training = new TrainingTexts(texts, ClassLabels.IndexesOf(training, _labels), _classCount, OverlappingTexts.GroupsOf(texts));
        (_testTexts, _truth) = ([.. testing.Select(example => example.Text)], ClassLabels.IndexesOf(testing, _labels));
    }

    /// <summary>What could not be compared, and why.</summary>
    public List<string> LeftOut { get; } = [];

    /// <summary>All methods, auto last.</summary>
    /// <exception cref="LlmEmbedException">A backbone or a text cannot be used.</exception>
    public IReadOnlyList<ComparisonRow> Run()
    {
        ComparisonRow[] rows = [Majority(), Tfidf(), .. Baselines(), .. Prompted(), .. Auto()];
        bool[] autoIsRight = RightOnes(rows[^1]);
        bool[] AutoAt(int[]? sample) => sample is null ? autoIsRight : [.. sample.Select(text => autoIsRight[text])];
        return [.. rows.Select(row => row == rows[^1] ? row : row with { PAgainstAuto = PValue(AutoAt(row.Sample), RightOnes(row)) })];
    }

    public void Dispose()
    {
        foreach (Pass pass in _passes) pass.Encoder.Dispose();
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
        TfidfVectorizer vectorizer = TfidfVectorizer.Learn(_training.Texts, leastTexts: _examples.Count < FewTexts ? 1 : 2);
        SparseMatrix features = vectorizer.Transform(_training.Texts);
        SparseLogisticRegression head = SparseLogisticRegression.Train(features, _training.Labels, _classCount, _training.Groups, (ulong)_options.Seed, _cancellation);
        Cost training = meter.Read();
        meter = new();
        float[] probabilities = head.Probabilities(vectorizer.Transform(_testTexts));
        MethodCost cost = new(head.ParameterCount, Tokens: 0, features.Rows.Sum(row => 8L * row.Columns.Length), training, meter.Read());
        return Row("TF-IDF + LR", string.Create(CultureInfo.InvariantCulture, $"{features.Columns:N0} words and pairs of words, C = {head.C}"), probabilities, cost);
    }

    /// <summary>What reads all blocks of the first decoder, of the first encoder or of both.</summary>
    private IEnumerable<ComparisonRow> Baselines()
    {
        PassFeatures features = ReadAllBlocks();
        Pass? decoder = _passes.Find(pass => pass.Encoder.Backbone.IsDecoder), encoder = _passes.Find(pass => !pass.Encoder.Backbone.IsDecoder);
        if (encoder is not null) yield return Linear("sentence embedding + LR", encoder, features.Select(encoder.ViewsOf(Pooling.Mean)));
        if (decoder is not null)
        {
            int[] five = decoder.ViewsOf(Pooling.Mean);
            yield return Linear("last layer + LR", decoder, features.Select(five[..1]));
            yield return Linear("last five layers + LR", decoder, features.Select(five));
        }
        if (decoder is not null && encoder is not null && encoder.Encoder.Backbone.HasPooler)
        {
            PassFeatures roles = features.Select([.. decoder.ViewsOf(Pooling.Mean), .. encoder.ViewsOf(Pooling.Pooler), .. encoder.ViewsOf(Pooling.First)]);
            yield return Reference(Recipe.Reference, "released recipe", decoder, encoder, roles);
            yield return Reference(Recipe.ReferenceRepaired, "repaired recipe", decoder, encoder, roles);
        }
        else
        {
            LeftOut.Add("released recipe and its repair: they need a decoder, and an encoder with a pooler");
        }
    }

    /// <summary>One pass of the first decoder and one of the first encoder over all texts, at every view that a baseline needs.</summary>
    private PassFeatures ReadAllBlocks()
    {
        List<TextEmbeddings> train = [], test = [];
        foreach (string backbone in _options.Backbones)
        {
            TextEncoder encoder = TextEncoder.Load(backbone, _options.Encoder with { ViewsOf = BaselineViews });
            if (_passes.Exists(pass => pass.Encoder.Backbone.IsDecoder == encoder.Backbone.IsDecoder))
            {
                encoder.Dispose();
                continue;
            }
            Pass pass = new(encoder, FirstView: _passes.Sum(earlier => earlier.Encoder.Views.Count));
            _passes.Add(pass);
            (TextEmbeddings trainPart, pass.TrainingCost) = Read(encoder, _training.Texts);
            (TextEmbeddings testPart, pass.TestCost) = Read(encoder, _testTexts);
            pass.Tokens = trainPart.Statistics.Tokens + testPart.Statistics.Tokens;
            train.Add(trainPart);
            test.Add(testPart);
        }
        FeatureLayout layout = Fusion.LayoutOf(_passes.Select(pass => pass.Encoder));
        return new PassFeatures(
            _training.With(new ArrayFeatures(Fusion.Fuse(train), _examples.Count, layout.FeatureCount), layout),
            new ArrayFeatures(Fusion.Fuse(test), _testTexts.Length, layout.FeatureCount));
    }

    /// <summary>What the baselines read of a backbone; the released recipe's views are most of it.</summary>
    public static IReadOnlyList<View> BaselineViews(Backbone backbone)
    {
        int last = backbone.BlockCount;
        if (backbone.IsDecoder) return [.. Enumerable.Range(0, Math.Min(5, last + 1)).Select(i => new View(last - i, Pooling.Mean))];
        View mean = new(last, Pooling.Mean);
        return backbone.HasPooler ? [new(last, Pooling.Pooler), new(last, Pooling.First), mean] : [mean];
    }

    private (TextEmbeddings Embeddings, Cost Cost) Read(TextEncoder encoder, string[] texts)
    {
        CostMeter meter = new();
        TextEmbeddings embeddings = encoder.Encode(texts, _progress, _cancellation);
        return (embeddings, meter.Read());
    }

    private ComparisonRow Linear(string name, Pass pass, PassFeatures features)
    {
        CostMeter meter = new();
        TrainedHead head = HeadTrainer.Train(features.Train, _options with { Recipe = Recipe.Auto, Head = HeadKind.Linear }, _progress, _cancellation);
        return WithHeads(name, $"{NameOf(pass.Encoder)}, {head.Choice}", [pass], features, [head], meter.Read());
    }

    private ComparisonRow Reference(Recipe recipe, string name, Pass decoder, Pass encoder, PassFeatures features)
    {
        TrainingOptions options = _options with
        {
            Recipe = recipe,
            Reference = new() { Llama = decoder.Encoder.Source, Bert = encoder.Encoder.Source, Roberta = encoder.Encoder.Source, Unpadded = true },
        };
        if (recipe == Recipe.Reference) options = ChooseReference(features.Train, options);
        List<TrainedHead> heads = [];
        Cost training = default;
        for (int seed = 0; seed < _seeds; seed++)
        {
            CostMeter meter = new();
            heads.Add(HeadTrainer.Train(features.Train, options with { Seed = options.Seed + seed }, _progress, _cancellation));
            if (seed == 0) training = meter.Read();
        }
        string note = $"{NameOf(decoder.Encoder)}, {encoder.Encoder.Name} in BERT's and RoBERTa's place, real tokens only, {heads[0].Choice}";
        return WithHeads(name, note, [decoder, encoder], features, heads, training);
    }

    /// <summary>σ and epochs by accuracy on a held-out part of the training texts.</summary>
    private TrainingOptions ChooseReference(HeadTrainingData data, TrainingOptions options)
    {
        (int[] kept, int[] heldOut) = StratifiedSplit.HoldOut(data.Labels, ReferenceHeldOut, (ulong)options.Seed, data.Groups);
        HeadTrainingData part = data.Select(kept);
        FeatureMatrix rest = data.Features.Select(heldOut);
        string[] restTexts = [.. heldOut.Select(row => _training.Texts[row])];
        int[] truth = [.. heldOut.Select(row => data.Labels[row])];
        int stepsPerEpoch = Math.Max(1, (data.Rows + 1023) / 1024);
        return (from sigma in ReferenceSigmas
                from steps in ReferenceSteps
                select options with { Reference = options.Reference! with { Sigma = sigma, Epochs = Math.Max(1, steps / stepsPerEpoch) } })
            .MaxBy(candidate =>
            {
                TrainedHead head = HeadTrainer.Train(part, candidate, _progress, _cancellation);
                using IHead _ = head.Head;
                return head.Accuracy(rest, restTexts, truth);
            })!;
    }

    /// <summary>What the method replaces: the same decoder, asked in words.</summary>
    private IEnumerable<ComparisonRow> Prompted()
    {
        if (_prompting is null) return [];
        if (_passes.Find(pass => pass.Encoder.Backbone.IsDecoder) is not { } pass)
        {
            LeftOut.Add("zero-shot, few-shot and chain of thought: they need a decoder");
            return [];
        }
        PromptedMethods methods = new(pass.Encoder, _examples, _labels[.._classCount], _options.Seed, _prompting, _progress, _cancellation);
        PromptedResult[] results = [.. methods.Run(_testTexts, _truth, _seeds)];
        LeftOut.AddRange(methods.LeftOut);
        return results.Select(result =>
        {
            ComparisonRow row = Row(result.Method, $"{NameOf(pass.Encoder)}, {result.Note}", result.Probabilities[0], result.Cost, result.Sample);
            int[] truth = TruthOf(row.Sample);
            double Accuracy(float[] probabilities) => RowMaxima.IndexesOf<float>(probabilities, _classCount).Zip(truth, (predicted, label) => predicted == label ? 1.0 : 0).Average();
            return row with { IsPrompted = true, SeedAccuracies = [.. result.Probabilities.Select(Accuracy)] };
        });
    }

    private IEnumerable<ComparisonRow> Auto()
    {
        CostMeter meter = new();
        using TextClassifier classifier = TextClassifier.Train(_examples, _options, _progress, _cancellation);
        Cost training = meter.Read();
        meter = new();
        (float[] probabilities, TextEmbeddings[] embeddings) = classifier.Probabilities(classifier.Prepare(_testTexts, _cancellation), _progress, _cancellation);
        Cost prediction = meter.Read();
        EncodingStatistics[] read = [.. Read(classifier), .. embeddings.Select(part => part.Statistics)];
        MethodCost cost = new(
            classifier.ParameterCount,
            read.Sum(part => part.Tokens),
            sizeof(float) * (long)_examples.Count * classifier.Encoders.Sum(encoder => encoder.Views.Count * encoder.HiddenSize),
            training,
            prediction)
        { ReadingSeconds = read.Sum(part => part.Elapsed.TotalSeconds) };
        string views = string.Join("; ", classifier.Encoders.Select(encoder => $"{NameOf(encoder)} {string.Join(", ", encoder.Views.Select(PoolingNames.NameOf))}"));
        if (classifier.Head.WithoutWords is { } alone)
            yield return Row("auto without words", $"the same training; {alone.Choice}", alone.Probabilities(Fusion.Fuse(embeddings), _testTexts), cost);
        yield return Row("auto", $"{views}; {classifier.Training!.Choice}", probabilities, cost);
    }

    /// <summary>All that a training read. What was read of a backbone and then dropped was paid for as well.</summary>
    public static IEnumerable<EncodingStatistics> Read(TextClassifier classifier)
    {
        TrainingSummary summary = classifier.Training!;
        IEnumerable<EncodingStatistics> dropped = from part in summary.Selection?.Encoding ?? []
                                                  where classifier.Encoders.All(encoder => Fusion.NameOf(encoder) != part.Backbone)
                                                  select part.Statistics;
        return [.. summary.Encoding, .. dropped];
    }

    private ComparisonRow WithHeads(string name, string note, Pass[] passes, PassFeatures features, List<TrainedHead> heads, Cost headTraining)
    {
        CostMeter meter = new();
        float[] probabilities = heads[0].Probabilities(features.Test, _testTexts);
        Cost headPrediction = meter.Read();
        MethodCost cost = new(
            passes.Sum(pass => pass.Encoder.Backbone.ParameterCount(pass.Encoder.BlockCount)) + heads[0].ParameterCount,
            passes.Sum(pass => pass.Tokens),
            sizeof(float) * (long)features.Train.Rows * features.Train.Features.Columns,
            passes.Aggregate(headTraining, (sum, pass) => sum + pass.TrainingCost),
            passes.Aggregate(headPrediction, (sum, pass) => sum + pass.TestCost))
        { ReadingSeconds = passes.Sum(pass => pass.TrainingCost.Seconds + pass.TestCost.Seconds) };
        double[] accuracies = [.. heads.Select(head => head.Accuracy(features.Test, _testTexts, _truth))];
        foreach (TrainedHead head in heads) head.Head.Dispose();
        return Row(name, note, probabilities, cost) with { SeedAccuracies = accuracies };
    }

    private ComparisonRow Row(string name, string note, float[] probabilities, MethodCost cost, int[]? sample = null)
    {
        int[] predicted = RowMaxima.IndexesOf<float>(probabilities, _classCount), truth = TruthOf(sample);
        (Interval accuracy, Interval macroF1) = Resampling.Intervals(truth, predicted, _labels.Length, (ulong)_options.Seed);
        return new ComparisonRow(name, note, EvaluationReport.Compute(_labels, probabilities, truth), predicted, accuracy, macroF1, cost) { Sample = sample };
    }

    private int[] TruthOf(int[]? sample) => sample is null ? _truth : [.. sample.Select(text => _truth[text])];

    private bool[] RightOnes(ComparisonRow row) => [.. row.Predicted.Zip(TruthOf(row.Sample), (predicted, label) => predicted == label)];

    private static double PValue(bool[] first, bool[] second) =>
        McNemarTest.ExactP(first.Zip(second).Count(pair => pair.First && !pair.Second), first.Zip(second).Count(pair => !pair.First && pair.Second));

    private static string NameOf(TextEncoder encoder) => $"{Fusion.NameOf(encoder)} in {PrecisionNames.NameOf(encoder.Precision)}";

    /// <summary>All texts through one backbone at all its blocks.</summary>
    private sealed record Pass(TextEncoder Encoder, int FirstView)
    {
        public Cost TrainingCost { get; set; }

        public Cost TestCost { get; set; }

        public long Tokens { get; set; }

        /// <summary>Views of this pass among those of all passes.</summary>
        public int[] ViewsOf(Pooling pooling) => [.. Enumerable.Range(0, Encoder.Views.Count).Where(view => Encoder.Views[view].Pooling == pooling).Select(view => FirstView + view)];
    }

    /// <summary>Features of the training and of the test texts, the same columns in both.</summary>
    private sealed record PassFeatures(HeadTrainingData Train, FeatureMatrix Test)
    {
        public PassFeatures Select(int[] views) => new(Train.SelectViews(views), Test.Select([.. views.Select(view => Train.Layout.Views[view])]));
    }
}
