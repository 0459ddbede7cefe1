using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Recipes;

/// <summary>The recipe whose views are given.</summary>
internal sealed class FixedTraining(
    Recipe.Fixed recipe,
    IReadOnlyList<string> classes,
    OpenBackbones backbones,
    int seed,
    IProgress<WorkProgress>? progress,
    CancellationToken cancellationToken)
    : RecipeTraining(backbones, seed, progress, cancellationToken)
{
    public override ReadingPlan PlanReading(TrainingTexts texts)
    {
        RequireDistinct(recipe.Backbones);
        EncoderOptions options = new()
        {
            Views = recipe.Views,
            Prompt = Fill(recipe.Prompt, classes),
            PromptName = recipe.PromptName,
            PadTo = recipe.PadTo,
            MaxTokens = recipe.MaxTokens,
            Precision = recipe.Precision,
        };
        return new ReadingPlan(
        [
            .. recipe.Backbones.Select(name => Backbones.Open(name, Work)).Select(
                backbone => (backbone, BackbonePlan.ForTraining(backbone, options))),
        ]);
    }

    protected override LearningPlan PlanLearning(Features features) => PlanOf(recipe.Head);
}
