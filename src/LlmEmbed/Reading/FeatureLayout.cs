namespace LlmEmbed.Reading;

/// <summary>What a view of the fused features is known by, in whatever order the views stand.</summary>
/// <param name="Backbone">The name of the backbone (see <see cref="BackboneReader.Name"/>).</param>
/// <param name="View">Depth and pooling.</param>
internal readonly record struct ViewKey(string Backbone, View View)
{
    /// <summary>The depth of the states that are pooled.</summary>
    public int Depth => View.Depth;
}

/// <summary>Where one view stands in the fused feature vector: in the channels from <paramref name="Offset"/> on.</summary>
/// <param name="Backbone">The name of the backbone.</param>
/// <param name="Depth">The depth of the states that are pooled.</param>
/// <param name="Pooling">How they are pooled.</param>
/// <param name="Offset">The first of its channels.</param>
/// <param name="Size">The number of its channels, which is the hidden size of the backbone.</param>
internal sealed record FeatureView(string Backbone, int Depth, Pooling Pooling, int Offset, int Size)
{
    public View View => new(Depth, Pooling);

    public ViewKey Key => new(Backbone, View);
}

/// <summary>What the channels of a fused feature vector are, in their order.</summary>
/// <param name="Views">The views that stand side by side.</param>
internal sealed record FeatureLayout(IReadOnlyList<FeatureView> Views)
{
    /// <summary>F, the length of the fused feature vector.</summary>
    public int FeatureCount => Views.Sum(view => view.Size);

    /// <summary>The keys of all views, in the order of the channels.</summary>
    public IReadOnlyList<ViewKey> Keys => [.. Views.Select(view => view.Key)];

    /// <summary>Where a view stands.</summary>
    /// <exception cref="ArgumentException">The layout has no such view.</exception>
    public FeatureView this[ViewKey key] =>
        Views.FirstOrDefault(view => view.Key == key) ?? throw new ArgumentException($"The layout has no view {key}.", nameof(key));

    /// <summary>Where some views stand, in the order in which they are asked for.</summary>
    public IReadOnlyList<FeatureView> ColumnsOf(IEnumerable<ViewKey> views) => [.. views.Select(view => this[view])];

    /// <summary>The layout of features that hold only some of the views, in the order in which they are asked for.</summary>
    public FeatureLayout Select(IEnumerable<ViewKey> views)
    {
        int end = 0;
        return new FeatureLayout([.. ColumnsOf(views).Select(view => view with { Offset = (end += view.Size) - view.Size })]);
    }
}

/// <summary>Compares sets of views, each listed in the order of the same layout.</summary>
internal sealed class SameViews : IEqualityComparer<IReadOnlyList<ViewKey>>
{
    public static SameViews Comparer { get; } = new();

    public bool Equals(IReadOnlyList<ViewKey>? x, IReadOnlyList<ViewKey>? y) =>
        ReferenceEquals(x, y) || (x is not null && y is not null && x.SequenceEqual(y));

    public int GetHashCode(IReadOnlyList<ViewKey> obj)
    {
        HashCode hash = default;
        foreach (ViewKey view in obj) hash.Add(view);
        return hash.ToHashCode();
    }
}
