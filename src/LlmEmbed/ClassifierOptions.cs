namespace LlmEmbed;

/// <summary>How a trained classifier is run.</summary>
public sealed record ClassifierOptions
{
    /// <summary>Threads of the engine; null takes one for each physical core. Results do not depend on it.</summary>
    public int? Threads { get; init; }

    /// <inheritdoc cref="EncoderOptions.MemoryBytes"/>
    public long? MemoryBytes { get; init; }

    /// <summary>Folder in which embeddings are kept; null keeps none.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Folder in which quantized weights are kept, so that only the first start quantizes; null takes <see cref="CacheFolder"/>.</summary>
    public string? WeightsFolder { get; init; }

    /// <summary>Folders in which the classifier's backbones are looked for, before the usual places.</summary>
    public IReadOnlyList<string> ModelFolders { get; init; } = [];
}
