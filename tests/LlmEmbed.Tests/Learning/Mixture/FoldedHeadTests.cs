using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Learning;

public sealed class FoldedHeadTests
{
    private const int Rows = 8, HiddenSize = 4;

    private static readonly ViewKey Shallow = new("one", new View(2, Pooling.Mean)), Deep = new("one", new View(5, Pooling.Mean)),
        Other = new("two", new View(1, Pooling.Last)), Unused = new("two", new View(3, Pooling.Mean));

    private static readonly FeatureLayout Given = new(
    [
        new("one", 2, Pooling.Mean, 0, 2), new("one", 5, Pooling.Mean, 2, 3), new("two", 1, Pooling.Last, 5, 2), new("two", 3, Pooling.Mean, 7, 2),
    ]);

    private readonly DeterministicRandom _random = new(12);

    /// <summary>Two heads share a view, one lies on another backbone, and two learned to pool, at depths that are no given views.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    public void It_is_the_weighted_sum_of_its_parts(int classCount)
    {
        HeadTrainingData data = Data(classCount);
        (LinearPart Part, float Factor)[] parts =
        [
            (Attending(classCount, "one", 7), 0.3f),
            (Reading(classCount, Deep, Shallow), 0.5f),
            (Reading(classCount, Shallow), 0.7f),
            (Reading(classCount, Other, Deep), -0.2f),
            (Attending(classCount, "one", 4), 0.1f),
        ];
        FoldedHead folded = FoldedHead.Of(parts, Given);
        Assert.Equal(
            [Shallow, Deep, new("one", new View(4, Pooling.Attention)), new("one", new View(7, Pooling.Attention)), Other], folded.Layout.Keys);
        Assert.DoesNotContain(Unused, folded.Layout.Keys);

        float[] actual = LogitsOf(folded.Head, folded.Read(data.Features, data.Layout, data.Tokens));
        double[] expected = new double[actual.Length];
        foreach ((LinearPart part, float factor) in parts)
        {
            float[] own = LogitsOf(part.Head, FeaturesOf(part, data));
            for (int i = 0; i < own.Length; i++) expected[i] += factor * own[i];
        }
        for (int i = 0; i < expected.Length; i++) Assert.Equal(expected[i], actual[i], 1e-3);
        Assert.InRange(expected.Max(Math.Abs), 1, double.MaxValue);
    }

    [Fact]
    public void A_single_part_is_left_as_it_is()
    {
        LinearPart part = Reading(3, Shallow, Other);
        FoldedHead folded = FoldedHead.Of([(part, 1)], Given);
        Assert.Equal(part.Head.Weights, folded.Head.Weights, (one, other) => Math.Abs(one - other) < 1e-6);
        Assert.Equal(part.Head.Intercepts, folded.Head.Intercepts);
        Assert.Equal(part.Head.Standardization.Mean, folded.Head.Standardization.Mean);
        Assert.Equal(part.Head.Standardization.Scale, folded.Head.Standardization.Scale);
        Assert.Empty(folded.Queries);
    }

    [Fact]
    public void It_reads_each_view_from_its_place_and_pools_where_that_was_learned()
    {
        HeadTrainingData data = Data(2);
        LinearPart attending = Attending(2, "one", 7);
        FoldedHead folded = FoldedHead.Of([(Reading(2, Other), 1), (attending, 1)], Given);
        Assert.Equal([new("one", new View(7, Pooling.Attention)), Other], folded.Layout.Keys);
        FeatureMatrix read = folded.Read(data.Features, data.Layout, data.Tokens);
        float[] pooled = new float[HiddenSize];
        for (int row = 0; row < Rows; row++)
        {
            AttentionModel.Pool(data.Tokens[0].Of(row, 7), attending.Query!.Values, pooled);
            Assert.Equal([.. pooled, .. data.Features.Row(row)[5..7]], read.Row(row).ToArray());
        }
    }

    [Fact]
    public void Features_in_a_file_are_read_into_a_file()
    {
        using TemporaryFolder folder = new();
        HeadTrainingData data = Data(2);
        using FeatureMatrix mapped = new FeatureStorage(folder.Path, MemoryBytes: 0).Allocate(data.Rows, data.Features.Columns);
        for (int row = 0; row < data.Rows; row++) data.Features.Row(row).CopyTo(mapped.RowTarget(row));
        FoldedHead folded = FoldedHead.Of([(Reading(2, Other), 1), (Attending(2, "one", 7), 1)], Given);
        using FeatureMatrix read = folded.Read(mapped, data.Layout, data.Tokens);
        Assert.IsType<MappedFeatures>(read);
        FeatureMatrix expected = folded.Read(data.Features, data.Layout, data.Tokens);
        for (int row = 0; row < data.Rows; row++) Assert.Equal(expected.Row(row).ToArray(), read.Row(row).ToArray());
    }

    private static FeatureMatrix FeaturesOf(LinearPart part, HeadTrainingData data)
    {
        if (part.Query is null) return data.SelectViews(part.Layout.Keys).Features;
        float[] pooled = new float[Rows * HiddenSize];
        for (int row = 0; row < Rows; row++)
            AttentionModel.Pool(data.Tokens[0].Of(row, part.Query.Depth), part.Query.Values, pooled.AsSpan(row * HiddenSize, HiddenSize));
        return new ArrayFeatures(pooled, Rows, HiddenSize);
    }

    private static float[] LogitsOf(LinearHead head, FeatureMatrix features)
    {
        float[] logits = new float[Rows * head.ClassCount];
        head.Logits(features.Block(0, Rows).Span, Rows, logits);
        return logits;
    }

    private LinearPart Reading(int classCount, params ViewKey[] views)
    {
        FeatureLayout layout = Given.Select(views);
        return new LinearPart(Head(classCount, layout.FeatureCount), layout);
    }

    private LinearPart Attending(int classCount, string backbone, int depth) => new(
        Head(classCount, HiddenSize),
        new FeatureLayout([new FeatureView(backbone, depth, Pooling.Attention, 0, HiddenSize)]),
        new AttentionQuery(depth, TokenProblems.Normals(_random, HiddenSize)));

    /// <summary>A head with a standardization of its own.</summary>
    private LinearHead Head(int classCount, int features)
    {
        int outputs = LogisticLoss.OutputsFor(classCount);
        float[] scale = [.. Enumerable.Range(0, features).Select(_ => (float)(0.2 + 3 * _random.NextDouble()))];
        return new LinearHead(
            classCount,
            new Standardization(TokenProblems.Normals(_random, features, 5), scale),
            TokenProblems.Normals(_random, outputs * features),
            TokenProblems.Normals(_random, outputs));
    }

    private HeadTrainingData Data(int classCount)
    {
        TokenStates tokens = TokenStates.Allocate("one", [4, 7], HiddenSize, [.. Enumerable.Range(1, Rows)], long.MaxValue)!;
        foreach (int depth in (int[])[4, 7])
            for (int row = 0; row < Rows; row++) TokenProblems.Normals(_random, (row + 1) * HiddenSize, 2).CopyTo(tokens.Of(row, depth));
        float[] features = TokenProblems.Normals(_random, Rows * Given.FeatureCount, 4);
        int[] labels = [.. Enumerable.Range(0, Rows).Select(row => row % classCount)];
        return new HeadTrainingData(new ArrayFeatures(features, Rows, Given.FeatureCount), labels, classCount, Given) { Tokens = [tokens] };
    }
}
