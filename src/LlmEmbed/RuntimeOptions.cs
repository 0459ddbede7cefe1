namespace LlmEmbed;

/// <summary>
/// How backbones run on this machine: where they are found, what they may use, what is kept on disk. Embeddings do not depend on it beyond rounding.
/// </summary>
public sealed record RuntimeOptions
{
    /// <summary>Threads of the engine; null takes one for each physical core that this process may use.</summary>
    public int? Threads { get; init; }

    /// <summary>
    /// Memory (bytes) to get along with. A backbone that needs more is loaded block by block, and many texts go through each block before the next
    /// one is loaded.
    /// Null uses what the backbone needs.
    /// </summary>
    public long? MemoryBytes { get; init; }

    /// <summary>Folder in which embeddings are kept, one sub-folder for each combination of backbone and views; null keeps none.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>Folder in which quantized weights are kept, so that only the first start quantizes; null takes <see cref="CacheFolder"/>.</summary>
    public string? WeightsFolder { get; init; }

    /// <summary>Folders in which backbones named without a path are looked for, before the usual places.</summary>
    public IReadOnlyList<string> ModelFolders { get; init; } = [];

    /// <summary>
    /// Whether a backbone that is named as org/name and is neither here nor in the Hugging Face cache is an error instead of being downloaded;
    /// HF_HUB_OFFLINE=1 says the same.
    /// </summary>
    public bool Offline { get; init; }

    /// <summary>
    /// Keys of a backbone's config.json that are passed over though nobody knows them and their names speak of what a model computes; such keys are
    /// refused otherwise. A key inside of another is written as "rope_scaling.key". A saved classifier records those of its backbones.
    /// </summary>
    public IReadOnlyList<string> AcceptedConfigKeys { get; init; } = [];

    /// <summary>The folder of quantized weights, whichever of the two options names it; null if none does.</summary>
    internal string? FolderOfWeights => WeightsFolder ?? CacheFolder;
}
