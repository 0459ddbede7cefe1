using System.Numerics.Tensors;
using LlmEmbed.Data;

namespace LlmEmbed.Learning;

/// <summary>How a linear head is trained.</summary>
internal sealed record LinearOptions
{
    /// <summary>The values of C to choose from, ascending; null takes those that suit the number of features.</summary>
    public IReadOnlyList<double>? Penalties { get; init; }

    /// <summary>The standardization to use; null to take it from the training rows.</summary>
    public Standardization? Standardization { get; init; }

    public ClassWeighting ClassWeighting { get; init; }

    public int Folds { get; init; } = 5;

    /// <summary>With more rows than this, cross-validation uses a stratified sample of so many: more would not change the choice of C.</summary>
    public int MaxCrossValidationRows { get; init; } = 10_000;

    public ulong Seed { get; init; }

    public int Threads { get; init; } = Environment.ProcessorCount;

    public static LinearOptions Of(LearningPlan plan) => new()
    {
        Penalties = plan.LikelyC is double c ? LinearHeadTrainer.PenaltiesNear(c) : null,
        ClassWeighting = plan.Head.ClassWeighting,
        Seed = plan.Seed,
        Threads = plan.Threads,
    };
}

/// <summary>A trained linear head.</summary>
/// <param name="Head">The head.</param>
/// <param name="C">Its penalty.</param>
/// <param name="Objective">C Σ weight × negative log likelihood + |W|²/2 at the end of the fit.</param>
/// <param name="CrossValidation">How the penalty was chosen; null if it was given, or if there were too few rows to choose.</param>
internal sealed record LinearTraining(LinearHead Head, double C, double Objective, CrossValidation? CrossValidation)
{
    /// <summary>The temperature that calibrates the head's logits.</summary>
    public double Temperature => CrossValidation?.Chosen.Temperature ?? 1;
}

