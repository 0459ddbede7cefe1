using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using LlmEmbed.Data;

namespace LlmEmbed.Evaluation;

/// <summary>
/// How well predicted probabilities agree with the truth. A text whose label the classifier does not know counts as an error. Such labels are
/// listed after the classifier's classes, with a recall of 0 and a row of their own in <see cref="ConfusionMatrix"/>.
/// </summary>
public sealed class EvaluationReport
{
    /// <summary>The number of bins of equal width over the highest probability, for <see cref="ExpectedCalibrationError"/>.</summary>
    private const int CalibrationBins = 15;

    /// <summary>The quantile of the normal distribution for 95 % intervals.</summary>
    private const double Normal95 = 1.959963984540054;

    private readonly Lazy<Interval> _macroF1Interval;

    private EvaluationReport(IReadOnlyList<string> labels, ReadOnlySpan<double> probabilities, ReadOnlySpan<int> truth)
    {
        Count = truth.Length;
        int predictable = probabilities.Length / Count;
        Outcomes = OutcomesOf(probabilities, truth, predictable);
        ConfusionMatrix = Confusion(labels.Count, Outcomes);
        Classes = ClassScores(labels, ConfusionMatrix);
        int right = Enumerable.Range(0, labels.Count).Sum(c => ConfusionMatrix[c][c]);
        Accuracy = (double)right / Count;
        AccuracyInterval = WilsonInterval(right, Count);
        MacroF1 = Classes.Average(c => c.F1);
        WeightedF1 = Classes.Sum(c => c.F1 * c.Support) / Count;
        MatthewsCorrelation = Matthews(ConfusionMatrix, Count);
        LogLoss = MeanLogLoss(probabilities, truth, predictable);
        BrierScore = MeanBrier(probabilities, truth, predictable);
        Reliability = ReliabilityBins(Outcomes);
        ExpectedCalibrationError = Reliability.Sum(bin => bin.Count * Math.Abs(bin.Accuracy - bin.Confidence)) / Count;
        RocAuc = MacroRocAuc(probabilities, truth, predictable);
        Coverage = CoverageCurve.Of(Outcomes);
        _macroF1Interval = new(() =>
        {
            int[] truths = [.. Outcomes.Select(text => text.Truth)], predicted = [.. Outcomes.Select(text => text.Predicted)];
            return Resampling.Intervals(truths, predicted, labels.Count, seed: 0).MacroF1;
        });
    }

    /// <summary>Each backbone that read the texts, and what that met and cost; empty if the report was computed from probabilities.</summary>
    public IReadOnlyList<BackboneReading> Reading { get; private set; } = [];

    /// <summary>The report with what reading its texts met and cost.</summary>
    internal EvaluationReport With(IReadOnlyList<BackboneReading> reading)
    {
        EvaluationReport report = (EvaluationReport)MemberwiseClone();
        report.Reading = reading;
        return report;
    }

    /// <summary>What the texts share with those that the classifier was trained on; null where that is not known.</summary>
    public TextOverlap? Overlap { get; private set; }

    /// <summary>The report with what its texts share with those that the classifier was trained on.</summary>
    /// <param name="overlap">Null says that it is not known.</param>
    public EvaluationReport With(TextOverlap? overlap)
    {
        EvaluationReport report = (EvaluationReport)MemberwiseClone();
        report.Overlap = overlap;
        return report;
    }

    /// <summary>The number of texts.</summary>
    public int Count { get; }

    /// <summary>The share of texts whose most probable class is the true one.</summary>
    public double Accuracy { get; }

    /// <summary>The 95 % interval of <see cref="Accuracy"/> by Wilson's score test.</summary>
    public Interval AccuracyInterval { get; }

    /// <summary>The mean F1 over all classes. Each class counts the same, however rare it is.</summary>
    public double MacroF1 { get; }

    /// <summary>
    /// The 95 % interval of <see cref="MacroF1"/>, by drawing the texts 1000 times with replacement. It is computed when it is first asked for.
    /// </summary>
    public Interval MacroF1Interval => _macroF1Interval.Value;

    /// <summary>F1 over all decisions. Each text has one label, so this is <see cref="Accuracy"/>.</summary>
    public double MicroF1 => Accuracy;

    /// <summary>The mean F1 over all classes, weighted by their true counts.</summary>
    public double WeightedF1 { get; }

    /// <summary>The scores of the C classes in the classifier's order, then those of labels that only the data has.</summary>
    public IReadOnlyList<ClassScore> Classes { get; }

