using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Data;

/// <summary>What a classifier is trained on, before anything is read of it.</summary>
/// <param name="Texts">The N texts.</param>
/// <param name="Labels">[N], indexes of classes.</param>
/// <param name="ClassCount">C.</param>
/// <param name="Groups">[N]: texts with the same number are held out together (see <see cref="OverlappingTexts"/>); empty where each is on its own.</param>
internal sealed record TrainingTexts(string[] Texts, int[] Labels, int ClassCount, int[] Groups)
{
    /// <summary>The chosen rows.</summary>
    public TrainingTexts Select(int[] rows) =>
        new([.. rows.Select(row => Texts[row])], [.. rows.Select(row => Labels[row])], ClassCount, OverlappingTexts.Select(Groups, rows));

    /// <summary>With what networks made of the texts.</summary>
    public HeadTrainingData With(FeatureMatrix features, FeatureLayout layout) => new(features, Labels, ClassCount, layout) { Texts = Texts, Groups = Groups };
}
