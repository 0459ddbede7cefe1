using System.Collections.Concurrent;
using System.Numerics;
using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>One of several logistic regressions that are fitted over the same features.</summary>
/// <param name="HeldOutFold">The fold whose rows it does not see; null if it sees all rows.</param>
/// <param name="ClassWeights">[C], the weight of a row by its class.</param>
/// <param name="Labels">[N], what it takes for the class of each row, -1 for rows that it does not see; null for the labels of all fits.</param>
internal sealed record LogisticFit(int? HeldOutFold, double[] ClassWeights, int[]? Labels = null);

/// <summary>
/// The summed negative log likelihoods of several logistic regressions (the folds of a cross-validation, or one) with gradients, in one pass over the
/// features, which is memory-bound when there are few classes. Parameters are [K,F] weights of standardized features, then [K] intercepts. K is C,
/// but 1 for two classes, whose weights are the difference between both classes. Features are standardized block by block in the processor's cache. A
/// standardized copy of all features would double the memory, and weights that contain mean and scale would lose digits if the mean is large.
/// </summary>
internal abstract class LogisticLoss(
    FeatureMatrix features, int[] labels, int[] folds, int classCount, Standardization standardization, int threads) : IDisposable
{
    /// <summary>Multiply-adds of one pass below which double precision costs nothing worth counting.</summary>
    private const long SmallWork = 2_000_000;

    /// <summary>From this many outputs on a row, blocked matrix products beat products of a few rows at a time.</summary>
    private const int WideOutputs = 7;

    public FeatureMatrix Features { get; } = features;

    public int ClassCount { get; } = classCount;

    /// <summary>K.</summary>
    public int Outputs { get; } = OutputsFor(classCount);

    public int ParameterCount => Outputs * (Features.Columns + 1);

    protected int[] Labels { get; } = labels;

    protected int[] FoldOfRow { get; } = folds;

    protected Standardization Standardization { get; } = standardization;

    protected int Threads { get; } = threads;

    public static int OutputsFor(int classCount) => classCount == 2 ? 1 : classCount;

    /// <param name="features">[N,F].</param>
    /// <param name="labels">[N].</param>
    /// <param name="folds">[N], the fold of each row; -1 for a row that is never held out.</param>
    /// <param name="classCount">C.</param>
    /// <param name="standardization">Standardizes the features before the weights are applied.</param>
    /// <param name="fitCount">How many fits are evaluated together at most.</param>
    /// <param name="threads">Threads to use; results do not depend on it.</param>
    public static LogisticLoss Create(
        FeatureMatrix features, int[] labels, int[] folds, int classCount, Standardization standardization, int fitCount, int threads)
    {
        int outputs = fitCount * OutputsFor(classCount);
        if ((long)features.Rows * features.Columns * outputs <= SmallWork)
            return new LogisticLoss<double>(
                features, labels, folds, classCount, standardization, fitCount, threads, new ExactProducts(features.Columns));
        IBlockProducts<float> products = outputs < WideOutputs
            ? new NarrowProducts(features.Columns)
            : new EngineProducts(features.Columns);
        return new LogisticLoss<float>(features, labels, folds, classCount, standardization, fitCount, threads, products);
    }

    /// <summary>Evaluates each fit at its parameters.</summary>
    /// <returns>For each fit Σ weight × negative log likelihood; <paramref name="gradients"/> receive its gradients.</returns>
    public abstract double[] Evaluate(
        IReadOnlyList<LogisticFit> fits, IReadOnlyList<double[]> parameters, IReadOnlyList<double[]> gradients, CancellationToken cancellationToken);

    /// <summary>For each row the logits [C] of the fit that does not see its fold; zeros for a row of no fold.</summary>
    public abstract double[] HeldOutLogits(IReadOnlyList<LogisticFit> fits, IReadOnlyList<double[]> parameters, CancellationToken cancellationToken);

    public abstract void Dispose();
}

