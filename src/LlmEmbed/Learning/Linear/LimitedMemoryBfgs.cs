using System.Numerics.Tensors;

namespace LlmEmbed.Learning;

/// <summary>
/// Minimizes a smooth convex function by limited-memory BFGS (Nocedal 1980) with a backtracking line search. The caller evaluates the function at
/// <see cref="Point"/> and reports value and gradient. Several minimizations, such as the folds of a cross-validation, can then advance in step and
/// share each pass over the features, which takes most of the time. The minimizers of libraries call the function themselves, so that they cannot
/// share a pass.
/// </summary>
internal sealed class LimitedMemoryBfgs
{
    private const int Memory = 12;
    private const double SufficientDecrease = 1e-4;

    private readonly double _tolerance;
    private readonly Queue<(double[] Step, double[] Change, double Inverse)> _pairs = new();
    private readonly double[] _direction;
    private double[] _gradient;
    private double[] _accepted;
    private double _value = double.PositiveInfinity;
    private double _slope;
    private double _stepLength;
    private int _smallGains;

    /// <param name="start">The first point to evaluate.</param>
    /// <param name="tolerance">The minimization ends when the expected further decrease is below this share of the value.</param>
    public LimitedMemoryBfgs(ReadOnlySpan<double> start, double tolerance)
    {
        _tolerance = tolerance;
        Point = start.ToArray();
        _accepted = start.ToArray();
        _gradient = new double[start.Length];
        _direction = new double[start.Length];
    }

    /// <summary>The point to evaluate next.</summary>
    public double[] Point { get; private set; }

    /// <summary>The best point so far.</summary>
    public ReadOnlySpan<double> Best => _accepted;

    public double BestValue => _value;

    public bool Done { get; private set; }

    public int Evaluations { get; private set; }

    /// <summary>Takes the function's value and gradient at <see cref="Point"/> and chooses the next point.</summary>
    public void Report(double value, ReadOnlySpan<double> gradient)
    {
        Evaluations++;
        if (double.IsPositiveInfinity(_value)) Accept(value, gradient);
        else if (value <= _value + SufficientDecrease * _stepLength * _slope) AcceptStep(value, gradient);
        else ShortenStep(value);
        if (!Done) TensorPrimitives.MultiplyAdd(_direction, _stepLength, _accepted, Point);
    }

    private void AcceptStep(double value, ReadOnlySpan<double> gradient)
    {
        double[] step = new double[Point.Length], change = new double[Point.Length];
        TensorPrimitives.Subtract(Point, _accepted, step);
        TensorPrimitives.Subtract(gradient, _gradient, change);
        double curvature = TensorPrimitives.Dot<double>(step, change);
        if (curvature > 1e-14 * TensorPrimitives.Dot<double>(change, change))
        {
            if (_pairs.Count == Memory) _pairs.Dequeue();
            _pairs.Enqueue((step, change, 1 / curvature));
        }
        // One small gain may be an unlucky step, two in a row are convergence.
        _smallGains = _value - value <= _tolerance * Math.Abs(value) ? _smallGains + 1 : 0;
        Accept(value, gradient);
    }

    private void Accept(double value, ReadOnlySpan<double> gradient)
    {
        _value = value;
        gradient.CopyTo(_gradient);
        (_accepted, Point) = (Point, _accepted);
        SetDirection();
        _slope = TensorPrimitives.Dot<double>(_direction, _gradient);
        _stepLength = _pairs.Count > 0 ? 1 : Math.Min(1, 1 / Math.Sqrt(Math.Max(double.Epsilon, -_slope)));
        // Half of -slope is the decrease that the quadratic model of the function still promises.
        Done = -_slope / 2 <= _tolerance * Math.Abs(value) && (_pairs.Count == 0 || _smallGains >= 2);
    }

    private void ShortenStep(double value)
    {
        // The minimum of the parabola through both values and the slope, kept within reason.
        double excess = value - _value - _stepLength * _slope;
        double fitted = double.IsFinite(excess) ? -_slope * _stepLength / (2 * excess) : 0;
        _stepLength *= Math.Clamp(fitted, 0.1, 0.5);
        // No decrease even in the smallest step: the value is at the limit of its precision.
        Done = _stepLength * -_slope <= 1e-16 * Math.Abs(_value);
    }

    /// <summary>direction = -H gradient, with H the inverse Hessian that the remembered steps suggest (two-loop recursion).</summary>
    private void SetDirection()
    {
        TensorPrimitives.Negate<double>(_gradient, _direction);
        if (_pairs.Count == 0) return;
        (double[] Step, double[] Change, double Inverse)[] pairs = [.. _pairs];
        Span<double> shares = stackalloc double[Memory];
        for (int i = pairs.Length - 1; i >= 0; i--)
        {
            shares[i] = pairs[i].Inverse * TensorPrimitives.Dot<double>(pairs[i].Step, _direction);
            TensorPrimitives.MultiplyAdd(pairs[i].Change, -shares[i], _direction, _direction);
        }
        (_, double[] last, double inverse) = pairs[^1];
        TensorPrimitives.Multiply(_direction, 1 / (inverse * TensorPrimitives.Dot<double>(last, last)), _direction);
        for (int i = 0; i < pairs.Length; i++)
        {
            double share = shares[i] - pairs[i].Inverse * TensorPrimitives.Dot<double>(pairs[i].Change, _direction);
            TensorPrimitives.MultiplyAdd(pairs[i].Step, share, _direction, _direction);
        }
    }
}
