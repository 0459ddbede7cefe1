using LlmEmbed.Files;

namespace LlmEmbed.Checkpoints;

/// <summary>
/// The weights and the configuration of a model, with Hugging Face's names for both, in whichever <see cref="CheckpointFormat"/> they lie on disk.
/// </summary>
internal sealed class Checkpoint : IDisposable
{
    private readonly CheckpointContent _content;
    private readonly SemaphoreSlim _hashing = new(1);
    private string? _sha256;

    private Checkpoint(string path, CheckpointContent content) => (Path, _content) = (path, content);

    /// <summary>The folder or the GGUF file; the GGUF file also if its folder was named.</summary>
    public string Path { get; }

    /// <summary>The format for people, for example <c>safetensors</c> or <c>GGUF v3, Q4_1</c>.</summary>
    public string Format => _content.Format;

    /// <summary>The configuration under Hugging Face's keys; that of a GGUF file is translated from its metadata.</summary>
    public ModelConfig Config => _content.Config;

    /// <summary>The weights by the names that Hugging Face gives them. Tensors of whole numbers are no weights.</summary>
    public IReadOnlyDictionary<string, Weight> Weights => _content.Weights;

    /// <summary>How the checkpoint itself means its texts to become vectors; null if it does not say, as a folder's weights do not.</summary>
    public StoredPooling? Pooling => _content.Pooling;

    /// <summary>Every file that decides the hidden states, in a stable order.</summary>
    public IReadOnlyList<string> Files => _content.Files;

    /// <summary>Opens a checkpoint and checks everything but the values of its weights.</summary>
    /// <param name="path">A folder as on the Hugging Face hub, a GGUF file, or a folder whose only model is one GGUF file.</param>
    /// <exception cref="LlmEmbedException">There is no checkpoint, it is damaged, or its format is not implemented.</exception>
    public static Checkpoint Open(string path)
    {
        path = CheckpointFormat.FileOrFolder(path);
        return new Checkpoint(path, CheckpointFormat.Of(path).Read(path));
    }

    /// <summary>The weight of this name, whose shape must be the expected one; -1 stands for any size.</summary>
    /// <exception cref="LlmEmbedException">It is missing, has another shape, or holds whole numbers.</exception>
    public Weight Require(string name, params ReadOnlySpan<long> shape)
    {
        if (_content.OtherTensors.TryGetValue(name, out string? dtype))
            throw Wrong($"the tensor '{name}' is stored as {dtype}, expected a floating-point type that can be widened to fp32.");
        string expected = TensorNames.Show(shape.ToArray());
        if (!Weights.TryGetValue(name, out Weight? weight))
            throw Wrong($"the tensor '{name}' of shape {expected} is missing. {TensorNames.Nearest(name, Weights.Keys)}");
        if (!TensorNames.ShapeFits(weight.Shape, shape))
            throw Wrong($"the tensor '{name}' has the shape {TensorNames.Show(weight.Shape)}, expected {expected} by the configuration.");
        return weight;
    }

    /// <summary>
    /// What stands before all names of a model's weights, found by one that every checkpoint of its architecture has; empty if nothing does or if
    /// that weight is missing.
    /// </summary>
    /// <exception cref="LlmEmbedException">Several weights end in that name, so that the file holds several models.</exception>
    public string PrefixOf(string name)
    {
        string[] found =
        [
            .. Weights.Keys.Concat(_content.OtherTensors.Keys).Where(other => other == name || other.EndsWith($".{name}", StringComparison.Ordinal))
                .Order(StringComparer.Ordinal),
        ];
        if (found.Length <= 1) return found.SingleOrDefault(name)[..^name.Length];
        throw Wrong($"the tensors {FileProblem.List(found)} are tables of token embeddings, expected one: the checkpoint holds several models.");
    }

    /// <summary>
    /// SHA-256 over the SHA-256 of all <see cref="Files"/>, in hexadecimal. It does not change when a file is renamed or the folder moved. It is
    /// computed once; several threads may ask for it. A large checkpoint takes minutes.
    /// </summary>
    /// <param name="progress">Told the bytes read, every 64 MiB.</param>
    /// <param name="cancellationToken">Stops between two blocks of 1 MiB; a later call begins anew.</param>
    /// <exception cref="LlmEmbedException">A file cannot be read.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public string Sha256(IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        _hashing.Wait(cancellationToken);
        try
        {
            return _sha256 ??= FileHash.OfAll(Files, progress, cancellationToken);
        }
        finally
        {
            _hashing.Release();
        }
    }

    public void Dispose()
    {
        _content.Dispose();
        _hashing.Dispose();
    }

    private LlmEmbedException Wrong(string problem) => FileProblem.In(Path, problem);
}
