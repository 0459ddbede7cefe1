using System.Numerics.Tensors;
using LlmEmbed.Data;
using LlmEmbed.Evaluation;

namespace LlmEmbed.Learning;

/// <summary>
/// Multinomial logistic regression on sparse features: C Σ NLL + |W|²/2 with free intercepts, C chosen by cross-validation as for dense features.
/// </summary>
internal sealed class SparseLogisticRegression
{
    private const int Folds = 5;

    private const int MaxEvaluations = 300;

    private const double Tolerance = 1e-4;

    /// <summary>Rows have length 1, so useful penalties do not depend on the number of features.</summary>
    private static readonly double[] Penalties = [0.3, 1, 3, 10, 30, 100];

    private readonly double[] _parameters;
    private readonly int _classCount;

    private SparseLogisticRegression(double[] parameters, int classCount, double c, double temperature)
    {
        (_parameters, _classCount) = (parameters, classCount);
        (C, Temperature) = (c, temperature);
    }

    public double C { get; }

    /// <summary>The temperature that calibrates the logits.</summary>
    public double Temperature { get; }

    /// <summary>Weights and intercepts.</summary>
    public int ParameterCount => _parameters.Length;

    /// <param name="features">[N,F].</param>
    /// <param name="labels">[N].</param>
    /// <param name="classCount">C.</param>
    /// <param name="groups">[N], rows to hold out together; or none.</param>
    /// <param name="seed">Of the folds.</param>
    /// <param name="cancellationToken">Stops between two steps.</param>
    public static SparseLogisticRegression Train(
        SparseMatrix features, int[] labels, int classCount, int[] groups, ulong seed, CancellationToken cancellationToken)
    {
        int[] folds = StratifiedSplit.Folds(labels, Math.Min(Folds, labels.Length), seed, groups);
        int foldCount = folds.Max() + 1;
        double[][] parameters = [.. Enumerable.Range(0, foldCount).Select(_ => new double[classCount * (features.Columns + 1)])];
        List<PenaltyCandidate> candidates = [];
        foreach (double c in Penalties)
        {
            double[] logits = new double[labels.Length * classCount];
            // Folds are independent; what each finds does not depend on the threads.
            Parallel.For(0, foldCount, new ParallelOptions { CancellationToken = cancellationToken }, fold =>
            {
                parameters[fold] = Fit(features, labels, classCount, c, row => folds[row] == fold ? 0 : 1, parameters[fold], cancellationToken);
                for (int row = 0; row < labels.Length; row++)
                    if (folds[row] == fold) Logits(features.Rows[row], parameters[fold], logits.AsSpan(row * classCount, classCount));
            });
            candidates.Add(new PenaltyCandidate(c, logits, labels, folds, foldCount, LinearHeadTrainer.MeanOf(parameters)));
            if (PenaltyCandidate.IsPastTheBest(candidates)) break;
        }
        PenaltyCandidate chosen = PenaltyCandidate.Choose(candidates);
        double[] fitted = Fit(features, labels, classCount, chosen.Score.C, _ => 1, chosen.MeanParameters, cancellationToken);
        return new SparseLogisticRegression(fitted, classCount, chosen.Score.C, chosen.Score.Temperature);
    }

    /// <summary>[N,C], calibrated.</summary>
    public float[] Probabilities(SparseMatrix features) => Probabilities(features, _parameters, _classCount, Temperature);

    /// <summary>[N,C] from parameters as <see cref="Fit"/> gives them.</summary>
    public static float[] Probabilities(SparseMatrix features, double[] parameters, int classCount, double temperature)
    {
        float[] values = new float[features.Rows.Count * classCount];
        double[] logits = new double[classCount];
        for (int row = 0; row < features.Rows.Count; row++)
        {
            Logits(features.Rows[row], parameters, logits);
            for (int k = 0; k < classCount; k++) values[row * classCount + k] = (float)logits[k];
        }
        TemperatureScaling.ToProbabilities(values, classCount, temperature);
        return values;
    }

    /// <summary>Minimizes one objective from a start.</summary>
    /// <param name="features">[N,F].</param>
    /// <param name="labels">[N].</param>
    /// <param name="classCount">C.</param>
    /// <param name="c">The inverse strength of the penalty.</param>
    /// <param name="weightOf">What a row counts; it is not looked at where that is 0.</param>
    /// <param name="start">Not changed.</param>
    /// <param name="cancellationToken">Stops between two steps.</param>
    public static double[] Fit(
        SparseMatrix features,
        int[] labels,
        int classCount,
        double c,
        Func<int, double> weightOf,
        double[] start,
        CancellationToken cancellationToken)
    {
        LimitedMemoryBfgs minimizer = new([.. start], Tolerance);
        double[] gradient = new double[start.Length];
        int weights = classCount * features.Columns;
        for (int evaluation = 0; evaluation < MaxEvaluations && !minimizer.Done; evaluation++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            double loss = LossAndGradient(features, labels, weightOf, minimizer.Point, gradient, classCount);
            TensorPrimitives.Multiply(gradient, c, gradient);
            ReadOnlySpan<double> point = minimizer.Point.AsSpan(0, weights);
            TensorPrimitives.Add(gradient.AsSpan(0, weights), point, gradient.AsSpan(0, weights));
            minimizer.Report(c * loss + TensorPrimitives.SumOfSquares(point) / 2, gradient);
        }
        return [.. minimizer.Best];
    }

    private static double LossAndGradient(
        SparseMatrix features, int[] labels, Func<int, double> weightOf, double[] parameters, double[] gradient, int classCount)
    {
        gradient.AsSpan().Clear();
        Span<double> logits = new double[classCount];
        int intercepts = parameters.Length - classCount;
        double loss = 0;
        for (int row = 0; row < labels.Length; row++)
        {
            double weight = weightOf(row);
            if (weight == 0) continue;
            Logits(features.Rows[row], parameters, logits);
            double max = TensorPrimitives.Max<double>(logits);
            double own = logits[labels[row]] - max;
            TensorPrimitives.Subtract(logits, max, logits);
            TensorPrimitives.Exp(logits, logits);
            double total = TensorPrimitives.Sum<double>(logits);
            loss += weight * (Math.Log(total) - own);
            TensorPrimitives.Multiply(logits, weight / total, logits);
            logits[labels[row]] -= weight;
            (int[] columns, float[] values) = features.Rows[row];
            for (int i = 0; i < columns.Length; i++)
            {
                Span<double> ofColumn = gradient.AsSpan(columns[i] * classCount, classCount);
                TensorPrimitives.MultiplyAdd(logits, values[i], ofColumn, ofColumn);
            }
            TensorPrimitives.Add(logits, gradient.AsSpan(intercepts), gradient.AsSpan(intercepts));
        }
        return loss;
    }

    /// <summary>Parameters are [F,C] weights, so that a term's weights lie together, then [C] intercepts.</summary>
    public static void Logits((int[] Columns, float[] Values) row, double[] parameters, Span<double> logits)
    {
        int classCount = logits.Length;
        parameters.AsSpan(parameters.Length - classCount).CopyTo(logits);
        for (int i = 0; i < row.Columns.Length; i++)
            TensorPrimitives.MultiplyAdd(parameters.AsSpan(row.Columns[i] * classCount, classCount), row.Values[i], logits, logits);
    }
}
