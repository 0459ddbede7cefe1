using LlmEmbed.Files;

namespace LlmEmbed.Reading;

/// <summary>
/// Writes embeddings to a safetensors file that other tools read: the tensors <c>embeddings</c> F32 [N,D,H] and <c>depths</c> I64 [D], and in the
/// metadata the backbone's name and the poolings. The file appears whole with <see cref="Commit"/>, or not at all.
/// </summary>
public sealed class EmbeddingFile : IDisposable
{
    private readonly SafetensorsWriter _writer;

    private EmbeddingFile(SafetensorsWriter writer) => _writer = writer;

    /// <summary>Begins a file beside its final place.</summary>
    /// <param name="path">The final place.</param>
    /// <param name="encoder">What makes the embeddings.</param>
    /// <exception cref="LlmEmbedException">The file cannot be written there.</exception>
    public static EmbeddingFile Create(string path, ITextEncoder encoder)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        SafetensorsWriter writer = SafetensorsWriter.Create(
            path,
            MetadataOf(encoder.Name, encoder.Views),
            new SafetensorsLayout("depths", "I64"),
            new SafetensorsLayout("embeddings", "F32", encoder.Views.Count, encoder.HiddenSize));
        writer.Append<long>("depths", [.. encoder.Views.Select(view => (long)view.Depth)]);
        return new EmbeddingFile(writer);
    }

    /// <summary>What the metadata of such a file say of the states.</summary>
    internal static Dictionary<string, string> MetadataOf(string backbone, IEnumerable<View> views) => new(StringComparer.Ordinal)
    {
        ["backbone"] = backbone,
        ["poolings"] = string.Join(' ', views.Select(view => Poolings.NameOf(view.Pooling))),
    };

    /// <summary>Adds texts.</summary>
    /// <param name="embeddings">[n,D,H].</param>
    public void Append(TextEmbeddings embeddings)
    {
        ArgumentNullException.ThrowIfNull(embeddings);
        _writer.Append("embeddings", embeddings.Values);
    }

    /// <summary>Puts the finished file in its place.</summary>
    /// <exception cref="LlmEmbedException">The file cannot be written.</exception>
    public void Commit() => _writer.Commit();

    /// <summary>Removes what was not committed.</summary>
    public void Dispose() => _writer.Dispose();
}
