namespace LlmEmbed.Server;

/// <summary>What a server serves and what it lets in.</summary>
public sealed record LlmEmbedServerOptions
{
    /// <summary>
    /// Folders of classifiers that <c>llmembed train</c> wrote, each served under its folder's name, or under what stands before a '='.
    /// </summary>
    public IReadOnlyList<string> Classifiers { get; init; } = [];

    /// <summary>Backbones whose vectors are served: a name, a path or a repository of the Hugging Face Hub.</summary>
    public IReadOnlyList<string> Backbones { get; init; } = [];

    /// <summary>How the backbones run on this machine.</summary>
    public RuntimeOptions Runtime { get; init; } = new();

    /// <summary>The queue of texts.</summary>
    public TextQueueOptions Queue { get; init; } = new();

    /// <summary>Keys of which a request must carry one (<c>Authorization: Bearer</c>); none lets everybody in.</summary>
    public IReadOnlyList<string> ApiKeys { get; init; } = [];

    /// <summary>The largest body of a request, in bytes.</summary>
    public long MaxBodyBytes { get; init; } = 8_000_000;

    /// <summary>Bytes of bodies that may be in memory at once; further requests are told to come again (429).</summary>
    public long MaxBodiesBytes { get; init; } = 256_000_000;

    /// <summary>The most texts of a request.</summary>
    public int MaxTexts { get; init; } = 20_000;

    /// <summary>How long a request may take, from its first byte to its answer.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>
    /// Whether a model name that is not served is refused (404). Otherwise the first model of the right kind answers, and a header says so, since
    /// clients have names of their own built in.
    /// </summary>
    public bool StrictModel { get; init; }
}
