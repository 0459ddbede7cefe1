using LlmEmbed.Learning;

namespace LlmEmbed;

/// <summary>
/// What is trained on top of the frozen backbones: one of <see cref="Automatic"/>, <see cref="Linear"/>, <see cref="Cooccurrence"/>,
/// <see cref="Perceptron"/> and <see cref="NearestMean"/>. Each holds the options that it has and no others.
/// </summary>
public abstract record HeadOptions
{
    private protected HeadOptions()
    {
    }

    /// <summary>Whether rare classes weigh more than their share of the examples.</summary>
    public ClassWeighting ClassWeighting { get; init; }

    /// <summary>Each kind with its default options, under the name that the command line has for it (<c>--head</c>).</summary>
    public static IReadOnlyDictionary<string, HeadOptions> ByName =>
        HeadTrainer.Kinds.ToDictionary(kind => kind.Name, kind => kind.Defaults, StringComparer.Ordinal);

    /// <summary>
    /// A mixture of experts: logistic regressions on views, on the sentence vector of each encoder and on words, and poolings that are learned at
    /// several depths. Their weights suit training texts that they have not seen and are drawn towards equal ones where texts are few. Experts that
    /// bring nothing are left out; of the others all but the words become one linear head.
    /// </summary>
    public sealed record Automatic : HeadOptions
    {
        /// <summary>
        /// Whether a regression on words and pairs of words is one of the experts. The classifier then holds the words that at least two training
        /// texts share.
        /// </summary>
        public bool UseWords { get; init; } = true;
    }

    /// <summary>Multinomial logistic regression with L2 penalty on standardized features, the penalty chosen by cross-validation.</summary>
    public sealed record Linear : HeadOptions;

    /// <summary>LLMEmbed's co-occurrence pooling and multi-layer perceptron (ACL 2024, section 3), trained by Adam with early stopping.</summary>
    public sealed record Cooccurrence : HeadOptions
    {
        /// <summary>How the views are fused; the paper names all of these and their combinations.</summary>
        public FusionOperators Fusion { get; init; } = FusionOperators.Cooccurrence;
    }

    /// <summary>A multi-layer perceptron on the standardized features, trained by Adam with early stopping.</summary>
    public sealed record Perceptron : HeadOptions;

    /// <summary>The class whose mean is nearest, on standardized features.</summary>
    public sealed record NearestMean : HeadOptions;
}

/// <summary>
/// How the co-occurrence head makes features of its V vectors of K channels. Several operators may be combined; their features stand side by side.
/// </summary>
[Flags]
public enum FusionOperators
{
    /// <summary>The views as they are: the network is a plain multi-layer perceptron.</summary>
    None = 0,

    /// <summary>Inner products of all pairs, power-normalized: V² features.</summary>
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
    /// <summary>
    /// Balanced if classes differ in size and cross-validation finds it better in macro-F1 and not clearly worse in accuracy. Only the linear head is
    /// chosen so; every other head counts each text the same.
    /// </summary>
    Auto,

    /// <summary>Every text counts the same.</summary>
    None,

    /// <summary>Every class counts the same: a text weighs n / (classes × texts of its class).</summary>
    Balanced,
}
