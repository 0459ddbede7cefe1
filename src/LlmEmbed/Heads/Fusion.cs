namespace LlmEmbed.Heads;

/// <summary>Sets the views of several encoders side by side: for each text one row of F features.</summary>
internal static class Fusion
{
    public static FeatureLayout LayoutOf(IEnumerable<ITextEncoder> encoders)
    {
        List<FeatureView> views = [];
        int offset = 0;
        foreach (ITextEncoder encoder in encoders)
        {
            foreach (View view in encoder.Views)
            {
                views.Add(new FeatureView(encoder.Name, view.Depth, view.Pooling, offset, encoder.HiddenSize));
                offset += encoder.HiddenSize;
            }
        }
        return new FeatureLayout(views);
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
