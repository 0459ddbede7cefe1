namespace LlmEmbed;

/// <summary>
/// What an embedding generator in a container is made of. The registration's key, or else the default name, is the name of these options.
/// </summary>
public sealed class LlmEmbedEmbeddingGeneratorOptions : TextVectorOptions
{
    /// <summary>
    /// The backbone, as <see cref="TextEncoder"/> takes it: a name, a folder, a .gguf file, or a repository of the Hugging Face Hub.
    /// </summary>
    public string Backbone { get; set; } = "";

    /// <inheritdoc cref="EncoderOptions.MaxTokens"/>
    public int? MaxTokens { get; set; }

    /// <inheritdoc cref="EncoderOptions.Prompt"/>
    public string? Prompt { get; set; }

    /// <inheritdoc cref="EncoderOptions.PromptName"/>
    public string? PromptName { get; set; }

    /// <inheritdoc cref="EncoderOptions.Precision"/>
    public Precision Precision { get; set; }

    /// <summary>
    /// Whether a host loads it and makes it ready when it starts, so that a backbone that cannot be used stops the start and the first text waits for
    /// nothing. False, and where there is no host, loads it when it is first asked for.
    /// </summary>
    public bool LoadAtStart { get; set; } = true;

    internal EncoderOptions Encoder => new()
    {
        Views = View is View view ? ViewSelection.Of(view) : ViewSelection.TextVector,
        MaxTokens = MaxTokens,
        Prompt = Prompt,
        PromptName = PromptName,
        Precision = Precision,
    };
}

/// <summary>What a classifier in a container is. The registration's key, or else the default name, is the name of these options.</summary>
public sealed class LlmEmbedClassifierOptions
{
    /// <summary>The folder that <see cref="TextClassifier.Save"/> or <c>llmembed train</c> wrote.</summary>
    public string Folder { get; set; } = "";

    /// <inheritdoc cref="LlmEmbedEmbeddingGeneratorOptions.LoadAtStart"/>
    public bool LoadAtStart { get; set; } = true;
}
