using Microsoft.ML.Transforms;

namespace LlmEmbed;

/// <summary>
/// What a pipeline that was saved finds again by the name of its contract. Such a mapping is saved without anything of its own, so the folder of the
/// classifier comes to it as a column.
/// </summary>
[CustomMappingFactoryAttribute(Contract)]
internal sealed class PredictMapping : CustomMappingFactory<PredictInput, PredictOutput>
{
    public const string Contract = "LlmEmbed.Predict";

    public override Action<PredictInput, PredictOutput> GetMapping() => Predict;

    public static void Predict(PredictInput input, PredictOutput output)
    {
        ITextClassifier classifier = LlmEmbedClassifiers.Get(input.LlmEmbedFolder);
        Prediction prediction = classifier.Predict(input.LlmEmbedText);
        Dictionary<string, double> probabilities = prediction.Ranked.ToDictionary(
            item => item.Label, item => item.Probability, StringComparer.Ordinal);
        output.PredictedLabel = prediction.Label;
        output.Probability = (float)prediction.Probability;
        output.IsTruncated = prediction.IsTruncated;
        output.Score = [.. classifier.Labels.Select(label => (float)probabilities.GetValueOrDefault(label))];
    }
}

/// <summary>The columns that the mapping reads; their names are its own, since a mapping that was saved forgets renamed ones.</summary>
internal sealed class PredictInput
{
    public string LlmEmbedText { get; set; } = "";

    public string LlmEmbedFolder { get; set; } = "";
}

/// <summary>The columns that the mapping writes.</summary>
internal sealed class PredictOutput
{
    public string PredictedLabel { get; set; } = "";

    public float Probability { get; set; }

    /// <summary>The probability of each class, in the classifier's order.</summary>
    public float[] Score { get; set; } = [];

    public bool IsTruncated { get; set; }
}

/// <summary>The column from which features are made.</summary>
internal sealed class FeaturesInput
{
    public string Text { get; set; } = "";
}

/// <summary>The column of features.</summary>
internal sealed class FeaturesOutput
{
    public float[] Features { get; set; } = [];
}
