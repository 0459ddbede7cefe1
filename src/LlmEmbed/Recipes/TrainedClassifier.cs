using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Recipes;

/// <summary>Everything that a classifier consists of.</summary>
/// <param name="Reader">Texts → features.</param>
/// <param name="Labels">The C classes.</param>
/// <param name="Head">Features → probabilities.</param>
/// <param name="Examples">Texts that it was trained on.</param>
internal sealed record TrainedClassifier(FeatureReader Reader, IReadOnlyList<string> Labels, TrainedHead Head, int Examples) : IDisposable
{
    /// <summary>How the views were chosen; null if they were given, and for a classifier that was loaded.</summary>
    public SelectionSummary? Selection { get; init; }

    /// <summary>Weights of the blocks and the head that a text passes.</summary>
    public long ParameterCount => Reader.ParameterCount + Head.ParameterCount;

    /// <summary>Prepared texts → calibrated probabilities [N,C], and what reading them met and cost.</summary>
    public (float[] Probabilities, IReadOnlyList<EncodingStatistics> Statistics) Probabilities(PreparedRequest request, Work work)
    {
        (float[] features, IReadOnlyList<EncodingStatistics> statistics) = Reader.Read(request, work);
        return (Head.Probabilities(features, request.Texts), statistics);
    }

    /// <summary>Prepared texts → a prediction for each, <see cref="Prediction.Empty"/> for those without content.</summary>
    public IReadOnlyList<Prediction> Predict(PreparedRequest request, Work work)
    {
        // [N,C]
        (float[] probabilities, _) = Probabilities(request, work);
        // White space gives tokens in some backbones, and it is no text.
        bool IsEmpty(int text) => request.Parts.Any(part => part.AreEmpty[text]) || string.IsNullOrWhiteSpace(request.Texts[text]);
        Prediction PredictionOf(int text) => IsEmpty(text)
            ? Prediction.Empty
            : Prediction.Of(Labels, probabilities.AsSpan(text * Labels.Count, Labels.Count), request.Parts.Any(part => part.Tokens[text].Truncated));
        return [.. Enumerable.Range(0, request.Texts.Count).Select(PredictionOf)];
    }

    public void Dispose() => Disposal.All([Reader, Head.Head]);
}
