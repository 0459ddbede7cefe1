using LlmEmbed.Evaluation;
using LlmEmbed.Reading;

namespace LlmEmbed.Learning;

/// <summary>A trained head with the words beside it, what calibrates it and what was decided about it.</summary>
/// <param name="Head">A linear map or a network.</param>
/// <param name="Temperature">The logits are divided by this before the softmax.</param>
/// <param name="Decisions">What was chosen, and on what evidence.</param>
internal sealed record TrainedHead(IHead Head, double Temperature, HeadDecisions Decisions)
{
    /// <summary>The number of rows whose probabilities are computed at a time, because there may be more features than the memory holds.</summary>
    private const int BlockRows = 4096;

    /// <summary>The features that the head reads, if they are not those that it was trained on; null if they are.</summary>
    public FeatureLayout? Layout { get; init; }

    /// <summary>What the views of the layout with attention pooling weigh tokens by; empty for a head that was loaded.</summary>
    public IReadOnlyList<(string Backbone, AttentionQuery Query)> Queries { get; init; } = [];

    /// <summary>What classifies by words beside the head; null if nothing does.</summary>
    public LexicalHead? Words { get; init; }

    /// <summary>The temperature that suits the head without the words; null if there are none, and for a head that was loaded.</summary>
    public double? TemperatureWithoutWords { get; init; }

    /// <summary>Out-of-fold predictions of the training rows; null if nothing was cross-validated, and for a head that was loaded.</summary>
    public CrossValidation? CrossValidation { get; init; }

    /// <summary>Everything that was trained.</summary>
    public IReadOnlyList<HeadTensor> Tensors => [.. Head.Tensors, .. Words?.Tensors ?? []];

    /// <summary>The number of trained values.</summary>
    public long ParameterCount => Tensors.Sum(tensor => (long)tensor.Values.Length);

    /// <summary>The head with what classifies texts only, so that the logits of all training rows can be freed.</summary>
    public TrainedHead WithoutTraining() => this with { CrossValidation = null };

    /// <summary>The head without the words, calibrated by itself; null if it has none.</summary>
    public TrainedHead? WithoutWords()
    {
        if (TemperatureWithoutWords is not double temperature || Decisions.Head is not MixtureDecision mixture) return null;
        MixtureDecision rest = mixture with { Experts = [.. mixture.Experts.Where(part => part.Expert.Kind != WordsExpert.Kind)] };
        return this with { Words = null, Temperature = temperature, TemperatureWithoutWords = null, Decisions = new(rest), CrossValidation = null };
    }

    /// <inheritdoc cref="FoldedHead.Read"/>
    public FeatureMatrix Read(FeatureMatrix features, FeatureLayout layout, IReadOnlyList<TokenStates> tokens) =>
        Layout is null ? features : new FoldedHead((LinearHead)Head, Layout, Queries).Read(features, layout, tokens);

    /// <summary>Features [N,F] and the texts that they were read from → calibrated probabilities [N,C].</summary>
    public float[] Probabilities(ReadOnlySpan<float> features, IReadOnlyList<string> texts)
    {
        float[] logits = new float[texts.Count * Head.ClassCount]; // [N,C]
        Head.Logits(features, texts.Count, logits);
        Words?.AddLogits(texts, logits);
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
