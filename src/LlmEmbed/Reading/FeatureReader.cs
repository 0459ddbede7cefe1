namespace LlmEmbed.Reading;

/// <summary>Texts to be read, as each backbone reads them.</summary>
/// <param name="Texts">[N].</param>
/// <param name="Parts">For each backbone the N texts.</param>
internal sealed record PreparedRequest(IReadOnlyList<string> Texts, IReadOnlyList<PreparedTexts> Parts);

/// <summary>The views of several backbones side by side: texts → fused features [N,F].</summary>
internal sealed class FeatureReader : IDisposable
{
    /// <param name="backbones">The backbones in the order of the features; disposed of with this reader.</param>
    public FeatureReader(IReadOnlyList<BackboneReader> backbones)
    {
        Backbones = backbones;
        Layout = LayoutOf(backbones);
    }

    public IReadOnlyList<BackboneReader> Backbones { get; }

    /// <summary>What the features are, in their order.</summary>
    public FeatureLayout Layout { get; }

    /// <summary>Weights of the blocks that a text passes.</summary>
    public long ParameterCount => Backbones.Sum(backbone => backbone.ParameterCount);

    /// <summary>The readers of several plans; what is open by then is freed where one fails.</summary>
    public static FeatureReader Open(IEnumerable<(OpenBackbone Backbone, BackbonePlan Plan)> plans, RuntimeOptions runtime, Work work = default)
    {
        List<BackboneReader> readers = [];
        return Disposal.OnFailure(readers, () =>
        {
            readers.AddRange(plans.Select(part => new BackboneReader(part.Backbone, part.Plan, runtime, work)));
            return new FeatureReader(readers);
        });
    }

    /// <summary>What of a reading needs no engine, for each backbone.</summary>
    public PreparedRequest Prepare(IReadOnlyList<string> texts, CancellationToken cancellationToken) =>
        new(texts, [.. Backbones.Select(backbone => backbone.Prepare(texts, cancellationToken))]);

    /// <summary>The rest of it: the features [N,F], text after text, and what the reading met and cost for each backbone.</summary>
    public (float[] Features, IReadOnlyList<EncodingStatistics> Statistics) Read(PreparedRequest request, Work work)
    {
        int columns = Layout.FeatureCount;
        float[] features = new float[checked(request.Texts.Count * columns)]; // [N,F]
        EncodingStatistics[] statistics = Read(
            (backbone, part, rows) => backbone.Read(request.Parts[part], rows, work),
            text => features.AsSpan(text * columns, columns));
        return (features, statistics);
    }

    /// <summary>Reads texts straight into rows of features that the caller has.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="rows">The row [F] of each.</param>
    /// <param name="progress">Told about each backbone.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <param name="tokenRows">Where a backbone's token states go; null for backbones whose token states the caller does not want.</param>
    /// <returns>What each reading met and cost.</returns>
    public EncodingStatistics[] Read(
        string[] texts,
        RowTarget rows,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken,
        Func<BackboneReader, TokenRows?>? tokenRows = null) =>
        Read((backbone, _, own) => backbone.Read(texts, own, progress, cancellationToken, tokenRows?.Invoke(backbone)), rows);

    /// <summary>The backbones with what reading met and cost, for people and programs.</summary>
    public IReadOnlyList<BackboneReading> Describe(IEnumerable<EncodingStatistics> statistics) =>
        [.. Backbones.Zip(statistics, (backbone, part) => backbone.Describe(part))];

    public void Dispose() => Disposal.All(Backbones);

    private EncodingStatistics[] Read(Func<BackboneReader, int, RowTarget, EncodingStatistics> read, RowTarget rows)
    {
        int end = 0;
        return [.. Backbones.Select((backbone, part) =>
        {
            int offset = end;
            end += backbone.RowLength;
            return read(backbone, part, text => rows(text).Slice(offset, backbone.RowLength));
        })];
    }

    private static FeatureLayout LayoutOf(IEnumerable<BackboneReader> backbones)
    {
        List<FeatureView> views = [];
        int offset = 0;
        foreach (BackboneReader backbone in backbones)
        {
            foreach ((View view, int size) in backbone.Plan.Views.Zip(backbone.Row.Sizes))
            {
                views.Add(new FeatureView(backbone.Name, view.Depth, view.Pooling, offset, size));
                offset += size;
            }
        }
        return new FeatureLayout(views);
    }
}
