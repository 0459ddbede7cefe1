using System.Diagnostics;

namespace LlmEmbed.Engine;

/// <summary>How fast this machine computes matrix products at best, with which the speed of everything else can be compared.</summary>
public static class EnginePeak
{
    /// <summary>Operations per second, multiplication and addition counted apart, of the best of some products X [M,K] · W [K,N].</summary>
    /// <param name="precision"><see cref="Precision.Fp32"/> or <see cref="Precision.Int8"/>.</param>
    /// <param name="size">M, K and N; 1,024 is large enough to be near the best and takes some milliseconds.</param>
    /// <param name="seconds">How long to try, in seconds.</param>
    /// <exception cref="ArgumentOutOfRangeException">The precision is neither of the two.</exception>
    public static double Measure(Precision precision, int size = 1024, double seconds = 0.3)
    {
        if (precision is not (Precision.Fp32 or Precision.Int8))
            throw new ArgumentOutOfRangeException(nameof(precision), precision, "Expected fp32 or int8.");
        OnnxGraph graph = new();
        using GraphFeeds feeds = new();
        long[] shape = [size, size];
        if (precision == Precision.Int8)
        {
            WeightBuffer weight = WeightBuffer.Allocate<sbyte>(shape);
            weight.Span<sbyte>().Fill(3);
            string scales = graph.Constant<float>(Enumerable.Repeat(0.01f, size).ToArray(), size);
            string product = graph.Node(
                "MatMulIntegerToFloat",
                [
                    graph.Input("x", OnnxType.UInt8, null, size),
                    graph.Weight(weight),
                    graph.Scalar(1f),
                    scales,
                    graph.Scalar(FusedOperators.ZeroPoint),
                ]);
            graph.Output(product, "y", OnnxType.Float, null, size);
            feeds.Add("x", new byte[size * size], shape);
        }
        else
        {
            WeightBuffer weight = WeightBuffer.Allocate<float>(shape);
            weight.Span<float>().Fill(0.5f);
            graph.Output(
                graph.Node("FusedMatMul", [graph.Input("x", OnnxType.Float, null, size), graph.Weight(weight)], ("transB", 1)),
                "y",
                OnnxType.Float,
                null,
                size);
            feeds.Add("x", Enumerable.Repeat(1f, size * size).ToArray(), shape);
        }
        using GraphSession session = new(graph, Cores.Usable);
        double best = double.MaxValue;
        for (long start = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(start).TotalSeconds < seconds;)
        {
            long run = Stopwatch.GetTimestamp();
            session.Run(feeds).Dispose();
            best = Math.Min(best, Stopwatch.GetElapsedTime(run).TotalSeconds);
        }
        return 2.0 * size * size * size / best;
    }
}
