namespace LlmEmbed.Reading;

/// <summary>One pooled hidden state inside the fused feature vector: the channels from <paramref name="Offset"/> on.</summary>
internal sealed record FeatureView(string Backbone, int Depth, Pooling Pooling, int Offset, int Size)
{
    public View View => new(Depth, Pooling);
}

/// <summary>What the channels of a fused feature vector are, in their order.</summary>
internal sealed record FeatureLayout(IReadOnlyList<FeatureView> Views)
{
    /// <summary>F, the length of the fused feature vector.</summary>
    public int FeatureCount => Views.Sum(view => view.Size);
}
