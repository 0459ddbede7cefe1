using System.Numerics.Tensors;
using Microsoft.Extensions.AI;

namespace LlmEmbed;

/// <summary>
/// An encoder as an embedding generator of Microsoft.Extensions.AI: one view of each text, on the encoder's own threads. Thread-safe; a text gets the
/// same vector in every call, within what <see cref="ITextEncoder.Encode"/> promises.
/// </summary>
public sealed class LlmEmbedEmbeddingGenerator : IEmbeddingGenerator<string, Embedding<float>>
{
    /// <summary>The names under which a call's usage counts texts that a user may want to know of; absent where there are none.</summary>
    private const string TruncatedTexts = "truncated_texts", TextsWithoutTokens = "texts_without_tokens";

    private readonly ITextEncoder _encoder;
    private readonly bool _ownsEncoder, _normalize, _isMatryoshka;
    private readonly int _view, _size;
    private readonly EmbeddingGeneratorMetadata _metadata;

    internal LlmEmbedEmbeddingGenerator(ITextEncoder encoder, TextVectorOptions options, bool ownsEncoder)
    {
        (_encoder, _ownsEncoder, _normalize, _isMatryoshka) = (encoder, ownsEncoder, options.Normalize, options.IsMatryoshka);
        View[] views = [.. encoder.Views];
        _view = options.View is View asked ? Array.IndexOf(views, asked)
            : Array.FindIndex(views, view => view.Pooling == Pooling.Sentence) is >= 0 and int sentence ? sentence
            : views.Length - 1;
        if (_view < 0)
            throw new ArgumentException(
                $"{encoder.Name} does not read {options.View}, expected one of the views that it was loaded with: {string.Join(", ", views)}.",
                nameof(options));
        _size = encoder.HiddenSize;
        if (options.Dimensions is int size) _size = Cut(size, nameof(options));
        _metadata = new EmbeddingGeneratorMetadata("llmembed", providerUri: null, encoder.Name, _size);
    }

    /// <summary>
    /// Embeds texts, in their order. <see cref="UsageDetails.InputTokenCount"/> counts their tokens as the model reads them;
    /// <see cref="UsageDetails.AdditionalCounts"/> tells how many texts lost their end (<c>truncated_texts</c>) and how many gave no token at all
    /// (<c>texts_without_tokens</c>), whose vectors are zeros.
    /// </summary>
    /// <param name="values">The texts; enumerated once.</param>
    /// <param name="options">Model and size that are expected; null takes the generator's own.</param>
    /// <param name="cancellationToken">Stops between two batches.</param>
    /// <exception cref="ArgumentException">A text is null, or another model is asked for.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The vectors cannot have the size that is asked for.</exception>
    public async Task<GeneratedEmbeddings<Embedding<float>>> GenerateAsync(
        IEnumerable<string> values, EmbeddingGenerationOptions? options = null, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(values);
        string[] texts = [.. values];
        if (Array.IndexOf(texts, null) is >= 0 and int missing)
            throw new ArgumentException($"Text {missing + 1} of {texts.Length} is null, expected a text.", nameof(values));
        if (options?.ModelId is string model && model != _encoder.Name)
            throw new ArgumentException($"The model '{model}' was asked for, but this generator is of '{_encoder.Name}'.", nameof(options));
        int size = options?.Dimensions is int asked ? Cut(asked, nameof(options)) : _size;
        if (texts.Length == 0) return new() { Usage = Usage(0) };
        TextEmbeddings read = await Task.Run(() => _encoder.Encode(texts, progress: null, cancellationToken), cancellationToken);
        DateTimeOffset now = DateTimeOffset.UtcNow;
        return new GeneratedEmbeddings<Embedding<float>>(Enumerable.Range(0, texts.Length).Select(
            text => new Embedding<float>(Vector(read[text, _view][..size])) { CreatedAt = now, ModelId = _encoder.Name }))
        { Usage = Usage(read.Statistics) };
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(EmbeddingGeneratorMetadata) ? _metadata
            : serviceType.IsInstanceOfType(this) ? this
            : serviceType.IsInstanceOfType(_encoder) ? _encoder
            : null;
    }

    /// <summary>Frees the encoder if it was loaded for this generator; one that the caller loaded stays the caller's.</summary>
    public void Dispose()
    {
        if (_ownsEncoder) _encoder.Dispose();
    }

    /// <summary>The size that is asked for, if vectors may have it.</summary>
    private int Cut(int size, string parameter)
    {
        if (size == _size) return size;
        View view = _encoder.Views[_view];
        IReadOnlyList<int> allowed = view.Pooling == Pooling.Sentence && _encoder is TextEncoder encoder ? encoder.MatryoshkaSizes : [];
        if (size >= 1 && size < _size && (_isMatryoshka || allowed.Contains(size))) return size;
        string why = size < 1 || size > _size ? $"expected 1 to {_size}"
            : allowed.Count > 0 ? $"expected {_size} or one of the sizes that its config.json says it was trained for: {string.Join(", ", allowed)}"
            : $"expected {_size}: the first numbers of {view} stand for a text only where the model was trained for it (Matryoshka), which no " +
              $"file of {_encoder.Name} says; if its card does, set {nameof(TextVectorOptions.IsMatryoshka)}";
        throw new ArgumentOutOfRangeException(parameter, size, $"{_encoder.Name} cannot give vectors of {size} numbers, {why}.");
    }

    private float[] Vector(ReadOnlySpan<float> read)
    {
        float[] vector = read.ToArray();
        if (_normalize && TensorPrimitives.Norm(read) is > 0 and float length) TensorPrimitives.Divide(read, length, vector);
        return vector;
    }

    private static UsageDetails Usage(long tokens) => new() { InputTokenCount = tokens, TotalTokenCount = tokens };

    private static UsageDetails Usage(EncodingStatistics statistics)
    {
        UsageDetails usage = Usage(statistics.InputTokens);
        (string Name, int Count)[] counts =
            [(TruncatedTexts, statistics.TruncatedTexts), (TextsWithoutTokens, statistics.TextsWithoutTokens.Count)];
        foreach ((string name, int count) in counts)
            if (count > 0) (usage.AdditionalCounts ??= [])[name] = count;
        return usage;
    }
}