/// <summary>
/// Fits C Σ weight × NLL + |W|²/2 over standardized features with free intercepts, scikit-learn's definition, and chooses C by cross-validation.
/// All folds are fitted at once, from the smallest C to the largest, each C starting where the last one ended.
/// </summary>
internal sealed class LinearHeadTrainer(
    HeadTrainingData data, LinearOptions options, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
{
    /// <summary>The precision of the objective that is enough to compare penalties, and the one that the head itself needs.</summary>
    private const double ChoiceTolerance = 1e-4, FinalTolerance = 1e-5;

    /// <summary>
    /// The precision for problems that are small enough to be solved in double precision: the least difference that it still shows.
    /// </summary>
    private const double ExactTolerance = 1e-13;

    private const int MaxEvaluations = 1000;

    private const int VeryFewRows = 100;

    /// <summary>The penalty if there are too few texts to choose one. It is strong, because few texts overfit.</summary>
    private const double FallbackC = 0.01;

    private readonly Standardization _standardization = options.Standardization ?? Standardization.Of(data, options.Threads, cancellationToken);

    /// <summary>Chooses the penalty, unless there is only one, and trains on all rows.</summary>
    public static LinearTraining Train(
        HeadTrainingData data, LinearOptions options, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default) =>
        new LinearHeadTrainer(data, options, progress, cancellationToken).Train();

    /// <summary>Chooses the penalty only.</summary>
    /// <returns>Null if fewer than two classes have two rows, so that no row can be held out.</returns>
    public static CrossValidation? CrossValidate(HeadTrainingData data, LinearOptions options, CancellationToken cancellationToken = default)
    {
        if (!CanHoldOut(data)) return null;
        return new LinearHeadTrainer(data, options, progress: null, cancellationToken)
            .ChoosePenalty(options.Penalties ?? DefaultPenalties(data.Features.Columns, data.LabelledRows)).CrossValidation;
    }

    /// <summary>The rows that take part in a cross-validation, ascending, and for each of them the fold in which it is held out.</summary>
    /// <param name="labels">[N].</param>
    /// <param name="groups">Of the N rows (see <see cref="HeadTrainingData.Groups"/>).</param>
    /// <param name="options">How many rows and folds.</param>
    public static (int[] Rows, int[] Folds) Split(int[] labels, int[] groups, LinearOptions options)
    {
        int[] rows = StratifiedSplit.Sample(labels, options.MaxCrossValidationRows, options.Seed);
        int[] own = [.. rows.Select(row => labels[row])];
        return (rows, StratifiedSplit.Folds(own, Math.Min(options.Folds, rows.Length), options.Seed, OverlappingTexts.Select(groups, rows)));
    }

    /// <summary>Each training part needs two classes, so two classes must have two rows.</summary>
    public static bool CanHoldOut(HeadTrainingData data) => data.ClassCounts.Count(count => count >= 2) >= 2;

    /// <summary>
    /// Penalties in steps of half a decade, with C × F from about 0.3 to 3000, because a row of F standardized features has the squared length F. For
    /// very few rows C × F is from 10 to 300: they cannot tell penalties apart, and about any weights that fit them do.
    /// </summary>
    public static IReadOnlyList<double> DefaultPenalties(int featureCount, int rows)
    {
        double first = Math.Round(2 * Math.Log10(0.3 / featureCount)) / 2;
        return [.. (rows <= VeryFewRows ? Enumerable.Range(3, 4) : Enumerable.Range(0, 9)).Select(step => Math.Pow(10, first + step / 2.0))];
    }

    /// <summary>
    /// A penalty that suited fewer texts, and its neighbours. There are more weak ones than strong ones among them, because more texts, or balanced
    /// classes, may need a weaker penalty.
    /// </summary>
    public static IReadOnlyList<double> PenaltiesNear(double c) => [c / Math.Sqrt(10), c, c * Math.Sqrt(10), c * 10];

    private LinearTraining Train()
    {
        IReadOnlyList<double> penalties = options.Penalties ?? DefaultPenalties(data.Features.Columns, data.LabelledRows);
        if (penalties.Count == 1) return FitAll(penalties[0], start: null, crossValidation: null);
        if (!CanHoldOut(data)) return FitAll(FallbackC, start: null, crossValidation: null);
        (CrossValidation crossValidation, double[] start) = ChoosePenalty(penalties);
        return FitAll(crossValidation.Chosen.C, start, crossValidation);
    }

    private (CrossValidation CrossValidation, double[] MeanParameters) ChoosePenalty(IReadOnlyList<double> penalties)
    {
        (int[] rows, int[] folds) = Split(data.Labels[..data.LabelledRows], data.Groups, options);
        // Rows whose classes are only supposed are never held out.
        int[] all = [.. rows, .. Enumerable.Range(data.LabelledRows, data.Rows - data.LabelledRows)];
        HeadTrainingData sample = all.Length == data.Rows ? data : data.Select(all);
        int[] labels = sample.Labels[..rows.Length], foldOfRow = [.. folds, .. Enumerable.Repeat(-1, all.Length - rows.Length)];
        int foldCount = Math.Min(options.Folds, rows.Length);
        LogisticFit[] fits = [.. Enumerable.Range(0, foldCount).Select(fold => FitOf(sample.LabelsFor(fold), fold, row => foldOfRow[row] != fold))];
        using LogisticLoss loss = LogisticLoss.Create(
            sample.Features, sample.Labels, foldOfRow, data.ClassCount, _standardization, foldCount, options.Threads);

        double[][] parameters = [.. fits.Select(_ => new double[loss.ParameterCount])];
        List<PenaltyCandidate> candidates = [];
        foreach (double c in penalties)
        {
            progress?.Report(new WorkProgress("Choosing the penalty", candidates.Count, penalties.Count, "penalties"));
            _ = Minimize(loss, fits, c, parameters, ChoiceTolerance);
            double[] logits = loss.HeldOutLogits(fits, parameters, cancellationToken)[..(rows.Length * data.ClassCount)];
            LinearHead[] heads = data.Unlabelled is null ? [] : [.. parameters.Select(HeadOf)];
            candidates.Add(new PenaltyCandidate(c, logits, labels, folds, foldCount, MeanOf(parameters)) { FoldHeads = heads });
            if (PenaltyCandidate.IsPastTheBest(candidates)) break;
        }
        progress?.Report(new WorkProgress("Choosing the penalty", candidates.Count, candidates.Count, "penalties"));
        PenaltyCandidate chosen = PenaltyCandidate.Choose(candidates);
        PenaltyScore[] table = [.. candidates.Select(candidate => candidate.Score)];
        CrossValidation validation = new(table, chosen.Score, rows, chosen.Logits, folds) { FoldHeads = chosen.FoldHeads };
        return (validation, chosen.MeanParameters);
    }

    private LinearTraining FitAll(double c, double[]? start, CrossValidation? crossValidation)
    {
        progress?.Report(new WorkProgress("Training the head", 0, data.Rows, "texts"));
        LogisticFit[] fits = [FitOf(data.LabelsFor(fold: null), fold: null, _ => true)];
        using LogisticLoss loss = LogisticLoss.Create(
            data.Features, data.Labels, new int[data.Rows], data.ClassCount, _standardization, fitCount: 1, options.Threads);
        double[][] parameters = [start ?? new double[loss.ParameterCount]];
        double objective = Minimize(loss, fits, c, parameters, loss is LogisticLoss<double> ? ExactTolerance : FinalTolerance);
        progress?.Report(new WorkProgress("Training the head", data.Rows, data.Rows, "texts"));
        return new LinearTraining(HeadOf(parameters[0]), c, objective, crossValidation);
    }

    private LinearHead HeadOf(double[] parameters)
    {
        int weights = LogisticLoss.OutputsFor(data.ClassCount) * data.Features.Columns;
        float[] values = [.. parameters.Select(value => (float)value)];
        return new LinearHead(data.ClassCount, _standardization, values[..weights], values[weights..]);
    }

    /// <summary>Minimizes all fits in step; <paramref name="parameters"/> are the starts and receive the minima.</summary>
    /// <returns>The sum of the objectives.</returns>
    private double Minimize(LogisticLoss loss, LogisticFit[] fits, double c, double[][] parameters, double tolerance)
    {
        LimitedMemoryBfgs[] minimizers = [.. parameters.Select(start => new LimitedMemoryBfgs(start, tolerance))];
        double[][] gradients = [.. parameters.Select(start => new double[start.Length])];
        for (int evaluation = 0; evaluation < MaxEvaluations; evaluation++)
        {
            int[] active = [.. Enumerable.Range(0, fits.Length).Where(fit => !minimizers[fit].Done)];
            if (active.Length == 0) break;
            double[] losses = loss.Evaluate(
                [.. active.Select(fit => fits[fit])],
                [.. active.Select(fit => minimizers[fit].Point)],
                [.. active.Select(fit => gradients[fit])],
                cancellationToken);
            int weights = loss.Outputs * loss.Features.Columns;
            Parallel.For(0, active.Length, new ParallelOptions { MaxDegreeOfParallelism = options.Threads }, i =>
            {
                LimitedMemoryBfgs minimizer = minimizers[active[i]];
                double[] gradient = gradients[active[i]];
                minimizer.Report(Penalize(c, losses[i], minimizer.Point.AsSpan(0, weights), gradient), gradient);
            });
        }
        for (int fit = 0; fit < fits.Length; fit++) minimizers[fit].Best.CopyTo(parameters[fit]);
        return minimizers.Sum(minimizer => minimizer.BestValue);
    }

    /// <summary>C times loss and gradient, plus those of the penalty on the weights.</summary>
    private static double Penalize(double c, double loss, ReadOnlySpan<double> weights, Span<double> gradient)
    {
        TensorPrimitives.Multiply(gradient, c, gradient);
        TensorPrimitives.Add(gradient[..weights.Length], weights, gradient); // the intercepts at the end stay free
        return c * loss + TensorPrimitives.SumOfSquares(weights) / 2;
    }

    /// <summary>A good start for a fit on all rows, from those of the folds.</summary>
    public static double[] MeanOf(double[][] vectors)
    {
        double[] mean = new double[vectors[0].Length];
        foreach (double[] vector in vectors) TensorPrimitives.MultiplyAdd(vector, 1.0 / vectors.Length, mean, mean);
        return mean;
    }

    /// <summary>A fit, with the weights of the classes among the rows that it sees.</summary>
    private LogisticFit FitOf(int[] labels, int? fold, Predicate<int> isSeen)
    {
        int[] counts = new int[data.ClassCount];
        for (int row = 0; row < labels.Length; row++)
            if (labels[row] >= 0 && isSeen(row)) counts[labels[row]]++;
        return new LogisticFit(fold, ClassWeights.Of(options.ClassWeighting, counts), labels);
    }
}
