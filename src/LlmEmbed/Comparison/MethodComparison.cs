using System.Globalization;
using System.Numerics.Tensors;
using LlmEmbed.Evaluation;
using LlmEmbed.Heads;

namespace LlmEmbed.Comparison;

/// <summary>What is compared.</summary>
internal sealed record ComparisonOptions
{
    /// <summary>Backbones and how they run. The first decoder and the first encoder among them serve the baselines.</summary>
    public TrainingOptions Training { get; init; } = new();

    /// <summary>Trainings of each method in which chance plays a part.</summary>
    public int Seeds { get; init; } = 5;
}

/// <summary>
/// The honest table: baselines, the released recipe, its repair and the default recipe on the same texts of the user. Every choice is made on the training
/// texts; the test texts are predicted once by each method. The baselines that read all blocks share one pass, whose full cost is counted for each of them.
/// </summary>
internal sealed class MethodComparison : IDisposable
{
    /// <summary>Steps of Adam after which the reference head is tried. The release leaves the number of epochs open.</summary>
    private static readonly int[] ReferenceSteps = [200, 700];

    private static readonly float[] ReferenceSigmas = [0.1f, 0.001f];

    private const double ReferenceHeldOut = 0.2;

    private readonly ComparisonOptions _options;
    private readonly IProgress<WorkProgress>? _progress;
    private readonly CancellationToken _cancellation;
    private readonly IReadOnlyList<LabeledText> _training, _testing;
    private readonly string[] _labels;
    private readonly int[] _trainLabels, _truth;
    private readonly List<Pass> _passes = [];

