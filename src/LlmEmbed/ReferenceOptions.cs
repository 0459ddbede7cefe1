namespace LlmEmbed;

/// <summary>
/// The released LLMEmbed recipe (ACL 2024) with the models of one's own in the roles of its three. <see cref="Recipe.Reference"/> needs σ, the epochs and either
/// a length to pad to or <see cref="Unpadded"/>, since the release leaves them open; <see cref="Recipe.ReferenceRepaired"/> has defaults for all.
/// </summary>
public sealed record ReferenceOptions
{
    /// <summary>The decoder in LLaMA2's role: its last five depths are compressed and fused, and the mean of its vectors is a feature.</summary>
    public required string Llama { get; init; }

    /// <summary>The encoder in BERT's role, by its pooler.</summary>
    public required string Bert { get; init; }

    /// <summary>The encoder in RoBERTa's role, by the first token of its last depth. It may be the one in BERT's role.</summary>
    public required string Roberta { get; init; }

    /// <summary>σ of the power normalisation 2·sigmoid(σ·p) - 1. Raw inner products ask for a small one.</summary>
    public float? Sigma { get; init; }

    /// <summary>Passes over the training examples; the repaired recipe stops earlier where the loss on held-out examples does.</summary>
    public int? Epochs { get; init; }

    /// <summary>Whether the decoder's means are over the real tokens only, a deviation from the release that saves most of its cost.</summary>
    public bool Unpadded { get; init; }
}

/// <summary>Which of the decisions about a classifier are made in advance.</summary>
public enum Recipe
{
    /// <summary>Views, penalty and class weights are chosen by cross-validation on the training texts.</summary>
    Auto,

    /// <summary>The released LLMEmbed recipe to the letter.</summary>
    Reference,

    /// <summary>The architecture of the released recipe with padding masked, cross-entropy of the logits, unit vectors before the Gram matrix, standardized features and early stopping.</summary>
    ReferenceRepaired,
}
