using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>A linear head that an expert consists of, and the features that it reads.</summary>
/// <param name="Head">Standardized features → logits.</param>
/// <param name="Layout">Of its features.</param>
/// <param name="Query">What its only view weighs tokens by, if that is learned; else null.</param>
internal sealed record LinearPart(LinearHead Head, FeatureLayout Layout, AttentionQuery? Query = null);

/// <summary>
/// A weighted sum of linear heads, each on some views, as one linear head on all of these views: a mixture of log-probabilities costs no more to
/// compute than a single head.
/// </summary>
/// <param name="Head">That head.</param>
/// <param name="Layout">Its views: backbone after backbone, for each its given views and then those whose pooling was learned.</param>
/// <param name="Queries">What the latter weigh tokens by.</param>
internal sealed record FoldedHead(LinearHead Head, FeatureLayout Layout, IReadOnlyList<(string Backbone, AttentionQuery Query)> Queries)
{
    /// <param name="parts">The heads and their factors; at least one.</param>
    /// <param name="features">The order of backbones and views.</param>
    public static FoldedHead Of(IReadOnlyList<(LinearPart Part, float Factor)> parts, FeatureLayout features)
    {
        FeatureLayout layout = LayoutOf([.. parts.SelectMany(part => part.Part.Layout.Views).DistinctBy(view => view.Key)], features);
        LinearHead first = parts[0].Part.Head;
        int outputs = first.Intercepts.Length, columns = layout.FeatureCount;
        Standardization standardization = StandardizationOf(parts, layout);
        float[] weights = new float[outputs * columns], intercepts = new float[outputs];
        foreach ((LinearPart part, float factor) in parts)
        {
            for (int k = 0; k < outputs; k++) intercepts[k] += factor * part.Head.Intercepts[k];
            foreach (FeatureView view in part.Layout.Views)
                Add(part.Head, view.Offset, layout[view.Key], factor, standardization, weights, intercepts);
        }
        return new FoldedHead(
            new LinearHead(first.ClassCount, standardization, weights, intercepts),
            layout,
            [.. parts.Where(part => part.Part.Query is not null).Select(part => (part.Part.Layout.Views[0].Backbone, part.Part.Query!))]);
    }

    /// <summary>Features of this layout [N,F].</summary>
    /// <param name="features">Features of the same texts with all views whose pooling is given.</param>
    /// <param name="layout">Of these features.</param>
    /// <param name="tokens">The tokens of the same texts.</param>
    public FeatureMatrix Read(FeatureMatrix features, FeatureLayout layout, IReadOnlyList<TokenStates> tokens)
    {
        FeatureMatrix read = features.Allocate(features.Rows, Layout.FeatureCount);
        for (int row = 0; row < features.Rows; row++)
        {
            foreach (FeatureView view in Layout.Views)
            {
                Span<float> target = read.RowTarget(row).Slice(view.Offset, view.Size);
                if (view.Pooling == Pooling.Attention)
                    AttentionModel.Pool(tokens.First(states => states.Backbone == view.Backbone).Of(row, view.Depth), QueryOf(view), target);
                else
                    features.Row(row).Slice(layout[view.Key].Offset, view.Size).CopyTo(target);
            }
        }
        return read;
    }

    private float[] QueryOf(FeatureView view) =>
        Queries.First(learned => learned.Backbone == view.Backbone && learned.Query.Depth == view.Depth).Query.Values;

    private static FeatureLayout LayoutOf(IReadOnlyList<FeatureView> used, FeatureLayout features)
    {
        int end = 0;
        IEnumerable<string> backbones = features.Views.Select(view => view.Backbone).Distinct(StringComparer.Ordinal);
        return new FeatureLayout([.. backbones.SelectMany(Of).Select(view => view with { Offset = (end += view.Size) - view.Size })]);

        IEnumerable<FeatureView> Of(string backbone) =>
        [
            .. features.Views.Where(view => view.Backbone == backbone && used.Any(other => other.Key == view.Key)),
            .. used.Where(view => view.Backbone == backbone && view.Pooling == Pooling.Attention).OrderBy(view => view.Depth),
        ];
    }

    /// <summary>Each view's mean and scale as the first head that reads it has them; any would do.</summary>
    private static Standardization StandardizationOf(IReadOnlyList<(LinearPart Part, float Factor)> parts, FeatureLayout layout)
    {
        float[] mean = new float[layout.FeatureCount], scale = new float[layout.FeatureCount];
        foreach (FeatureView view in layout.Views)
        {
            LinearPart part = parts.First(part => part.Part.Layout.Views.Any(other => other.Key == view.Key)).Part;
            int offset = part.Layout[view.Key].Offset;
            part.Head.Standardization.Mean.AsSpan(offset, view.Size).CopyTo(mean.AsSpan(view.Offset));
            part.Head.Standardization.Scale.AsSpan(offset, view.Size).CopyTo(scale.AsSpan(view.Offset));
        }
        return new Standardization(mean, scale);
    }

    /// <summary>Adds a head's weights for one view, for features that are standardized in another way.</summary>
    private static void Add(
        LinearHead head, int offset, FeatureView target, float factor, Standardization standardization, float[] weights, float[] intercepts)
    {
        ReadOnlySpan<float> mean = head.Standardization.Mean.AsSpan(offset, target.Size);
        ReadOnlySpan<float> scale = head.Standardization.Scale.AsSpan(offset, target.Size);
        for (int k = 0; k < intercepts.Length; k++)
        {
            ReadOnlySpan<float> own = head.Weights.AsSpan(k * head.FeatureCount + offset, target.Size);
            Span<float> sum = weights.AsSpan(k * standardization.Mean.Length + target.Offset, target.Size);
            double shift = 0;
            for (int i = 0; i < own.Length; i++)
            {
                double perUnit = (double)own[i] / scale[i];
                sum[i] += (float)(factor * perUnit * standardization.Scale[target.Offset + i]);
                shift += perUnit * ((double)standardization.Mean[target.Offset + i] - mean[i]);
            }
            intercepts[k] += (float)(factor * shift);
        }
    }
}
