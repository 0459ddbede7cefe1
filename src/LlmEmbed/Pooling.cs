namespace LlmEmbed;

/// <summary>How the hidden states of a text's tokens [T,H] become one vector [H]. Special tokens count as tokens of the text.</summary>
public enum Pooling
{
    /// <summary>Mean over all tokens.</summary>
    Mean,

    /// <summary>
    /// Mean over all tokens but the first, which in decoders carries activations 10³ to 10⁴ times the rest. A text of one token is read behind a line
    /// break by a decoder where no view (<see cref="Mean"/>, <see cref="First"/>, <see cref="Max"/>) wants the first token; elsewhere it keeps that
    /// token.
    /// </summary>
    MeanSkipFirst,

    /// <summary>
    /// The last token: in a decoder the only one that has seen the whole text. Of a text of one token see <see cref="MeanSkipFirst"/>.
    /// </summary>
    Last,

    /// <summary>The first token: the classification token of encoders.</summary>
    First,

    /// <summary>The largest value of each channel over all tokens.</summary>
    Max,

    /// <summary>BERT's pooler: tanh(W·h₀ + b) on the first token of the last depth. Only for checkpoints that carry one.</summary>
    Pooler,

    /// <summary>
    /// Mean over all positions, padding included, as the released LLMEmbed recipe has it. Needs <see cref="EncoderOptions.PadTo"/>.
    /// </summary>
    MeanWithPads,

    /// <summary>
    /// Mean over the tokens of <see cref="Mean"/> or, in decoders, <see cref="MeanSkipFirst"/>, weighted by the softmax of their products with a
    /// query [H]: attention pooling with one learned query. Training learns it from labelled texts, so it cannot be asked for.
    /// </summary>
    Attention,

    /// <summary>
    /// Mean over all tokens, in which the token at place t, counted from 1, has the weight t, since in decoders later tokens have seen more of the
    /// text (SGPT, arXiv 2202.08904).
    /// </summary>
    WeightedMean,

    /// <summary>
    /// The vector that the authors of a sentence-transformers repository mean: what <c>SentenceTransformer.encode</c> gives, with the repository's
    /// own pooling, the modules behind it, its limit of tokens and its default prompt. At the last depth only; its size may differ from the hidden
    /// size.
    /// Of a checkpoint without <c>modules.json</c> it is the last token of causal language models and else the mean, as in that library.
    /// </summary>
    Sentence,
}
