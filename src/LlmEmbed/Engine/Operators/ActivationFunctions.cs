using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace LlmEmbed.Engine;

/// <summary>A function between two matrix products, in vectors of fp32.</summary>
internal interface IActivation
{
    /// <summary>f(x) · up · smoothing. Without a gate, up is 1.</summary>
    static abstract Vector512<float> Gate(Vector512<float> x, Vector512<float> up, Vector512<float> smoothing);
}

/// <summary><see cref="Activation.Silu"/>.</summary>
internal readonly struct Silu : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Gate(Vector512<float> x, Vector512<float> up, Vector512<float> smoothing) =>
        x * up * smoothing / (Vector512<float>.One + Exponential.Of(-x));
}

/// <summary><see cref="Activation.Gelu"/>.</summary>
internal readonly struct Gelu : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Gate(Vector512<float> x, Vector512<float> up, Vector512<float> smoothing) => Of(x) * up * smoothing;

    /// <summary>x·(1 + erf(x/√2))/2, with erf by Abramowitz and Stegun 7.1.26: off by 1.5e-7 at most, far below a quantization step.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> x)
    {
        Vector512<float> z = Vector512.Abs(x) * 0.70710678f;
        Vector512<float> t = Vector512<float>.One / Vector512.FusedMultiplyAdd(z, Vector512.Create(0.3275911f), Vector512<float>.One);
        Vector512<float> series = Vector512.FusedMultiplyAdd(t, Vector512.Create(1.061405429f), Vector512.Create(-1.453152027f));
        series = Vector512.FusedMultiplyAdd(series, t, Vector512.Create(1.421413741f));
        series = Vector512.FusedMultiplyAdd(series, t, Vector512.Create(-0.284496736f));
        series = Vector512.FusedMultiplyAdd(series, t, Vector512.Create(0.254829592f)) * t;
        Vector512<float> erf = Vector512<float>.One - series * Exponential.Of(-(z * z));
        return Vector512.FusedMultiplyAdd(Vector512.Abs(x), erf, x) * 0.5f; // x·erf(x/√2) = |x|·erf(|x|/√2)
    }
}

/// <summary><see cref="Activation.TanhGelu"/>, as x / (1 + e⁻²ᵘ) with u = √(2/π)·(x + 0.044715·x³): (1 + tanh u)/2 = 1 / (1 + e⁻²ᵘ).</summary>
internal readonly struct TanhGelu : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Gate(Vector512<float> x, Vector512<float> up, Vector512<float> smoothing)
    {
        Vector512<float> cubic = Vector512.FusedMultiplyAdd(x * x, Vector512.Create(0.044715f), Vector512<float>.One) * x;
        return x * up * smoothing / (Vector512<float>.One + Exponential.Of(cubic * -1.59576912f)); // −2·√(2/π)
    }
}

/// <summary><see cref="Activation.Relu"/>.</summary>
internal readonly struct Relu : IActivation
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Gate(Vector512<float> x, Vector512<float> up, Vector512<float> smoothing) =>
        Vector512.Max(x, Vector512<float>.Zero) * up * smoothing;
}

/// <summary>The exponential function.</summary>
internal static class Exponential
{
    /// <summary>
    /// eˣ with a relative error of at most 2e-7, as 2ⁿ·2ʳ with a whole n, |r| ≤ 1/2 and the Taylor series of 2ʳ. .NET's own function computes in fp64
    /// and takes several times as long.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Of(Vector512<float> x)
    {
        const float Round = 12582912f; // 1.5·2²³: adding it leaves the rounded number in the low bits
        Vector512<float> power = Vector512.Min(Vector512.Max(x * 1.44269504f, Vector512.Create(-126f)), Vector512.Create(126f));
        Vector512<float> rounded = power + Vector512.Create(Round);
        Vector512<float> r = power - (rounded - Vector512.Create(Round));
        Vector512<float> series = Vector512.FusedMultiplyAdd(r, Vector512.Create(1.54035304e-4f), Vector512.Create(1.33335581e-3f));
        series = Vector512.FusedMultiplyAdd(series, r, Vector512.Create(9.61812911e-3f));
        series = Vector512.FusedMultiplyAdd(series, r, Vector512.Create(5.55041087e-2f));
        series = Vector512.FusedMultiplyAdd(series, r, Vector512.Create(2.40226507e-1f));
        series = Vector512.FusedMultiplyAdd(series, r, Vector512.Create(6.93147181e-1f));
        series = Vector512.FusedMultiplyAdd(series, r, Vector512<float>.One);
        return (series.AsInt32() + Vector512.ShiftLeft(rounded.AsInt32(), 23)).AsSingle();
    }
}