    /// <summary>[C,C], counts of texts by true class (row) and predicted class (column), both in the order of <see cref="Classes"/>.</summary>
    public IReadOnlyList<IReadOnlyList<int>> ConfusionMatrix { get; }

    /// <summary>The mean negative natural logarithm of the probability of the true class.</summary>
    public double LogLoss { get; }

    /// <summary>The squared errors of the probabilities, summed over the classes and averaged over the texts: from 0 to 2.</summary>
    public double BrierScore { get; }

    /// <summary>The mean distance between confidence (the highest probability) and accuracy, over 15 bins of equal width.</summary>
    public double ExpectedCalibrationError { get; }

    /// <summary>Matthews' correlation coefficient for several classes; 0 if it is undefined.</summary>
    public double MatthewsCorrelation { get; }

    /// <summary>
    /// The mean area under the ROC curves of each class against the rest, over the classes for which it is defined; null if it is for none.
    /// </summary>
    public double? RocAuc { get; }

    /// <summary>Confidence and accuracy by bins of confidence.</summary>
    internal IReadOnlyList<ReliabilityBin> Reliability { get; }

    /// <summary>What became of each text, in the order of the texts.</summary>
    internal IReadOnlyList<Outcome> Outcomes { get; }

    /// <summary>The accuracy if only the most confident texts are answered, for every share of texts.</summary>
    internal IReadOnlyList<CoveragePoint> Coverage { get; }

    /// <summary>The thresholds of confidence that give round accuracies.</summary>
    internal IReadOnlyList<CoverageTarget> CoverageTargets => CoverageCurve.Targets(Coverage);

    /// <summary>The report as one JSON object.</summary>
    public string ToJson() => ToJsonObject().ToJsonString(new JsonSerializerOptions { WriteIndented = true });

