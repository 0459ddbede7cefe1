using LlmEmbed.Checkpoints;

namespace LlmEmbed;

/// <summary>
/// How a classifier is made: which backbones are read, at which views, and what is trained on them. Each recipe is one value with its own options:
/// <see cref="Automatic"/>, <see cref="Fixed"/>, <see cref="Reference"/> and <see cref="ReferenceRepaired"/>.
/// </summary>
public abstract record Recipe
{
    private protected Recipe()
    {
    }

    /// <summary>The numbers that matrix products of the backbones are computed in.</summary>
    public Precision Precision { get; init; }

    /// <summary>
    /// Longest input in tokens, special tokens included; longer texts lose their end. Null takes what the recipe says, for most 256.
    /// </summary>
    public int? MaxTokens { get; init; }

    /// <summary>The backbones that it reads, as they are named.</summary>
    internal IReadOnlyList<string> BackboneNames => this switch
    {
        Automatic recipe => recipe.Backbones,
        Fixed recipe => recipe.Backbones,
        Reference { Roles: var roles } => [roles.Llama, roles.Bert, roles.Roberta],
        ReferenceRepaired { Roles: var roles } => [roles.Llama, roles.Bert, roles.Roberta],
        _ => [],
    };

    /// <summary>
    /// Chooses views, penalty, class weights and the experts of the head by cross-validation on the training texts, and reads the backbones no deeper
    /// than these need.
    /// </summary>
    public sealed record Automatic : Recipe
    {
        /// <summary>The frozen backbones whose views are candidates, each once. The default are the two that come with the project.</summary>
        public IReadOnlyList<string> Backbones { get; init; } = BackboneLocator.Starters;

        /// <summary>
        /// A template around every text with <c>{text}</c> once, and <c>{labels}</c> where the classes are to be listed, or <c>auto</c> for one that
        /// lists them: decoders are then tried with and without it. A prompt without <c>{text}</c> stands before the text: it is the prompt of
        /// <see cref="Pooling.Sentence"/> for repositories of sentence-transformers, and tried with other decoders. Null tries no prompt but a
        /// repository's own one: that named <c>Classification</c>, or else its default; an empty one not even that.
        /// </summary>
        public string? Prompt { get; init; }

        /// <inheritdoc cref="EncoderOptions.PromptName"/>
        public string? PromptName { get; init; }

        /// <summary>What is trained. <see cref="HeadOptions.Cooccurrence"/> reads the default views, since its size follows from them.</summary>
        public HeadOptions Head { get; init; } = new HeadOptions.Automatic();

        /// <summary>
        /// Whether poolings are learned (<see cref="Pooling.Attention"/>) as experts of <see cref="HeadOptions.Automatic"/>: at several depths of
        /// each backbone, as many as fit. The states of all tokens take at most 2 GiB, and a quarter of <see cref="RuntimeOptions.MemoryBytes"/>.
        /// They are kept in the cache folder too. No pooling is learned within a <see cref="Budget"/>.
        /// </summary>
        public bool UseAttention { get; init; } = true;

        /// <summary>
        /// Texts without labels, of the kind that will be classified; at most 2,000 of them, drawn at random, are read. Those that the classifier is
        /// surest of become further examples of their classes, unless texts that were held out are clearly the worse for it. They help with up to 500
        /// labelled texts and <see cref="HeadOptions.Automatic"/>, and are refused with more, with other heads and with a <see cref="Budget"/>.
        /// </summary>
        public IReadOnlyList<string> Unlabelled { get; init; } = [];

        /// <summary>
        /// Wall-clock time that training should stay within, about: fewer texts are read, and less of the backbones, if everything would take longer.
        /// What is chosen then depends on the machine. Null takes the time it takes.
        /// </summary>
        public TimeSpan? Budget { get; init; }
    }

    /// <summary>Reads given views of given backbones.</summary>
    public sealed record Fixed : Recipe
    {
        /// <summary>The frozen backbones whose views are fused, each once. The default are the two that come with the project.</summary>
        public IReadOnlyList<string> Backbones { get; init; } = BackboneLocator.Starters;

        /// <summary>The views of each backbone.</summary>
        public ViewSelection Views { get; init; } = ViewSelection.Default;

        /// <summary>
        /// A template around every text, or what stands before it, as <see cref="Automatic.Prompt"/>; every backbone reads it. Null takes the prompt
        /// of a repository for classification, or else its default, where <see cref="Pooling.Sentence"/> is read.
        /// </summary>
        public string? Prompt { get; init; }

        /// <inheritdoc cref="EncoderOptions.PromptName"/>
        public string? PromptName { get; init; }

        /// <inheritdoc cref="EncoderOptions.PadTo"/>
        public int? PadTo { get; init; }

        /// <summary>What is trained.</summary>
        public HeadOptions Head { get; init; } = new HeadOptions.Automatic();
    }

    /// <summary>
    /// The released LLMEmbed recipe (ACL 2024) to the letter, with the models of one's own in the roles of its three. What the release leaves open is
    /// required.
    /// </summary>
    public sealed record Reference : Recipe
    {
        /// <summary>The models.</summary>
        public required ReferenceRoles Roles { get; init; }

        /// <summary>σ of the power normalization 2·sigmoid(σ·p) - 1. Raw inner products ask for a small one.</summary>
        public required float Sigma { get; init; }

        /// <summary>Passes over the training examples.</summary>
        public required int Epochs { get; init; }

        /// <summary>
        /// The length that every text is padded to: 128 for SST-2, 256 for AG News in the release. Null takes means over the real tokens only, a
        /// deviation from the release that saves most of its cost.
        /// </summary>
        public int? PadTo { get; init; }

        /// <summary>How the head fuses the views.</summary>
        public FusionOperators Fusion { get; init; } = FusionOperators.Cooccurrence;

        /// <inheritdoc cref="HeadOptions.ClassWeighting"/>
        public ClassWeighting ClassWeighting { get; init; }
    }

    /// <summary>
    /// The architecture of the released recipe with padding masked, cross-entropy of the logits, unit vectors before the Gram matrix, standardized
    /// features and early stopping.
    /// </summary>
    public sealed record ReferenceRepaired : Recipe
    {
        /// <summary>The models.</summary>
        public required ReferenceRoles Roles { get; init; }

        /// <summary>σ of the power normalization; null takes the default of the co-occurrence head.</summary>
        public float? Sigma { get; init; }

        /// <summary>
        /// Most passes over the training examples; training stops earlier when the loss on held-out examples rises. Null takes 500.
        /// </summary>
        public int? MaxEpochs { get; init; }

        /// <summary>How the head fuses the views.</summary>
        public FusionOperators Fusion { get; init; } = FusionOperators.Cooccurrence;

        /// <inheritdoc cref="HeadOptions.ClassWeighting"/>
        public ClassWeighting ClassWeighting { get; init; }
    }
}

/// <summary>The models in the three roles of the released LLMEmbed recipe.</summary>
/// <param name="Llama">The decoder in LLaMA2's role: its last five depths are compressed and fused, and the mean of its vectors is a feature.</param>
/// <param name="Bert">The encoder in BERT's role, by its pooler.</param>
/// <param name="Roberta">The encoder in RoBERTa's role, by the first token of its last depth. It may be the one in BERT's role.</param>
public sealed record ReferenceRoles(string Llama, string Bert, string Roberta);
