using System.Numerics;

namespace LlmEmbed.Learning;

/// <summary>Adam (Kingma and Ba 2015) with the usual constants, fused: one pass over parameters, gradients and moments.</summary>
internal sealed class Adam(IReadOnlyList<HeadTensor> parameters, float learningRate, int threads)
{
    private const float Decay1 = 0.9f, Decay2 = 0.999f, Epsilon = 1e-8f;
    private const int PieceLength = 1 << 18;

    private readonly float[][] _moments1 = [.. parameters.Select(parameter => new float[parameter.Values.Length])];
    private readonly float[][] _moments2 = [.. parameters.Select(parameter => new float[parameter.Values.Length])];
    private readonly (int Tensor, int Start)[] _pieces =
        [
            .. parameters.SelectMany((parameter, tensor) =>
                Enumerable.Range(0, (parameter.Values.Length - 1) / PieceLength + 1).Select(piece => (tensor, piece * PieceLength))),
        ];

    private int _steps;

    /// <summary>A span cannot be handed to other threads, so each asks for it.</summary>
    public delegate ReadOnlySpan<float> GradientOf(int parameter);

    /// <param name="gradients">Of each parameter.</param>
    /// <param name="share">Of the learning rate, for this step.</param>
    public void Step(GradientOf gradients, float share = 1)
    {
        _steps++;
        float rate = (float)(share * learningRate / (1 - Math.Pow(Decay1, _steps)));
        float correction2 = (float)(1 / Math.Sqrt(1 - Math.Pow(Decay2, _steps)));
        Parallel.ForEach(_pieces, new ParallelOptions { MaxDegreeOfParallelism = threads }, piece =>
        {
            (int tensor, int start) = piece;
            float[] values = parameters[tensor].Values;
            Range range = start..Math.Min(start + PieceLength, values.Length);
            Update(
                values.AsSpan(range), gradients(tensor)[range], _moments1[tensor].AsSpan(range), _moments2[tensor].AsSpan(range), rate, correction2);
        });
    }

    private static void Update(
        Span<float> values, ReadOnlySpan<float> gradient, Span<float> moment1, Span<float> moment2, float rate, float correction2)
    {
        int i = 0;
        for (; i <= values.Length - Vector<float>.Count; i += Vector<float>.Count)
        {
            Vector<float> slope = new(gradient[i..]);
            Vector<float> first = new Vector<float>(moment1[i..]) * Decay1 + slope * (1 - Decay1);
            Vector<float> second = new Vector<float>(moment2[i..]) * Decay2 + slope * slope * (1 - Decay2);
            Vector<float> divisor = Vector.SquareRoot(second) * correction2 + new Vector<float>(Epsilon);
            Vector<float> value = new Vector<float>(values[i..]) - first * rate / divisor;
            first.CopyTo(moment1[i..]);
            second.CopyTo(moment2[i..]);
            value.CopyTo(values[i..]);
        }
        for (; i < values.Length; i++)
        {
            moment1[i] = moment1[i] * Decay1 + gradient[i] * (1 - Decay1);
            moment2[i] = moment2[i] * Decay2 + gradient[i] * gradient[i] * (1 - Decay2);
            values[i] -= moment1[i] * rate / (MathF.Sqrt(moment2[i]) * correction2 + Epsilon);
        }
    }
}