    /// <summary>Accuracy with its interval and the main scores, in one line.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"accuracy {Accuracy:P2} ({AccuracyInterval.Low:P2} to {AccuracyInterval.High:P2}), " +
        $"macro-F1 {MacroF1:P2}, log loss {LogLoss:F4}, {Count} texts");

    /// <summary>Compares probabilities with the truth.</summary>
    /// <param name="labels">The classes of the columns of the probabilities, then labels that the classifier does not know.</param>
    /// <param name="probabilities">[N,C], row after row.</param>
    /// <param name="truth">[N], for each row the index of its label in <paramref name="labels"/>.</param>
    /// <exception cref="LlmEmbedException">There is no text, or a probability is no finite number.</exception>
    internal static EvaluationReport Compute(IReadOnlyList<string> labels, ReadOnlySpan<double> probabilities, ReadOnlySpan<int> truth)
    {
        if (truth.IsEmpty) throw new LlmEmbedException("There is nothing to evaluate: 0 labelled texts, expected at least 1.");
        int classCount = probabilities.Length / truth.Length;
        if (classCount * truth.Length != probabilities.Length || classCount < 1 || classCount > labels.Count)
        {
            throw new ArgumentException(
                $"{probabilities.Length} probabilities do not form rows for {truth.Length} texts and at most {labels.Count} classes.",
                nameof(probabilities));
        }
        for (int i = 0; i < probabilities.Length; i++)
        {
            if (double.IsFinite(probabilities[i])) continue;
            string which = $"class '{labels[i % classCount]}' for text {i / classCount}";
            throw new LlmEmbedException($"The probability of {which} is {probabilities[i]}, expected a number from 0 to 1.");
        }
        return new EvaluationReport(labels, probabilities, truth);
    }

    /// <inheritdoc cref="Compute(IReadOnlyList{string}, ReadOnlySpan{double}, ReadOnlySpan{int})"/>
    internal static EvaluationReport Compute(IReadOnlyList<string> labels, ReadOnlySpan<float> probabilities, ReadOnlySpan<int> truth)
    {
        double[] widened = new double[probabilities.Length];
        for (int i = 0; i < widened.Length; i++) widened[i] = probabilities[i];
        return Compute(labels, widened, truth);
    }

    internal JsonObject ToJsonObject() => new()
    {
        ["n"] = Count,
        ["overlap"] = Overlap?.ToJsonObject(),
        ["accuracy"] = Accuracy,
        ["accuracy_low"] = AccuracyInterval.Low,
        ["accuracy_high"] = AccuracyInterval.High,
        ["macro_f1"] = MacroF1,
        ["macro_f1_low"] = MacroF1Interval.Low,
        ["macro_f1_high"] = MacroF1Interval.High,
        ["micro_f1"] = MicroF1,
        ["weighted_f1"] = WeightedF1,
        ["mcc"] = MatthewsCorrelation,
        ["log_loss"] = LogLoss,
        ["brier"] = BrierScore,
        ["ece"] = ExpectedCalibrationError,
        ["roc_auc"] = RocAuc,
        ["classes"] = new JsonArray([.. Classes.Select(c => new JsonObject
        {
            ["label"] = c.Label,
            ["precision"] = c.Precision,
            ["recall"] = c.Recall,
            ["f1"] = c.F1,
            ["support"] = c.Support,
        })]),
        ["confusion_matrix"] = new JsonArray([.. ConfusionMatrix.Select(row => new JsonArray([.. row.Select(count => JsonValue.Create(count))]))]),
        ["coverage"] = new JsonArray([.. CoverageTargets.Select(target => new JsonObject
        {
            ["target"] = target.Accuracy,
            ["threshold"] = target.Point?.Threshold,
            ["share"] = target.Point?.Share,
            ["accuracy"] = target.Point?.Accuracy,
        })]),
    };

    private static int[][] Confusion(int classCount, IReadOnlyList<Outcome> outcomes)
    {
        int[][] matrix = [.. Enumerable.Range(0, classCount).Select(_ => new int[classCount])];
        foreach (Outcome text in outcomes) matrix[text.Truth][text.Predicted]++;
        return matrix;
    }

    private static ClassScore[] ClassScores(IReadOnlyList<string> labels, IReadOnlyList<IReadOnlyList<int>> matrix) =>
        [.. labels.Select((label, c) =>
        {
            int right = matrix[c][c];
            int support = matrix[c].Sum();
            int predicted = matrix.Sum(row => row[c]);
            return new ClassScore(label, Ratio(right, predicted), Ratio(right, support), Ratio(2 * right, predicted + support), support);
        })];

    /// <summary>
    /// The interval of Wilson's score test. Unlike the plain interval of the normal distribution, it stays within 0 and 1 and is never of width 0.
    /// </summary>
    private static Interval WilsonInterval(int right, int count)
    {
        double share = (double)right / count;
        double z2 = Normal95 * Normal95;
        double centre = share + z2 / (2 * count);
        double reach = Normal95 * Math.Sqrt(share * (1 - share) / count + z2 / (4.0 * count * count));
        double scale = 1 + z2 / count;
        return new Interval(Math.Max(0, (centre - reach) / scale), Math.Min(1, (centre + reach) / scale));
    }

    private static double Matthews(IReadOnlyList<IReadOnlyList<int>> matrix, double count)
    {
        double right = 0, products = 0, truths = 0, predictions = 0;
        for (int c = 0; c < matrix.Count; c++)
        {
            double support = matrix[c].Sum();
            double predicted = matrix.Sum(row => row[c]);
            right += matrix[c][c];
            products += support * predicted;
            truths += support * support;
            predictions += predicted * predicted;
        }
        double spread = (count * count - truths) * (count * count - predictions);
        return spread > 0 ? (right * count - products) / Math.Sqrt(spread) : 0;
    }

    private static double MeanLogLoss(ReadOnlySpan<double> probabilities, ReadOnlySpan<int> truth, int predictable)
    {
        // Probabilities are clipped by one unit of precision, as scikit-learn does, so that a wrong certainty costs 36 and not infinity.
        const double Least = 2.220446049250313e-16;
        double sum = 0;
        for (int i = 0; i < truth.Length; i++)
            sum -= Math.Log(Math.Clamp(ProbabilityOf(truth[i], Row(probabilities, i, predictable)), Least, 1 - Least));
        return sum / truth.Length;
    }

    private static double MeanBrier(ReadOnlySpan<double> probabilities, ReadOnlySpan<int> truth, int predictable)
    {
        double sum = 0;
        for (int i = 0; i < truth.Length; i++)
        {
            ReadOnlySpan<double> row = Row(probabilities, i, predictable);
            foreach (double p in row) sum += p * p;
            sum += 1 - 2 * ProbabilityOf(truth[i], row);
        }
        return sum / truth.Length;
    }

    private static ReliabilityBin[] ReliabilityBins(IReadOnlyList<Outcome> outcomes)
    {
        int[] counts = new int[CalibrationBins];
        double[] right = new double[CalibrationBins];
        double[] confidence = new double[CalibrationBins];
        foreach (Outcome text in outcomes)
        {
            int bin = 0; // Bin b holds (b/15, (b+1)/15].
            while (bin < CalibrationBins - 1 && text.Confidence > (bin + 1) / (double)CalibrationBins) bin++;
            counts[bin]++;
            confidence[bin] += text.Confidence;
            if (text.IsRight) right[bin]++;
        }
        return [.. counts.Select((count, bin) => new ReliabilityBin(count, Ratio(right[bin], count), Ratio(confidence[bin], count)))];
    }

    private static Outcome[] OutcomesOf(ReadOnlySpan<double> probabilities, ReadOnlySpan<int> truth, int predictable)
    {
        Outcome[] outcomes = new Outcome[truth.Length];
        for (int i = 0; i < outcomes.Length; i++)
        {
            ReadOnlySpan<double> row = Row(probabilities, i, predictable);
            int predicted = FirstHighest(row);
            outcomes[i] = new Outcome(truth[i], predicted, row[predicted]);
        }
        return outcomes;
    }

    private static double? MacroRocAuc(ReadOnlySpan<double> probabilities, ReadOnlySpan<int> truth, int predictable)
    {
        List<double> areas = [];
        double[] scores = new double[truth.Length];
        int[] order = new int[truth.Length];
        for (int c = 0; c < predictable; c++)
        {
            for (int i = 0; i < truth.Length; i++) (scores[i], order[i]) = (probabilities[i * predictable + c], i);
            Array.Sort(scores, order);
            if (AreaUnderRoc(scores, order, truth, c) is double area) areas.Add(area);
        }
        return areas.Count == 0 ? null : areas.Average();
    }

    /// <summary>
    /// The area under the ROC curve: of all pairs of a text of the class and a text of another class, the share in which the former has the higher
    /// score. Pairs of equal scores count half.
    /// </summary>
    private static double? AreaUnderRoc(ReadOnlySpan<double> sortedScores, ReadOnlySpan<int> order, ReadOnlySpan<int> truth, int ofClass)
    {
        double others = 0, members = 0, pairs = 0;
        for (int start = 0; start < order.Length;)
        {
            int tiedMembers = 0, end = start;
            for (; end < order.Length && sortedScores[end] == sortedScores[start]; end++)
                if (truth[order[end]] == ofClass) tiedMembers++;
            int tiedOthers = end - start - tiedMembers;
            pairs += tiedMembers * (others + tiedOthers / 2.0);
            members += tiedMembers;
            others += tiedOthers;
            start = end;
        }
        return members == 0 || others == 0 ? null : pairs / (members * others);
    }

    private static ReadOnlySpan<double> Row(ReadOnlySpan<double> probabilities, int row, int classCount) =>
        probabilities.Slice(row * classCount, classCount);

    private static double ProbabilityOf(int label, ReadOnlySpan<double> row) => label < row.Length ? row[label] : 0;

    private static double Ratio(double part, double whole) => whole == 0 ? 0 : part / whole;

    private static int FirstHighest(ReadOnlySpan<double> values)
    {
        int best = 0;
        for (int i = 1; i < values.Length; i++)
            if (values[i] > values[best]) best = i;
        return best;
    }
}

/// <summary>The scores of one class.</summary>
/// <param name="Label">The class.</param>
/// <param name="Precision">Of the texts that were predicted to be of this class, the share that is; 0 if none was.</param>
/// <param name="Recall">Of the texts of this class, the share that was found; 0 if there is none.</param>
/// <param name="F1">The harmonic mean of precision and recall.</param>
/// <param name="Support">The number of texts of this class.</param>
public sealed record ClassScore(string Label, double Precision, double Recall, double F1, int Support);

/// <summary>A 95 % interval of a figure: of 100 such intervals, about 95 hold the figure that all texts of the same kind would give.</summary>
/// <param name="Low">The lower end.</param>
/// <param name="High">The upper end.</param>
public readonly record struct Interval(double Low, double High);

/// <summary>The texts whose highest probability falls into one bin.</summary>
/// <param name="Count">How many texts.</param>
/// <param name="Accuracy">The share of them that was predicted right; 0 if there is none.</param>
/// <param name="Confidence">The mean of their highest probabilities; 0 if there is none.</param>
internal sealed record ReliabilityBin(int Count, double Accuracy, double Confidence);
