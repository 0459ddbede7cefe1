using System.Diagnostics;
using LlmEmbed.Checkpoints;
using LlmEmbed.Data;
using LlmEmbed.Reading;
using LlmEmbed.Tokenization;

namespace LlmEmbed;

/// <summary>
/// A frozen language model that turns texts into pooled hidden states. Texts are tokenized, sorted by length into batches, sent through the blocks up
/// to the deepest wanted view, and pooled; with a cache folder each distinct text is computed once, and an interrupted run resumes where it stopped.
/// </summary>
public sealed class TextEncoder : ITextEncoder
{
    /// <summary>Texts that are read, computed and used together, so that memory does not grow with a stream.</summary>
    private const int ChunkTexts = 4096;

    private readonly BackboneReader _reader;
    private readonly OpenBackbones? _owned;

    private TextEncoder(BackboneReader reader, OpenBackbones? owned) => (_reader, _owned) = (reader, owned);

    /// <inheritdoc/>
    public string Name => _reader.Backbone.Name;

    /// <inheritdoc/>
    public int HiddenSize => _reader.Row.CommonSize!.Value;

    /// <inheritdoc/>
    public IReadOnlyList<View> Views => _reader.Plan.Views;

    /// <summary>L, the number of blocks of the backbone, of which those up to the deepest view run.</summary>
    public int BlockCount => _reader.Backbone.Model.BlockCount;

    /// <summary>Longest input in tokens, special tokens included; what is longer loses its end.</summary>
    public int MaxTokens => _reader.Plan.MaxTokens;

    /// <summary>
    /// The sizes below <see cref="HiddenSize"/> to which a vector of <see cref="Pooling.Sentence"/> may be cut, ascending, because the model was
    /// trained for it (Matryoshka): those that <c>matryoshka_dimensions</c> of its config.json lists, every size where <c>is_matryoshka</c> is true,
    /// else none.
    /// </summary>
    public IReadOnlyList<int> MatryoshkaSizes => _reader.Plan.ReadsSentence ? _reader.Backbone.MatryoshkaSizes : [];

    /// <summary>What matrix products are computed in: <see cref="Precision.Fp32"/> or <see cref="Precision.Int8"/>.</summary>
    public Precision Precision => _reader.Plan.Precision;

    /// <summary>Why <see cref="Precision"/> was chosen, in words for people; empty if it was asked for.</summary>
    public string PrecisionReason => _reader.PrecisionReason;

    /// <summary>
    /// What a user should know: what was passed over in the backbone's configuration, and what was found damaged in the cache folder so far (it was
    /// set aside, and its texts are computed again).
    /// </summary>
    public IReadOnlyList<string> Warnings => [.. _reader.Backbone.Notes, .. _reader.Damages];

    /// <summary>The tokenizer of the backbone, without a prompt.</summary>
    public Tokenizer Tokenizer => _reader.Backbone.Tokenizer;

    internal BackboneReader Reader => _reader;

    /// <summary>Opens a backbone.</summary>
    /// <param name="backbone">A checkpoint folder, a .gguf file, the name of a folder of models, or a repository in the local Hugging Face
    /// cache.</param>
    /// <param name="options">What to read of it; null takes the defaults.</param>
    /// <param name="runtime">How it runs on this machine; null takes the defaults.</param>
    /// <param name="progress">Told about work that takes long: hashing a large checkpoint, and comparing precisions if the choice is left
    /// open.</param>
    /// <param name="cancellationToken">Stops that work.</param>
    /// <exception cref="LlmEmbedException">The backbone is not there, damaged, not implemented, or does not have what the options ask
    /// for.</exception>
    public static TextEncoder Load(
        string backbone,
        EncoderOptions? options = null,
        RuntimeOptions? runtime = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        OpenBackbones owned = new(runtime);
        return Disposal.OnFailure([owned], () => new TextEncoder(Open(backbone, options, owned, new Work(progress, cancellationToken)), owned));
    }

