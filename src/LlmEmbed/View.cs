namespace LlmEmbed;

/// <summary>One pooled hidden state of a backbone.</summary>
/// <param name="Depth">0 is the embedding output, d the state after d blocks; for the deepest depth of a decoder, the state after the final norm
/// (Hugging Face's <c>hidden_states[d]</c>).</param>
/// <param name="Pooling">How the tokens' states become one vector.</param>
public readonly record struct View(int Depth, Pooling Pooling);
