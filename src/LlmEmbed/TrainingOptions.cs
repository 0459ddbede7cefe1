namespace LlmEmbed;

/// <summary>How a classifier is trained. Every choice that is left open is made on the training data alone.</summary>
public sealed record TrainingOptions
{
    /// <summary>What is read and what is learned.</summary>
    public Recipe Recipe { get; init; } = new Recipe.Automatic();

    /// <summary>
    /// Share of the examples, stratified by class, that is held out to measure the classifier before it is trained on everything; at least 0 and less
    /// than 1. 0 measures nothing.
    /// </summary>
    public double HeldOutShare { get; init; }

    /// <summary>Seed of every random choice: the same data, options and seed give the same classifier on the same machine.</summary>
    public int Seed { get; init; }
}
