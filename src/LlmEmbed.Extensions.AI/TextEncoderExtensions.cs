namespace LlmEmbed;

/// <summary>Encoders as parts of Microsoft.Extensions.AI.</summary>
public static class TextEncoderExtensions
{
    /// <summary>
    /// The encoder as an embedding generator, for pipelines of Microsoft.Extensions.AI and everything that takes one. The encoder stays the caller's
    /// to dispose of, when no generator of it is in use any more.
    /// </summary>
    /// <param name="encoder">The encoder; one that reads a single view computes nothing in vain.</param>
    /// <param name="options">Which vector it gives; null takes the defaults.</param>
    /// <exception cref="ArgumentException">The encoder does not read the view.</exception>
    /// <exception cref="ArgumentOutOfRangeException">Its vectors may not be cut to the size that is asked for.</exception>
    public static LlmEmbedEmbeddingGenerator AsEmbeddingGenerator(this ITextEncoder encoder, TextVectorOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(encoder);
        return new LlmEmbedEmbeddingGenerator(encoder, options ?? new TextVectorOptions(), ownsEncoder: false);
    }
}