    /// <summary>Opens a backbone among others, or reads with one that is open already.</summary>
    /// <param name="backbone">A checkpoint folder, a .gguf file, the name of a folder of models, or a repository in the local Hugging Face
    /// cache.</param>
    /// <param name="options">What to read of it; null takes the defaults.</param>
    /// <param name="backbones">Holds the backbone; it is not disposed of with the encoder and must outlive it.</param>
    /// <param name="progress">Told about work that takes long: hashing a large checkpoint, and comparing precisions if the choice is left
    /// open.</param>
    /// <param name="cancellationToken">Stops that work.</param>
    /// <exception cref="LlmEmbedException">The backbone is not there, damaged, not implemented, or does not have what the options ask
    /// for.</exception>
    public static TextEncoder Load(
        string backbone,
        EncoderOptions? options,
        OpenBackbones backbones,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(backbones);
        return new TextEncoder(Open(backbone, options, backbones, new Work(progress, cancellationToken)), owned: null);
    }

    /// <summary>Opens a backbone and makes ready what its first text would otherwise wait for, on another thread.</summary>
    /// <inheritdoc cref="Load(string, EncoderOptions?, RuntimeOptions?, IProgress{WorkProgress}?, CancellationToken)"/>
    public static Task<TextEncoder> LoadAsync(
        string backbone,
        EncoderOptions? options = null,
        RuntimeOptions? runtime = null,
        IProgress<WorkProgress>? progress = null,
        CancellationToken cancellationToken = default) => Task.Run(
        () =>
        {
            TextEncoder encoder = Load(backbone, options, runtime, progress, cancellationToken);
            return Disposal.OnFailure([encoder], () =>
            {
                encoder.WarmUp(progress, cancellationToken);
                return encoder;
            });
        },
        cancellationToken);

    /// <summary>Makes ready what the first text would otherwise wait for: quantized weights and compiled blocks.</summary>
    /// <param name="progress">Told about the backbone.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    public void WarmUp(IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default) =>
        _reader.WarmUp(new Work(progress, cancellationToken));

    /// <summary>
    /// Refuses a backbone that <see cref="Load(string, EncoderOptions?, RuntimeOptions?, IProgress{WorkProgress}?, CancellationToken)"/> would not
    /// find, without opening or downloading it.
    /// </summary>
    /// <param name="backbone">As it would be loaded.</param>
    /// <param name="runtime">Where it is looked for; null takes the defaults.</param>
    /// <exception cref="LlmEmbedException">It is nowhere here, and it is no name on the Hugging Face Hub or nothing may be downloaded.</exception>
    public static void RequireFindable(string backbone, RuntimeOptions? runtime = null)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        BackboneLocator.Require(backbone, runtime ?? new RuntimeOptions());
    }

    /// <inheritdoc/>
    public TextEmbeddings Encode(IReadOnlyList<string> texts, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(texts);
        long start = Stopwatch.GetTimestamp();
        TextEmbeddings embeddings = _reader.Read(_reader.Prepare(texts, cancellationToken), new Work(progress, cancellationToken));
        return embeddings.Within(Stopwatch.GetElapsedTime(start));
    }

    /// <summary>
    /// Encodes a stream of any length in constant memory: while one chunk of items is computed the next one is tokenized and the one before it is
    /// used. Order is kept.
    /// </summary>
    /// <typeparam name="T">What carries a text, such as a row of a table.</typeparam>
    /// <param name="items">The stream.</param>
    /// <param name="textOf">The text of an item.</param>
    /// <param name="progress">Told after each batch.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    /// <returns>Chunk by chunk the items and their embeddings.</returns>
    public IEnumerable<(T[] Items, TextEmbeddings Embeddings)> Encode<T>(
        IEnumerable<T> items, Func<T, string> textOf, IProgress<WorkProgress>? progress = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(items);
        ArgumentNullException.ThrowIfNull(textOf);
        return ChunkPipeline.Run(
            items.Chunk(ChunkTexts),
            chunk => _reader.Prepare([.. chunk.Select(textOf)], cancellationToken),
            texts => _reader.Read(texts, new Work(progress, cancellationToken)),
            cancellationToken);
    }

    /// <summary>Frees the backbone, unless it was opened among others.</summary>
    public void Dispose()
    {
        _reader.Dispose();
        _owned?.Dispose();
    }

    private static BackboneReader Open(string backbone, EncoderOptions? options, OpenBackbones backbones, Work work)
    {
        ArgumentNullException.ThrowIfNull(backbone);
        OpenBackbone open = backbones.Open(backbone, work);
        BackbonePlan plan = BackbonePlan.For(open, options ?? new EncoderOptions());
        BackboneReader.RequireOneTable(open, plan);
        return new BackboneReader(open, plan, backbones.Runtime, work);
    }
}
