using LlmEmbed.Evaluation;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>A trained head with what was added to it, what calibrates it and what was decided about it.</summary>
/// <param name="Head">A linear map or a network.</param>
/// <param name="Temperature">The logits are divided by this before the softmax.</param>
/// <param name="Decisions">What was chosen, and on what evidence.</param>
internal sealed record TrainedHead(IHead Head, double Temperature, HeadDecisions Decisions)
{
    /// <summary>The number of rows whose probabilities are computed at a time, because there may be more features than the memory holds.</summary>
    private const int BlockRows = 4096;

    /// <summary>What acts beside the head when texts are classified, in the order in which it was added.</summary>
    public IReadOnlyList<IAddedPart> Additions { get; init; } = [];

    /// <summary>Out-of-fold predictions of the training rows; null if nothing was cross-validated, and for a head that was loaded.</summary>
    public CrossValidation? CrossValidation { get; init; }

    /// <summary>Everything that was trained.</summary>
    public IReadOnlyList<HeadTensor> Tensors => [.. Head.Tensors, .. Additions.SelectMany(part => part.Tensors)];

    /// <summary>The number of trained values.</summary>
    public long ParameterCount => Tensors.Sum(tensor => (long)tensor.Values.Length);

    /// <summary>The part of some type among the additions; null if there is none.</summary>
    public T? Find<T>()
        where T : class, IAddedPart => Additions.OfType<T>().FirstOrDefault();

    /// <summary>The head with what classifies texts only, so that the logits of all training rows can be freed.</summary>
    public TrainedHead WithoutTraining() => this with { CrossValidation = null };

    /// <summary>
    /// The head without the words, calibrated by itself; null if it has none. Words are added last and act on the logits alone, so they can be taken
    /// off again; every other addition is part of the weights of the head.
    /// </summary>
    public TrainedHead? WithoutWords()
    {
        if (Find<LexicalHead>() is not { } words || Decisions.Additions is not [.., { Gain: { } gain }]) return null;
        return this with
        {
            Temperature = gain.TemperatureWithout,
            Additions = [.. Additions.Where(part => part != words)],
            Decisions = Decisions with { Additions = [.. Decisions.Additions.SkipLast(1)] },
            CrossValidation = null,
        };
    }

    /// <summary>Features [N,F] and the texts that they were read from → calibrated probabilities [N,C].</summary>
    public float[] Probabilities(ReadOnlySpan<float> features, IReadOnlyList<string> texts)
    {
        float[] logits = new float[texts.Count * Head.ClassCount]; // [N,C]
        Head.Logits(features, texts.Count, logits);
        foreach (IAddedPart part in Additions) part.AddLogits(texts, logits);
        TemperatureScaling.ToProbabilities(logits, Head.ClassCount, Temperature);
        return logits;
    }

    /// <inheritdoc cref="Probabilities(ReadOnlySpan{float}, IReadOnlyList{string})"/>
    public float[] Probabilities(FeatureMatrix features, IReadOnlyList<string> texts)
    {
        float[] probabilities = new float[features.Rows * Head.ClassCount]; // [N,C]
        for (int first = 0; first < features.Rows; first += BlockRows)
        {
            int count = Math.Min(BlockRows, features.Rows - first);
            Probabilities(features.Block(first, count).Span, [.. texts.Skip(first).Take(count)]).CopyTo(probabilities, first * Head.ClassCount);
        }
        return probabilities;
    }

    /// <summary>The share of rows whose most probable class is the true one.</summary>
    public double Accuracy(FeatureMatrix features, IReadOnlyList<string> texts, int[] truth) =>
        RowMaxima.IndexesOf<float>(Probabilities(features, texts), Head.ClassCount)
            .Zip(truth, (predicted, label) => predicted == label ? 1.0 : 0.0).Average();
}
