using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Tests.Learning;

/// <summary>Small problems whose solution is known, made anew from a seed.</summary>
internal static class HeadProblems
{
    public static FeatureLayout Layout(params int[] sizes)
    {
        int offset = 0;
        List<FeatureView> views = [];
        foreach (int size in sizes)
        {
            views.Add(new FeatureView("decoder", views.Count, Pooling.Mean, offset, size));
            offset += size;
        }
        return new FeatureLayout(views);
    }

    public static HeadTrainingData Data(float[] features, int[] labels, int classCount) =>
        new(new ArrayFeatures(features, labels.Length, features.Length / labels.Length), labels, classCount, Layout(features.Length / labels.Length));

    /// <summary>Classes around random centres, with a large constant offset in each column and one column that does not vary.</summary>
    public static HeadTrainingData Clusters(int rows, int columns, int classCount, ulong seed, double spread = 1, Func<int, int>? labelOfRow = null)
    {
        DeterministicRandom centresOnly = new(99);
        double[] centres = [.. Enumerable.Range(0, classCount * columns).Select(_ => Normal(centresOnly))];
        DeterministicRandom random = new(seed);
        int[] labels = [.. Enumerable.Range(0, rows).Select(labelOfRow ?? (row => row % classCount))];
        float[] features = new float[rows * columns];
        for (int row = 0; row < rows; row++)
            for (int column = 0; column < columns; column++)
            {
                double value = column == 0 ? 7 : centres[labels[row] * columns + column] + spread * Normal(random) + 30 * column;
                features[row * columns + column] = (float)value;
            }
        return Data(features, labels, classCount);
    }

    public static double Normal(DeterministicRandom random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    public static float[] Logits(IHead head, HeadTrainingData data)
    {
        float[] logits = new float[data.Rows * head.ClassCount];
        head.Logits(data.Features.Block(0, data.Rows).Span, data.Rows, logits);
        return logits;
    }

    public static int[] Predictions(IHead head, HeadTrainingData data)
    {
        float[][] rows = [.. Logits(head, data).Chunk(head.ClassCount)];
        return [.. rows.Select(row => Array.IndexOf(row, row.Max()))];
    }

    public static double Accuracy(IHead head, HeadTrainingData data) =>
        Predictions(head, data).Zip(data.Labels).Count(pair => pair.First == pair.Second) / (double)data.Rows;

    /// <summary>A list that notes what is reported to it, at once and in order.</summary>
    public sealed class Reports : List<WorkProgress>, IProgress<WorkProgress>
    {
        public void Report(WorkProgress value) => Add(value);
    }
}
