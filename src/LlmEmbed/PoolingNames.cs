namespace LlmEmbed;

/// <summary>The names of poolings as options and files write them.</summary>
internal static class PoolingNames
{
    private static readonly (Pooling Pooling, string Name)[] All =
    [
        (Pooling.Mean, "mean"),
        (Pooling.MeanSkipFirst, "mean-skip-first"),
        (Pooling.Last, "last"),
        (Pooling.First, "first"),
        (Pooling.Max, "max"),
        (Pooling.Pooler, "pooler"),
        (Pooling.MeanWithPads, "mean-with-pads"),
        (Pooling.Attention, "attention"),
    ];

    public static string NameOf(Pooling pooling) => All.Single(pair => pair.Pooling == pooling).Name;

    /// <summary>depth:pooling.</summary>
    public static string NameOf(View view) => $"{view.Depth}:{NameOf(view.Pooling)}";

    /// <exception cref="LlmEmbedException">There is no pooling of that name.</exception>
    public static Pooling Parse(string name)
    {
        foreach ((Pooling pooling, string known) in All)
            if (known == name) return pooling;
        throw new LlmEmbedException($"Pooling '{name}' is not known. Known: {string.Join(", ", All.Select(pair => pair.Name))}.");
    }
}
