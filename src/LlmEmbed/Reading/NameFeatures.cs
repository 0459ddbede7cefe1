namespace LlmEmbed.Reading;

/// <summary>Reads the names of classes as if they were texts.</summary>
internal static class NameFeatures
{
    /// <param name="reader">The backbones whose views stand side by side.</param>
    /// <param name="names">The C classes.</param>
    /// <param name="cancellationToken">Stops the reading.</param>
    /// <returns>
    /// [C,F], zeros in the views of decoders that read nothing before a text: there a name is little more than a first token, whose state is the same
    /// for every text. Null if nothing can be learned from the names, because one is only letters or numbers without a meaning, or because all
    /// backbones are such decoders.
    /// </returns>
    public static FeatureMatrix? Read(FeatureReader reader, IReadOnlyList<string> names, CancellationToken cancellationToken)
    {
        static bool IsBlind(BackboneReader backbone) => backbone.Backbone.Model.IsCausal && !backbone.IsFramed;
        if (reader.Backbones.All(IsBlind) || !names.All(IsWord)) return null;
        int columns = reader.Layout.FeatureCount, end = 0;
        ArrayFeatures features = new(new float[names.Count * columns], names.Count, columns);
        foreach (BackboneReader backbone in reader.Backbones)
        {
            int offset = end;
            end += backbone.RowLength;
            if (IsBlind(backbone)) continue;
            backbone.Read(names, name => features.RowTarget(name).Slice(offset, backbone.RowLength), progress: null, cancellationToken);
        }
        return features;
    }

    /// <summary>Whether a name may be a word: it has two letters next to each other.</summary>
    private static bool IsWord(string name) => name.Zip(name.Skip(1)).Any(pair => char.IsLetter(pair.First) && char.IsLetter(pair.Second));
}
