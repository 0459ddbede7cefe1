namespace LlmEmbed;

/// <summary>Which vector of a text an embedding generator gives.</summary>
public class TextVectorOptions
{
    /// <summary>
    /// The view to give. Null takes <see cref="Pooling.Sentence"/> where the encoder reads it, else the last of its views; a generator that is
    /// registered by name then reads <see cref="ViewSelection.TextVector"/>.
    /// </summary>
    public View? View { get; set; }

    /// <summary>
    /// Whether vectors are brought to length 1, so that their dot product is their cosine; a vector of zeros stays one. False gives them as the
    /// encoder does.
    /// </summary>
    public bool Normalize { get; set; } = true;

    /// <summary>
    /// Numbers of a vector; fewer than the view has are its first ones, which are of use only where the model was trained for it (Matryoshka). Null
    /// keeps all.
    /// </summary>
    public int? Dimensions { get; set; }

    /// <summary>
    /// Says that the model was trained for vectors of any size (Matryoshka). Set it where the model's card says so: few repositories have it in a
    /// file (<see cref="TextEncoder.MatryoshkaSizes"/>).
    /// </summary>
    public bool IsMatryoshka { get; set; }
}
