using LlmEmbed.Checkpoints;
using LlmEmbed.Recipes;

namespace LlmEmbed;

/// <summary>How a classifier is trained. Every choice that is left open is made on the training data alone.</summary>
public sealed record TrainingOptions
{
    /// <summary>Which decisions are made in advance. The reference recipes take backbones and head from <see cref="Reference"/> and not from here.</summary>
    public Recipe Recipe { get; init; }

    /// <summary>What the reference recipes need; nothing else reads it.</summary>
    public ReferenceOptions? Reference { get; init; }

    /// <summary>The frozen backbones whose views are fused. The default are the two that come with the project.</summary>
    public IReadOnlyList<string> Backbones { get; init; } = BackboneLocator.Starters;

    /// <summary>How each backbone is run.</summary>
    public EncoderOptions Encoder { get; init; } = new();

    /// <summary>What is trained on top of the frozen backbones.</summary>
    public HeadKind Head { get; init; }

    /// <summary>How the co-occurrence head fuses the views; the paper names all of these and their combinations.</summary>
    public FusionOperators Fusion { get; init; } = FusionOperators.Cooccurrence;

    /// <summary>
    /// Whether the logits of a regression on words and pairs of words are added to those of the head, where unseen training texts are clearly the better for it. Only with
    /// <see cref="HeadKind.Auto"/>. The classifier then holds the words that at least two training texts share.
    /// </summary>
    public bool UseWords { get; init; } = true;

    /// <summary>
    /// Whether one more view is added whose pooling is learned (<see cref="Pooling.Attention"/>), where unseen training texts are clearly the better for it. Only with
    /// <see cref="HeadKind.Auto"/> and <see cref="Recipe.Auto"/>, from 1,000 texts on and where the states of all tokens fit into memory (1 GiB); they are kept in the cache folder too.
    /// </summary>
    public bool UseAttention { get; init; } = true;

    /// <summary>Whether rare classes weigh more than their share of the examples.</summary>
    public ClassWeighting ClassWeighting { get; init; }

    /// <summary>
    /// Wall-clock time that training should stay within, about: fewer texts are read, and less of the backbones, where everything would take longer. What is chosen then depends on
    /// the machine. Null takes the time it takes.
    /// </summary>
    public TimeSpan? Budget { get; init; }

    /// <summary>The sets of views whose regressions are averaged, where the choice of views ended so.</summary>
    internal IReadOnlyList<WeightedViews>? Mixture { get; init; }

    /// <summary>The penalty that suited many of the texts already; only it and its neighbours are then tried. Null where nothing is known.</summary>
    internal double? LikelyC { get; init; }

    /// <summary>Share of the examples, stratified by class, that is held out to measure the classifier before it is trained on everything; 0 measures nothing.</summary>
    public double HeldOutShare { get; init; }

    /// <summary>Seed of every random choice: the same data, options and seed give the same classifier on the same machine.</summary>
    public int Seed { get; init; }

    /// <summary>
    /// Features of all texts that take more than this lie in a mapped file in the cache folder while the head is trained, where there is such a folder. Null takes a quarter of
    /// the memory there is, or of <see cref="EncoderOptions.MemoryBytes"/>.
    /// </summary>
    internal long? FeatureMemoryBytes { get; init; }
}

/// <summary>What is trained on top of the frozen backbones.</summary>
public enum HeadKind
{
    /// <summary>The linear head, unless another one is clearly better on training texts that it has not seen.</summary>
    Auto,

    /// <summary>Multinomial logistic regression with L2 penalty on standardized features, the penalty chosen by cross-validation.</summary>
    Linear,

    /// <summary>LLMEmbed's co-occurrence pooling and multi-layer perceptron (ACL 2024, section 3), trained by Adam with early stopping.</summary>
    Cooccurrence,

    /// <summary>A multi-layer perceptron on the standardized features, trained by Adam with early stopping.</summary>
    Mlp,

    /// <summary>The class whose mean is nearest, on standardized features.</summary>
    NearestMean,
}

/// <summary>How the co-occurrence head makes features of its V vectors of K channels; several stand side by side.</summary>
[Flags]
public enum FusionOperators
{
    /// <summary>The views as they are: the network is a plain multi-layer perceptron.</summary>
    None = 0,

    /// <summary>Inner products of all pairs, power-normalised: V² features.</summary>
    Cooccurrence = 1,

    /// <summary>Mean over the vectors: K features.</summary>
    Mean = 2,

    /// <summary>Largest value of each channel over the vectors: K features.</summary>
    Max = 4,

    /// <summary>The vectors one after another: V·K features.</summary>
    Concat = 8,
}

/// <summary>Whether rare classes weigh more than their share of the examples.</summary>
public enum ClassWeighting
{
    /// <summary>Balanced where classes differ in size and cross-validation finds it better in macro-F1 and not clearly worse in accuracy. Only for the linear head; none elsewhere.</summary>
    Auto,

    /// <summary>Every text counts the same.</summary>
    None,

    /// <summary>Every class counts the same: a text weighs n / (classes × texts of its class).</summary>
    Balanced,
}
