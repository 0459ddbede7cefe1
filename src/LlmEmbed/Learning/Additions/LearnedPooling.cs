using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>One more view, whose pooling is learned (see <see cref="AttentionPooling"/>).</summary>
internal sealed class LearnedPooling : Addition
{
    /// <summary>With fewer texts than this a query would learn the texts by heart.</summary>
    public const int LeastTexts = 1000;

    /// <summary>The most bytes that the states of all tokens may take, in memory and in the cache.</summary>
    private const long MostBytes = 1L << 30;

    /// <summary>The share of the blocks after which states are taken: with so many texts no network is cut lower.</summary>
    private const double DepthShare = 0.6;

    public override string Name => "attention_pooling";

    protected override string? Stage => "Learning to pool";

    /// <summary>The most bytes that the states of all tokens may take, if features are stored so.</summary>
    public static long MostBytesFor(FeatureStorage storage) => Math.Min(MostBytes, storage.MemoryBytes);

    /// <summary>The depth whose states are taken of a backbone of so many blocks.</summary>
    public static int DepthOf(int blockCount) => (int)Math.Round(DepthShare * blockCount, MidpointRounding.AwayFromZero);

    public override bool AppliesTo(TrainedHead head, HeadTrainingData data, LearningPlan plan) =>
        plan is { LearnsPooling: true, Mixture: null } && data.Tokens is not null && head.Head is LinearHead;

    /// <summary>
    /// Learns a query on the texts outside of each fold in turn, and takes the share of its logits that suits the texts in the folds best.
    /// </summary>
    /// <returns>Null if the view is not clearly better for these texts or costs macro-F1.</returns>
    public override Contribution? FindOut(
        TrainedHead head, CrossValidation validation, HeadTrainingData data, LearningPlan plan, CancellationToken cancellationToken)
    {
        ClassWeighting weighting = WeightingFor(head);
        TokenStates tokens = data.Tokens!;
        double[] logits = new double[validation.Logits.Length]; // [Rows, C]
        ParallelOptions parallel = new() { MaxDegreeOfParallelism = plan.Threads, CancellationToken = cancellationToken };
        Parallel.For(0, validation.FoldCount, parallel, fold =>
        {
            bool[] seen = validation.SeenBy(fold, data.Rows);
            AttentionPooling part = Fit([.. Enumerable.Range(0, data.Rows).Where(row => seen[row])]);
            for (int i = 0; i < validation.Rows.Length; i++)
            {
                if (validation.Folds[i] != fold) continue;
                part.Logits(tokens.Of(validation.Rows[i], tokens.Depths[0]), logits.AsSpan(i * data.ClassCount, data.ClassCount));
            }
        });
        if (validation.PlusBestShareOf(logits, data.Labels) is not var (share, factor, together)) return null;
        AdditionGain gain = AdditionGain.Of(share, validation, together) with { Backbone = tokens.Backbone, Depth = tokens.Depths[0] };
        return new Contribution(gain, together, before =>
        {
            AttentionPooling all = Fit([.. Enumerable.Range(0, data.Rows)]);
            AttentionView view = new(tokens.Backbone, tokens.Depths[0], all.RawQuery());
            return before with
            {
                Head = all.AddTo((LinearHead)before.Head, view.OffsetIn(data.Layout), (float)factor),
                Additions = [.. before.Additions, view],
            };
        });

        AttentionPooling Fit(int[] rows) => AttentionPooling.Fit(tokens, data, rows, weighting, plan.Seed, cancellationToken);
    }
}

/// <summary>The view that a learned query makes. It acts on the features that the head reads.</summary>
/// <param name="Backbone">As the layout of the features names it.</param>
/// <param name="Depth">Of the states that are pooled.</param>
/// <param name="Query">[H], for states as they are.</param>
internal sealed record AttentionView(string Backbone, int Depth, float[] Query) : IAddedPart
{
    /// <summary>None: the query is saved as part of what is read of its backbone.</summary>
    public IReadOnlyList<HeadTensor> Tensors => [];

    /// <summary>The channel from which on it stands among other features: behind those of its backbone.</summary>
    public int OffsetIn(FeatureLayout layout) => layout.Views.Where(view => view.Backbone == Backbone).Max(view => view.Offset + view.Size);

    /// <summary>Features with the view among them.</summary>
    /// <param name="features">[N,F].</param>
    /// <param name="layout">Of these.</param>
    /// <param name="tokens">Of the same texts.</param>
    /// <returns>[N,F+H].</returns>
    public FeatureMatrix AddTo(FeatureMatrix features, FeatureLayout layout, TokenStates tokens)
    {
        int offset = OffsetIn(layout), size = Query.Length;
        ArrayFeatures all = new(new float[checked(features.Rows * (features.Columns + size))], features.Rows, features.Columns + size);
        for (int row = 0; row < features.Rows; row++)
        {
            ReadOnlySpan<float> own = features.Row(row);
            Span<float> target = all.RowTarget(row), pooled = target.Slice(offset, size);
            own[..offset].CopyTo(target);
            own[offset..].CopyTo(target[(offset + size)..]);
            ReadOnlySpan<float> states = tokens.Of(row, Depth);
            AttentionPooling.Pool(states, Query, new float[states.Length / size], pooled);
        }
        return all;
    }
}
