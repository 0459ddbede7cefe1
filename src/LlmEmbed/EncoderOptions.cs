namespace LlmEmbed;

/// <summary>What is read of a backbone. Embeddings depend on every part of it.</summary>
public sealed record EncoderOptions
{
    /// <summary>The views to keep.</summary>
    public ViewSelection Views { get; init; } = ViewSelection.Default;

    /// <summary>
    /// Longest input in tokens, special tokens included; longer texts lose their end. Null takes <see cref="PadTo"/>; or else the repository's own
    /// limit where <see cref="Pooling.Sentence"/> is read; or else 256, or the model's own limit if that is lower.
    /// </summary>
    public int? MaxTokens { get; init; }

    /// <summary>
    /// A template around every text, such as "Review: {text}\nSentiment:", with <c>{text}</c> once; null for none. Means and maxima run over the
    /// text's own tokens, <see cref="Pooling.Last"/> is the prompt's last token, and texts that are too long lose their end, never the prompt.
    /// A prompt without <c>{text}</c> stands before the text and is tokenized together with it, as in sentence-transformers. An empty one switches
    /// the default prompt of a repository off.
    /// </summary>
    public string? Prompt { get; init; }

    /// <summary>
    /// The name of one of the prompts of a sentence-transformers repository (<c>config_sentence_transformers.json</c>), which stands before the text.
    /// Where neither this nor <see cref="Prompt"/> is given, <see cref="Pooling.Sentence"/> takes the repository's default prompt, if it has one.
    /// </summary>
    public string? PromptName { get; init; }

    /// <summary>
    /// Pads every text to this many tokens, as the released LLMEmbed recipe does; of use only with <see cref="Pooling.MeanWithPads"/>, and not
    /// together with a prompt.
    /// Null pads to the longest text of a batch, which changes no embedding.
    /// </summary>
    public int? PadTo { get; init; }

    /// <summary>The numbers that matrix products are computed in.</summary>
    public Precision Precision { get; init; }
}

/// <summary>The numbers that matrix products are computed in. Everything between them is fp32 always.</summary>
public enum Precision
{
    /// <summary>Int8 if it keeps the pooled states of a small built-in sample (centred cosine with fp32 at least 0.99), fp32 otherwise.</summary>
    Auto,

    /// <summary>32-bit floating point.</summary>
    Fp32,

    /// <summary>8-bit integers: weights with a scale for each output, inputs with a scale for each token.</summary>
#pragma warning disable CA1720 // int8 is what the field calls it
    Int8,
#pragma warning restore CA1720
}

/// <summary>The names of precisions as options and files write them.</summary>
internal static class PrecisionNames
{
    public static string NameOf(Precision precision) => precision.ToString().ToLowerInvariant();

    /// <returns>Null if there is no such precision.</returns>
    public static Precision? Find(string name) =>
        Enum.GetValues<Precision>().Cast<Precision?>().FirstOrDefault(precision => NameOf(precision!.Value) == name);
}
