namespace LlmEmbed.Reading;

/// <summary>Sets the views of several encoders side by side: for each text one row of F features.</summary>
internal static class Fusion
{
    /// <summary>What tells a backbone's features from those of others, and from its own with a prompt.</summary>
    public static string NameOf(ITextEncoder encoder) => encoder is TextEncoder { IsPrompted: true } ? $"{encoder.Name} with the prompt" : encoder.Name;

    public static FeatureLayout LayoutOf(IEnumerable<ITextEncoder> encoders)
    {
        List<FeatureView> views = [];
        int offset = 0;
        foreach (ITextEncoder encoder in encoders)
        {
            foreach (View view in encoder.Views)
            {
                views.Add(new FeatureView(NameOf(encoder), view.Depth, view.Pooling, offset, encoder.HiddenSize));
                offset += encoder.HiddenSize;
            }
        }
        return new FeatureLayout(views);
    }

    /// <summary>Encodes texts straight into rows of fused features.</summary>
    /// <param name="encoders">The backbones whose views stand side by side.</param>
    /// <param name="texts">The texts.</param>
    /// <param name="rows">The row [F] of each.</param>
    /// <param name="progress">Told about each backbone.</param>
    /// <param name="cancellation">Stops the work.</param>
    /// <param name="tokenRows">Where an encoder's tokens go; null for those whose tokens nobody wants.</param>
    /// <returns>What each encoding met and cost.</returns>
    public static EncodingStatistics[] Read(
        IReadOnlyList<TextEncoder> encoders, string[] texts, RowTarget rows, IProgress<WorkProgress>? progress, CancellationToken cancellation, Func<TextEncoder, TokenRows?>? tokenRows = null)
    {
        int end = 0;
        return [.. encoders.Select(encoder =>
        {
            int offset = end;
            end += encoder.RowLength;
            return encoder.Encode(texts, text => rows(text).Slice(offset, encoder.RowLength), progress, cancellation, tokenRows?.Invoke(encoder));
        })];
    }

    /// <returns>[N,F], text after text.</returns>
    public static float[] Fuse(IReadOnlyList<TextEmbeddings> embeddings)
    {
        if (embeddings.Count == 1) return embeddings[0].Values.ToArray();
        int rowLength = embeddings.Sum(part => part.RowLength);
        float[] features = new float[checked(embeddings[0].Count * rowLength)];
        for (int text = 0; text < embeddings[0].Count; text++)
        {
            Span<float> row = features.AsSpan(text * rowLength, rowLength);
            foreach (TextEmbeddings part in embeddings)
            {
                part[text].CopyTo(row);
                row = row[part.RowLength..];
            }
        }
        return features;
    }
}
