namespace LlmEmbed.Learning;

/// <summary>What the co-occurrence head minimizes.</summary>
internal enum CooccurrenceLoss
{
    /// <summary>Cross-entropy of the logits.</summary>
    CrossEntropy,

    /// <summary>
    /// Cross-entropy of the probabilities, as the published code has it: a softmax twice. It cannot fall below a bound (2.98 for 52 classes), so that
    /// the head learns slowly and its probabilities mean little. It is only here to reproduce that code.
    /// </summary>
    DoubleSoftmax,
}

/// <summary>What the Gram matrix is taken of.</summary>
internal enum GramVectors
{
    /// <summary>
    /// Vectors of length 1, a deviation from the paper. Inner products of raw vectors grow with the length of the vectors and saturate the power
    /// normalization unless sigma happens to suit them; inner products of vectors of length 1 do not.
    /// </summary>
    UnitLength,

    /// <summary>The vectors as they are, as the paper has it.</summary>
    Raw,
}

/// <summary>Whose options a network is trained with.</summary>
internal enum NetworkRecipe
{
    /// <summary>This project's.</summary>
    Own,

    /// <summary>Those of the released LLMEmbed recipe.</summary>
    Released,

    /// <summary>Those of the released recipe, repaired.</summary>
    Repaired,
}

/// <summary>How a co-occurrence head is built and trained.</summary>
internal sealed record CooccurrenceOptions
{
    /// <summary>Whose options these are; only for the record of decisions.</summary>
    public NetworkRecipe Recipe { get; init; }

    /// <summary>σ of the power normalisation 2·sigmoid(σ·p) - 1. For cosines 4 spreads them over most of its range.</summary>
    public float Sigma { get; init; } = 4;

    public GramVectors GramVectors { get; init; }

    public FusionOperators Fusion { get; init; } = FusionOperators.Cooccurrence;

    public CooccurrenceLoss Loss { get; init; }

    public ClassWeighting ClassWeighting { get; init; }

    /// <summary>
    /// Whether every feature is first brought to mean 0 and deviation 1. The paper does not do so, and has channels that are a thousand times larger
    /// than others.
    /// </summary>
    public bool Standardize { get; init; } = true;

    public float LearningRate { get; init; } = 1e-4f;

    public int BatchSize { get; init; } = 128;

    /// <summary>The most passes over the training rows. With few rows there are more passes, so that <see cref="MinSteps"/> are taken.</summary>
    public int MaxEpochs { get; init; } = 60;

    /// <summary>The least number of steps before <see cref="MaxEpochs"/> ends the training.</summary>
    public int MinSteps { get; init; } = 1500;

    /// <summary>
    /// Training ends after so many evaluations without a better log loss on the held-out rows. Null trains for all epochs on all rows, as the paper
    /// does.
    /// </summary>
    public int? Patience { get; init; } = 6;

    /// <summary>The share of the training rows that is held out to decide when training ends.</summary>
    public double HeldOutFraction { get; init; } = 0.1;

    public float Dropout { get; init; } = 0.5f;

    /// <summary>Width of the first hidden layer.</summary>
    public int Hidden1 { get; init; } = 1024;

    /// <summary>Width of the second hidden layer.</summary>
    public int Hidden2 { get; init; } = 256;

    public ulong Seed { get; init; }

    public int Threads { get; init; } = Environment.ProcessorCount;

    /// <summary>A plain multi-layer perceptron on the raw features: smaller than the paper's, since it sees more of them.</summary>
    public static CooccurrenceOptions Mlp { get; } = new() { Fusion = FusionOperators.None, Hidden1 = 256, Hidden2 = 64, LearningRate = 3e-4f };

    /// <summary>The published recipe, which leaves σ and the number of epochs to the user.</summary>
    public static CooccurrenceOptions Reference(float sigma, int epochs) => new()
    {
        Recipe = NetworkRecipe.Released,
        Sigma = sigma,
        MaxEpochs = epochs,
        MinSteps = 0,
        GramVectors = GramVectors.Raw,
        Loss = CooccurrenceLoss.DoubleSoftmax,
        Standardize = false,
        BatchSize = 1024,
        Patience = null,
    };
}