/// <inheritdoc cref="LogisticLoss"/>
internal sealed class LogisticLoss<T>(
    FeatureMatrix features,
    int[] labels,
    int[] folds,
    int classCount,
    Standardization standardization,
    int fitCount,
    int threads,
    IBlockProducts<T> products)
    : LogisticLoss(features, labels, folds, classCount, standardization, threads)
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    /// <summary>Rows are cut into this many stripes whatever the number of threads, so that sums and with them results do not depend on it.</summary>
    private const int MaxStripes = 16;

    /// <summary>Each stripe's sums, made by its first evaluation: fresh memory for each would cost as much as a small problem itself.</summary>
    private readonly StripeSums?[] _stripes = new StripeSums?[Math.Clamp(features.Rows / products.BlockRows, 1, MaxStripes)];

    /// <summary>What stripes that are not at work have left: as many as threads, since a block is large.</summary>
    private readonly ConcurrentBag<Workspace> _workspaces = [];

    public override double[] Evaluate(
        IReadOnlyList<LogisticFit> fits, IReadOnlyList<double[]> parameters, IReadOnlyList<double[]> gradients, CancellationToken cancellationToken)
    {
        int outputs = fits.Count * Outputs;
        (T[] weights, T[] intercepts) = Stack(parameters);
        ForEachStripe((stripe, blocks) =>
        {
            StripeSums sums = _stripes[stripe] ??= new(Features.Columns, fitCount, Outputs);
            sums.Clear();
            Workspace work = TakeWorkspace();
            foreach ((int first, int count) in blocks)
            {
                Standardize(first, count, work.Block);
                products.Logits(work.Block, count, weights, intercepts, work.Values);
                for (int row = 0; row < count; row++)
                    Residuals(first + row, work.Values.AsSpan(row * outputs, outputs), fits, sums.Losses, sums.Residuals);
                products.AddGradient(work.Block, count, work.Values, outputs, sums.Gradients);
            }
            _workspaces.Add(work);
        }, cancellationToken);

        double[] total = new double[fits.Count];
        foreach (StripeSums? stripe in _stripes) TensorPrimitives.Add(total, stripe!.Losses.AsSpan(0, fits.Count), total);
        Parallel.For(0, outputs, new ParallelOptions { MaxDegreeOfParallelism = Threads }, output => SumUp(output, gradients[output / Outputs]));
        return total;
    }

    public override double[] HeldOutLogits(IReadOnlyList<LogisticFit> fits, IReadOnlyList<double[]> parameters, CancellationToken cancellationToken)
    {
        int outputs = fits.Count * Outputs;
        (T[] weights, T[] intercepts) = Stack(parameters);
        double[] logits = new double[Features.Rows * ClassCount];
        ForEachStripe((_, blocks) =>
        {
            Workspace work = TakeWorkspace();
            foreach ((int first, int count) in blocks)
            {
                Standardize(first, count, work.Block);
                products.Logits(work.Block, count, weights, intercepts, work.Values);
                for (int row = first; row < first + count; row++)
                {
                    if (FoldOfRow[row] < 0) continue;
                    int fit = fits.Index().First(f => f.Item.HeldOutFold == FoldOfRow[row]).Index;
                    Span<double> target = logits.AsSpan(row * ClassCount, ClassCount)[(ClassCount - Outputs)..];
                    ReadOnlySpan<T> source = work.Values.AsSpan((row - first) * outputs + fit * Outputs, Outputs);
                    for (int k = 0; k < Outputs; k++) target[k] = double.CreateChecked(source[k]);
                }
            }
            _workspaces.Add(work);
        }, cancellationToken);
        return logits;
    }

    public override void Dispose() => products.Dispose();

    private void ForEachStripe(Action<int, IEnumerable<(int First, int Count)>> body, CancellationToken cancellationToken)
    {
        ParallelOptions options = new() { MaxDegreeOfParallelism = Threads, CancellationToken = cancellationToken };
        Parallel.For(0, _stripes.Length, options, stripe => body(stripe, BlocksOf(stripe)));
    }

    private Workspace TakeWorkspace() =>
        _workspaces.TryTake(out Workspace? work) ? work : new(products.BlockRows, Features.Columns, fitCount * Outputs);

    private IEnumerable<(int First, int Count)> BlocksOf(int stripe)
    {
        int end = (int)((long)Features.Rows * (stripe + 1) / _stripes.Length);
        for (int first = (int)((long)Features.Rows * stripe / _stripes.Length); first < end; first += products.BlockRows)
            yield return (first, Math.Min(products.BlockRows, end - first));
    }

    private void Standardize(int first, int count, T[] block)
    {
        int columns = Features.Columns;
        ReadOnlySpan<float> rows = Features.Block(first, count).Span;
        for (int row = 0; row < count; row++)
        {
            Span<T> target = block.AsSpan(row * columns, columns);
            if (typeof(T) == typeof(float)) Standardization.Apply(rows.Slice(row * columns, columns), MemoryMarshal.Cast<T, float>(target));
            else Standardization.Apply(rows.Slice(row * columns, columns), MemoryMarshal.Cast<T, double>(target));
        }
    }

    /// <summary>The parameters of all fits as one matrix.</summary>
    private (T[] Weights, T[] Intercepts) Stack(IReadOnlyList<double[]> parameters)
    {
        int fitWeights = Outputs * Features.Columns;
        T[] weights = new T[parameters.Count * fitWeights]; // [fits × K, F]
        T[] intercepts = new T[parameters.Count * Outputs];
        for (int fit = 0; fit < parameters.Count; fit++)
        {
            TensorPrimitives.ConvertTruncating<double, T>(parameters[fit].AsSpan(0, fitWeights), weights.AsSpan(fit * fitWeights, fitWeights));
            TensorPrimitives.ConvertTruncating<double, T>(parameters[fit].AsSpan(fitWeights), intercepts.AsSpan(fit * Outputs, Outputs));
        }
        return (weights, intercepts);
    }

    /// <summary>Adds up the stripes' gradients of one output.</summary>
    private void SumUp(int output, double[] gradient)
    {
        int columns = Features.Columns, k = output % Outputs;
        Span<double> target = gradient.AsSpan(k * columns, columns);
        target.Clear();
        foreach (StripeSums? stripe in _stripes)
        {
            ReadOnlySpan<T> source = stripe!.Gradients.AsSpan(output * columns, columns);
            for (int column = 0; column < columns; column++) target[column] += double.CreateTruncating(source[column]);
        }
        gradient[Outputs * columns + k] = _stripes.Sum(stripe => stripe!.Residuals[output]);
    }

    /// <summary>Replaces one row's logits by weight × (probability - truth), for each fit, and adds to the losses and sums.</summary>
    private void Residuals(int row, Span<T> values, IReadOnlyList<LogisticFit> fits, double[] losses, double[] residualSums)
    {
        for (int fit = 0; fit < fits.Count; fit++)
        {
            Span<T> logits = values.Slice(fit * Outputs, Outputs);
            int label = (fits[fit].Labels ?? Labels)[row];
            if (label < 0 || fits[fit].HeldOutFold == FoldOfRow[row])
            {
                logits.Clear();
                continue;
            }
            double weight = fits[fit].ClassWeights[label];
            losses[fit] += weight * (Outputs == 1 ? BinaryResidual(logits, label, weight) : SoftmaxResidual(logits, label, weight));
            for (int k = 0; k < Outputs; k++) residualSums[fit * Outputs + k] += double.CreateTruncating(logits[k]);
        }
    }

    private static double BinaryResidual(Span<T> logits, int label, double weight)
    {
        double logit = double.CreateTruncating(logits[0]);
        double small = Math.Exp(-Math.Abs(logit)); // the exponential that cannot overflow
        double probability = logit >= 0 ? 1 / (1 + small) : small / (1 + small);
        logits[0] = T.CreateTruncating(weight * (probability - label));
        return Math.Log(1 + small) + Math.Max(logit, 0) - label * logit;
    }

    private static double SoftmaxResidual(Span<T> logits, int label, double weight)
    {
        T max = TensorPrimitives.Max<T>(logits);
        double truth = double.CreateTruncating(logits[label] - max);
        TensorPrimitives.Subtract(logits, max, logits);
        TensorPrimitives.Exp<T>(logits, logits);
        T sum = TensorPrimitives.Sum<T>(logits);
        TensorPrimitives.Multiply(logits, T.CreateTruncating(weight) / sum, logits);
        logits[label] -= T.CreateTruncating(weight);
        return Math.Log(double.CreateTruncating(sum)) - truth;
    }

    /// <summary>What one thread works in.</summary>
    private sealed class Workspace(int rows, int columns, int outputs)
    {
        /// <summary>[rows, F], standardized.</summary>
        public T[] Block { get; } = new T[rows * columns];

        /// <summary>[rows, fits × K]: logits, then the loss's derivatives by them.</summary>
        public T[] Values { get; } = new T[rows * outputs];
    }

    /// <summary>What the rows of one stripe add up to.</summary>
    private sealed class StripeSums(int columns, int fits, int outputs)
    {
        /// <summary>[fits].</summary>
        public double[] Losses { get; } = new double[fits];

        /// <summary>[fits × K], gradients of the intercepts.</summary>
        public double[] Residuals { get; } = new double[fits * outputs];

        /// <summary>[fits × K, F], gradients of the weights.</summary>
        public T[] Gradients { get; } = new T[fits * outputs * columns];

        public void Clear()
        {
            Array.Clear(Losses);
            Array.Clear(Residuals);
            Array.Clear(Gradients);
        }
    }
}
