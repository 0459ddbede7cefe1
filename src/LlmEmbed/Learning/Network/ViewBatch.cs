using LlmEmbed.Engine;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>
/// Rows of fused features, standardized and taken apart into one array for each view, as the graphs of the co-occurrence head read them.
/// </summary>
internal sealed class ViewBatch(FeatureLayout layout, Standardization standardization, int capacity)
{
    private readonly float[][] _views = [.. layout.Views.Select(view => new float[capacity * view.Size])];
    private readonly float[] _row = new float[layout.FeatureCount];

    public int Rows { get; private set; }

    public void Clear() => Rows = 0;

    public void Add(ReadOnlySpan<float> features)
    {
        standardization.Apply(features, _row);
        for (int i = 0; i < _views.Length; i++)
        {
            FeatureView view = layout.Views[i];
            _row.AsSpan(view.Offset, view.Size).CopyTo(_views[i].AsSpan(Rows * view.Size));
        }
        Rows++;
    }

    public GraphFeeds Feeds()
    {
        GraphFeeds feeds = new();
        for (int i = 0; i < _views.Length; i++) feeds.Add(CooccurrenceGraph.ViewName(i), _views[i], Rows, layout.Views[i].Size);
        return feeds;
    }
}