    /// <exception cref="LlmEmbedException">The test texts have a label that no training text has, or a backbone cannot be used.</exception>
    public MethodComparison(
        IReadOnlyList<LabeledText> training, IReadOnlyList<LabeledText> testing, ComparisonOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellation)
    {
        (_training, _testing, _options, _progress, _cancellation) = (training, testing, options, progress, cancellation);
        string[] known = [.. training.Select(example => example.Label).Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        // A class that no method has seen is an error of each, not a reason to stop.
        _labels = [.. known, .. testing.Select(example => example.Label).Except(known, StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        ClassCount = known.Length;
        _trainLabels = [.. training.Select(example => Array.IndexOf(_labels, example.Label))];
        _truth = [.. testing.Select(example => Array.IndexOf(_labels, example.Label))];
    }

    private int ClassCount { get; }

    /// <summary>What could not be compared, and why.</summary>
    public List<string> LeftOut { get; } = [];

    /// <summary>All methods, each row as soon as it is measured.</summary>
    public IEnumerable<ComparisonRow> Run()
    {
        yield return Majority();
        yield return Tfidf();
        ReadBaselineViews();
        Pass? decoder = _passes.Find(pass => pass.Encoder.Backbone.IsDecoder), encoder = _passes.Find(pass => !pass.Encoder.Backbone.IsDecoder);
        if (encoder is not null) yield return Linear("sentence embedding + LR", encoder, [View(encoder, Pooling.Mean, 0)]);
        if (decoder is not null)
        {
            int[] five = [.. Enumerable.Range(0, decoder.Encoder.Views.Count)];
            yield return Linear("last layer + LR", decoder, [five[0]]);
            yield return Linear("last five layers + LR", decoder, five);
        }
        if (decoder is not null && encoder is not null && encoder.Encoder.Backbone.HasPooler)
        {
            yield return Reference(Recipe.Reference, decoder, encoder);
            yield return Reference(Recipe.ReferenceRepaired, decoder, encoder);
        }
        else
        {
            LeftOut.Add("released recipe and its repair: they need a decoder, and an encoder with a pooler");
        }
        yield return Auto();
    }

    /// <summary>Adds to each row its intervals and its test against the last one.</summary>
    public IReadOnlyList<ComparisonRow> Complete(IReadOnlyList<ComparisonRow> rows)
    {
        int[] auto = rows[^1].Predicted;
        return [.. rows.Select(row =>
        {
            (Interval accuracy, Interval macroF1) = Resampling.Intervals(_truth, row.Predicted, _labels.Length, (ulong)_options.Training.Seed);
            double? p = row == rows[^1] ? null : McNemarTest.ExactP(
                _truth.Index().Count(text => auto[text.Index] == text.Item && row.Predicted[text.Index] != text.Item),
                _truth.Index().Count(text => auto[text.Index] != text.Item && row.Predicted[text.Index] == text.Item));
            return row with { Accuracy = accuracy, MacroF1 = macroF1, PAgainstAuto = p };
        })];
    }

    public void Dispose()
    {
        foreach (Pass pass in _passes) pass.Encoder.Dispose();
    }

    private ComparisonRow Majority()
    {
        int[] counts = new int[ClassCount];
        foreach (int label in _trainLabels) counts[label]++;
        double[] probabilities = [.. _truth.SelectMany(_ => counts.Select(count => (double)count / _trainLabels.Length))];
        return Row("majority class", _labels[Array.IndexOf(counts, counts.Max())], probabilities, 0, 0, 0, default, default);
    }

    private ComparisonRow Tfidf()
    {
        CostMeter meter = new();
        TfidfVectorizer vectorizer = new([.. _training.Select(example => example.Text)]);
        SparseMatrix features = vectorizer.Transform([.. _training.Select(example => example.Text)]);
        SparseLogisticRegression head = SparseLogisticRegression.Train(features, _trainLabels, ClassCount, (ulong)_options.Training.Seed, _cancellation);
        Cost training = meter.Read();
        meter = new();
        double[] probabilities = head.Probabilities(vectorizer.Transform([.. _testing.Select(example => example.Text)]));
        return Row(
            "TF-IDF + LR",
            string.Create(CultureInfo.InvariantCulture, $"{features.Columns:N0} words and pairs of words, C = {head.C}"),
            probabilities,
            head.ParameterCount,
            0,
            features.Rows.Sum(row => 8L * row.Columns.Length),
            training,
            meter.Read());
    }

    /// <summary>One pass of the first decoder and one of the first encoder over all texts, at every view that a baseline needs.</summary>
    private void ReadBaselineViews()
    {
        TrainingOptions training = _options.Training;
        foreach (string backbone in training.Backbones)
        {
            EncoderOptions options = training.Encoder with { CacheFolder = null, WeightsFolder = training.Encoder.WeightsFolder ?? training.Encoder.CacheFolder };
            bool isDecoder, hasPooler;
            int blocks;
            using (TextEncoder probe = TextEncoder.Load(backbone, options with { Precision = Precision.Fp32 }))
                (isDecoder, hasPooler, blocks) = (probe.Backbone.IsDecoder, probe.Backbone.HasPooler, probe.BlockCount);
            if (_passes.Exists(pass => pass.Encoder.Backbone.IsDecoder == isDecoder)) continue;
            View[] views = isDecoder
                ? [.. Enumerable.Range(0, Math.Min(5, blocks + 1)).Select(i => new View(blocks - i, Pooling.Mean))]
                : hasPooler
                    ? [new(blocks, Pooling.Pooler), new(blocks, Pooling.First), new(blocks, Pooling.Mean)]
                    : [new(blocks, Pooling.Mean)];
            _passes.Add(new Pass(TextEncoder.Load(backbone, options with { Views = views }), this));
        }
    }

    private static int View(Pass pass, Pooling pooling, int fallback) =>
        pass.Encoder.Views.Index().FirstOrDefault(view => view.Item.Pooling == pooling, (fallback, default)).Item1;

    private ComparisonRow Linear(string name, Pass pass, int[] views)
    {
        HeadTrainingData train = pass.Training.SelectViews(views);
        CostMeter meter = new();
        TrainedHead head = HeadTrainer.Train(train, _options.Training with { Recipe = Recipe.Auto, Head = HeadKind.Linear }, _progress, _cancellation);
        Cost training = meter.Read();
        return WithHead(name, $"{pass.Encoder.Name} in {PrecisionNames.NameOf(pass.Encoder.Precision)}, {head.Choice}", [pass], train, pass.Select(views), [head], training);
    }

    private ComparisonRow Reference(Recipe recipe, Pass decoder, Pass encoder)
    {
        int[] roles = [View(encoder, Pooling.Pooler, 0), View(encoder, Pooling.First, 0)];
        int[] five = [.. Enumerable.Range(0, decoder.Encoder.Views.Count)];
        HeadTrainingData train = Pass.Join(decoder.Training.SelectViews(five), encoder.Training.SelectViews(roles));
        float[] test = Pass.Join(decoder.Select(five), encoder.Select(roles), _testing.Count);
        TrainingOptions options = _options.Training with
        {
            Recipe = recipe,
            Reference = new() { Llama = decoder.Encoder.Source, Bert = encoder.Encoder.Source, Roberta = encoder.Encoder.Source, Unpadded = true },
        };
        if (recipe == Recipe.Reference) options = ChooseReference(train, options);
        List<TrainedHead> heads = [];
        Cost training = default;
        for (int seed = 0; seed < _options.Seeds; seed++)
        {
            CostMeter meter = new();
            heads.Add(HeadTrainer.Train(train, options with { Seed = options.Seed + seed }, _progress, _cancellation));
            if (seed == 0) training = meter.Read();
        }
        string name = recipe == Recipe.Reference ? "released recipe" : "repaired recipe";
        return WithHead(name, $"{decoder.Encoder.Name} in {PrecisionNames.NameOf(decoder.Encoder.Precision)}, {encoder.Encoder.Name} in BERT's and RoBERTa's place, real tokens only, {heads[0].Choice}", [decoder, encoder], train, test, heads, training);
    }

    /// <summary>σ and epochs by accuracy on a held-out part of the training texts.</summary>
    private TrainingOptions ChooseReference(HeadTrainingData data, TrainingOptions options)
    {
        (int[] kept, int[] heldOut) = StratifiedSplit.HoldOut(data.Labels, ReferenceHeldOut, (ulong)options.Seed);
        HeadTrainingData part = data.Select(kept);
        FeatureMatrix rest = data.Features.Select(heldOut);
        int[] truth = [.. heldOut.Select(row => data.Labels[row])];
        int stepsPerEpoch = Math.Max(1, (data.Rows + 1023) / 1024);
        return (from sigma in ReferenceSigmas
                from steps in ReferenceSteps
                select options with { Reference = options.Reference! with { Sigma = sigma, Epochs = Math.Max(1, steps / stepsPerEpoch) } })
            .MaxBy(candidate =>
            {
                TrainedHead head = HeadTrainer.Train(part, candidate, _progress, _cancellation);
                using IHead _ = head.Head;
                return Accuracy(Probabilities(head, rest.Block(0, rest.Rows).Span, rest.Rows), truth);
            })!;
    }

    private ComparisonRow Auto()
    {
        // Its cost is measured without a store, which would give the second of two equal runs for nothing.
        TrainingOptions options = _options.Training with
        {
            Encoder = _options.Training.Encoder with { CacheFolder = null, WeightsFolder = _options.Training.Encoder.WeightsFolder ?? _options.Training.Encoder.CacheFolder },
        };
        CostMeter meter = new();
        using TextClassifier classifier = TextClassifier.Train(_training, options, _progress, _cancellation);
        Cost training = meter.Read();
        meter = new();
        (float[] probabilities, long testTokens) = classifier.ProbabilitiesOf([.. _testing.Select(example => example.Text)], _progress, _cancellation);
        Cost prediction = meter.Read();
        TrainingSummary summary = classifier.Training!;
        long selected = summary.Selection is { } selection
            ? selection.Encoding.Where(part => classifier.Encoders.All(encoder => encoder.Name != part.Backbone)).Sum(part => part.Statistics.Tokens)
            : 0;
        string views = string.Join("; ", classifier.Encoders.Select(encoder => $"{encoder.Name} in {PrecisionNames.NameOf(encoder.Precision)} {string.Join(", ", encoder.Views.Select(view => $"{view.Depth}:{PoolingNames.NameOf(view.Pooling)}"))}"));
        return Row(
            "auto",
            $"{views}; {summary.Choice}",
            [.. probabilities.Select(p => (double)p)],
            classifier.Encoders.Sum(encoder => encoder.Backbone.ParameterCount(encoder.Views.Max(view => view.Depth))) + ParametersOf(classifier.Head),
            summary.Encoding.Sum(part => part.Tokens) + selected + testTokens,
            4L * _training.Count * classifier.Encoders.Sum(encoder => encoder.Views.Count * encoder.HiddenSize),
            training,
            prediction);
    }

    private ComparisonRow WithHead(string name, string note, Pass[] passes, HeadTrainingData train, float[] test, List<TrainedHead> heads, Cost headTraining)
    {
        CostMeter meter = new();
        double[] probabilities = Probabilities(heads[0], test, _testing.Count);
        Cost headPrediction = meter.Read();
        double[] accuracies = [.. heads.Select(head => Accuracy(Probabilities(head, test, _testing.Count), _truth))];
        ComparisonRow row = Row(
            name,
            note,
            probabilities,
            passes.Sum(pass => pass.Encoder.Backbone.ParameterCount(pass.Encoder.BlockCount)) + ParametersOf(heads[0]),
            passes.Sum(pass => pass.Tokens),
            4L * train.Rows * train.Features.Columns,
            passes.Aggregate(headTraining, (sum, pass) => sum + pass.TrainingCost),
            passes.Aggregate(headPrediction, (sum, pass) => sum + pass.TestCost)) with
        { SeedAccuracies = accuracies };
        foreach (TrainedHead head in heads) head.Head.Dispose();
        return row;
    }

    private ComparisonRow Row(string name, string note, double[] probabilities, long parameters, long tokens, long cachedBytes, Cost training, Cost prediction)
    {
        EvaluationReport report = EvaluationReport.Compute(_labels, probabilities, _truth);
        return new ComparisonRow(name, note, report, Predicted(probabilities), [report.Accuracy], parameters, tokens, cachedBytes, training, prediction);
    }

    private int[] Predicted(double[] probabilities) => [.. _truth.Select((_, row) => TensorPrimitives.IndexOfMax<double>(probabilities.AsSpan(row * ClassCount, ClassCount)))];

    private double Accuracy(double[] probabilities, int[] truth) =>
        truth.Index().Average(text => TensorPrimitives.IndexOfMax<double>(probabilities.AsSpan(text.Index * ClassCount, ClassCount)) == text.Item ? 1.0 : 0.0);

    private double[] Probabilities(TrainedHead head, ReadOnlySpan<float> features, int rows)
    {
        float[] logits = new float[rows * ClassCount];
        head.Head.Logits(features, rows, logits);
        TemperatureScaling.ToProbabilities(logits, ClassCount, head.Temperature);
        return [.. logits.Select(p => (double)p)];
    }

    private static long ParametersOf(TrainedHead head) => head.Head.Tensors.Sum(tensor => (long)tensor.Values.Length);

    /// <summary>All texts through one backbone at all its blocks.</summary>
    private sealed class Pass
    {
        private readonly FeatureMatrix _test;

        public Pass(TextEncoder encoder, MethodComparison comparison)
        {
            Encoder = encoder;
            (FeatureMatrix features, TrainingCost) = Read(comparison._training, comparison);
            Training = new HeadTrainingData(features, comparison._trainLabels, comparison.ClassCount, Fusion.LayoutOf([encoder]));
            (_test, TestCost) = Read(comparison._testing, comparison);
        }

        public TextEncoder Encoder { get; }

        public HeadTrainingData Training { get; }

        public Cost TrainingCost { get; }

        public Cost TestCost { get; }

        public long Tokens { get; private set; }

        /// <summary>Test features of some views.</summary>
        public float[] Select(int[] views)
        {
            FeatureMatrix features = _test.Select([.. views.Select(view => Training.Layout.Views[view])]);
            return features.Block(0, features.Rows).ToArray();
        }

        public static HeadTrainingData Join(HeadTrainingData a, HeadTrainingData b)
        {
            float[] values = Join(a.Features.Block(0, a.Rows).ToArray(), b.Features.Block(0, b.Rows).ToArray(), a.Rows);
            FeatureLayout layout = new([.. a.Layout.Views, .. b.Layout.Views.Select(view => view with { Offset = view.Offset + a.Features.Columns })]);
            return new HeadTrainingData(new ArrayFeatures(values, a.Rows, layout.FeatureCount), a.Labels, a.ClassCount, layout);
        }

        public static float[] Join(float[] a, float[] b, int rows)
        {
            float[] joined = new float[a.Length + b.Length];
            int left = a.Length / rows, right = b.Length / rows;
            for (int row = 0; row < rows; row++)
            {
                a.AsSpan(row * left, left).CopyTo(joined.AsSpan(row * (left + right)));
                b.AsSpan(row * right, right).CopyTo(joined.AsSpan(row * (left + right) + left));
            }
            return joined;
        }

        private (FeatureMatrix Features, Cost Cost) Read(IReadOnlyList<LabeledText> examples, MethodComparison comparison)
        {
            CostMeter meter = new();
            TextEmbeddings embeddings = Encoder.Encode([.. examples.Select(example => example.Text)], comparison._progress, comparison._cancellation);
            Cost cost = meter.Read();
            Tokens += embeddings.Statistics.Tokens;
            return (new ArrayFeatures(embeddings.Values.ToArray(), examples.Count, embeddings.RowLength), cost);
        }
    }
}
