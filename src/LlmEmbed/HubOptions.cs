namespace LlmEmbed;

/// <summary>How a repository of the Hugging Face Hub is fetched. What is not said here is as the variables of its Python library say.</summary>
public sealed record HubOptions
{
    /// <summary>The folder of the cache; null takes HF_HUB_CACHE, HF_HOME or the usual folder.</summary>
    public string? CacheFolder { get; init; }

    /// <summary>The token to send to the Hub; null takes HF_TOKEN or the file in which the Python library keeps it.</summary>
    public string? Token { get; init; }

    /// <summary>Whether only what is in the cache may be used; HF_HUB_OFFLINE=1 says the same.</summary>
    public bool Offline { get; init; }
}
