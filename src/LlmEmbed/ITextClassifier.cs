namespace LlmEmbed;

/// <summary>
/// Classifies texts. <see cref="TextClassifier"/> implements it; a program that takes this interface can be tested with a classifier of its own that
/// returns predictions made by hand (<see cref="Prediction.Of(IReadOnlyList{LabelProbability})"/>).
/// </summary>
public interface ITextClassifier
{
    /// <summary>The classes, in ordinal order.</summary>
    IReadOnlyList<string> Labels { get; }

    /// <summary>Classifies one text. Thread-safe.</summary>
    /// <param name="text">The text.</param>
    Prediction Predict(string text);

    /// <summary>Classifies a stream of texts of any length in constant memory, in order. Thread-safe.</summary>
    /// <param name="texts">The texts.</param>
    /// <param name="cancellationToken">Stops the work.</param>
    IEnumerable<Prediction> Predict(IEnumerable<string> texts, CancellationToken cancellationToken = default);
}
