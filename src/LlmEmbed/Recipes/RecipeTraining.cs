using LlmEmbed.Data;
using LlmEmbed.Evaluation;
using LlmEmbed.Learning;
using LlmEmbed.Reading;
using LlmEmbed.Tokenization;

namespace LlmEmbed.Recipes;

/// <summary>A training by one recipe: its stages, to be called in the order in which they stand here.</summary>
internal abstract class RecipeTraining(OpenBackbones backbones, int seed, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
{
    protected OpenBackbones Backbones { get; } = backbones;

    protected RuntimeOptions Runtime => Backbones.Runtime;

    protected int Seed { get; } = seed;

    /// <summary>Threads that train heads.</summary>
    protected int Threads => Runtime.Threads ?? Environment.ProcessorCount;

    protected IProgress<WorkProgress>? Progress { get; } = progress;

    protected CancellationToken CancellationToken { get; } = cancellationToken;

    protected Work Work => new(Progress, CancellationToken);

    /// <summary>The training that a recipe asks for.</summary>
    /// <exception cref="LlmEmbedException">The recipe's own options cannot be used.</exception>
    public static RecipeTraining For(
        TrainingOptions options,
        IReadOnlyList<string> classes,
        OpenBackbones backbones,
        IProgress<WorkProgress>? progress,
        CancellationToken cancellationToken) =>
        options.Recipe switch
        {
            // The sizes of the co-occurrence head follow from the views, so it is not compared at other ones.
            Recipe.Automatic { Head: HeadOptions.Cooccurrence } recipe => new FixedTraining(
                new()
                {
                    Backbones = recipe.Backbones,
                    Prompt = recipe.Prompt,
                    PromptName = recipe.PromptName,
                    Head = recipe.Head,
                    Precision = recipe.Precision,
                    MaxTokens = recipe.MaxTokens,
                },
                classes, backbones, options.Seed, progress, cancellationToken),
            Recipe.Automatic recipe => new AutomaticTraining(recipe, classes, backbones, options.Seed, progress, cancellationToken),
            Recipe.Fixed recipe => new FixedTraining(recipe, classes, backbones, options.Seed, progress, cancellationToken),
            Recipe.Reference recipe => new ReferenceTraining(recipe, backbones, options.Seed, progress, cancellationToken),
            Recipe.ReferenceRepaired recipe => new ReferenceTraining(recipe, backbones, options.Seed, progress, cancellationToken),
            _ => throw new ArgumentException($"The recipe {options.Recipe.GetType().Name} is not known.", nameof(options)),
        };

    /// <summary>Refuses examples that give one of the recipe's backbones no token of their own.</summary>
    /// <exception cref="LlmEmbedException">There is one.</exception>
    public void RequireTexts(IReadOnlyList<LabeledText> examples, Recipe recipe)
    {
        if (recipe is Recipe.Automatic automatic) UnlabelledReading.RequireUsable(automatic, examples.Count);
        EmptyTexts.Refuse(examples, TokenizersOf(recipe), CancellationToken);
    }

    /// <summary>The examples that there is time for, ascending.</summary>
    public virtual int[] AffordableRows(IReadOnlyList<LabeledText> examples, IReadOnlyList<string> classes) =>
        [.. Enumerable.Range(0, examples.Count)];

    /// <summary>Finds out which views of which backbones are to be read of all texts.</summary>
    /// <param name="texts">Only the kept ones are looked at.</param>
    public abstract ReadingPlan PlanReading(TrainingTexts texts);

    /// <summary>Reads all texts, those that are held out too: neither the choice of views nor the head that is measured on them sees them.</summary>
    public Features Read(TrainingTexts texts, ReadingPlan plan)
    {
        Features features = plan.Read(texts, Runtime, Progress, CancellationToken);
        return Disposal.OnFailure([features], () => Settle(texts, features));
    }

    /// <summary>
    /// Measures on the held-out texts what is trained on the kept ones; null if none are held out. It is what a user may expect of new texts.
    /// </summary>
    public EvaluationReport? Measure(TrainingTexts texts, Features features)
    {
        if (texts.HeldOut.Length == 0) return null;
        HeadTrainingData data = DataOf(texts, features), part = data.Select(texts.Kept);
        using FeatureMatrix seen = part.Features, unseen = data.Features.Select(texts.HeldOut);
        TrainedHead head = HeadTrainer.Train(part, PlanLearning(features), Progress, CancellationToken);
        using IHead _ = head.Head;
        using FeatureMatrix read = head.Read(unseen, data.Layout, [.. data.Tokens.Select(tokens => tokens.Select(texts.HeldOut))]);
        float[] probabilities = head.Probabilities(read, [.. texts.HeldOut.Select(row => texts.Texts[row])]);
        return EvaluationReport.Compute([.. texts.Classes], probabilities, [.. texts.HeldOut.Select(row => texts.Labels[row])]);
    }

    /// <summary>Trains the head on all texts.</summary>
    public TrainedHead Learn(TrainingTexts texts, Features features) =>
        HeadTrainer.Train(DataOf(texts, features), PlanLearning(features), Progress, CancellationToken);

    /// <summary>What is learned of the features.</summary>
    protected abstract LearningPlan PlanLearning(Features features);

    /// <summary>A last choice among the views that were read, on more texts than the sample.</summary>
    protected virtual Features Settle(TrainingTexts texts, Features features) => features;

    /// <summary>A plan of learning with what is the same for all recipes.</summary>
    protected LearningPlan PlanOf(HeadOptions head) => new(head) { Seed = (ulong)Seed, Threads = Threads };

    /// <summary>The prompt with the classes in it; null for none.</summary>
    /// <exception cref="LlmEmbedException">The template holds <c>{text}</c> more than once.</exception>
    protected static string? Fill(string? prompt, IReadOnlyList<string> classes) => PromptTemplate.Fill(prompt, classes);

    /// <exception cref="LlmEmbedException">No backbone is named, or one twice.</exception>
    protected static void RequireDistinct(IReadOnlyList<string> names)
    {
        if (names.Count == 0) throw new LlmEmbedException("No backbone to train on: name at least one.");
        if (names.GroupBy(name => name, StringComparer.Ordinal).FirstOrDefault(group => group.Count() > 1) is { } repeated)
            throw new LlmEmbedException(
                $"The backbone '{repeated.Key}' is named twice. Name it once; several depths and poolings of one backbone are asked for together.");
    }

    /// <summary>The tokenizers of a recipe's backbones.</summary>
    protected IReadOnlyList<Tokenizer> TokenizersOf(Recipe recipe) =>
        EmptyTexts.TokenizersOf(recipe.BackboneNames, name => Backbones.Open(name, Work).Tokenizer);

    /// <summary>Reads the texts without labels; null if there are none.</summary>
    protected virtual UnlabelledTexts? ReadUnlabelled(Features features) => null;

    private HeadTrainingData DataOf(TrainingTexts texts, Features features)
    {
        HeadTrainingData data = features.With(texts) with { Unlabelled = _unlabelled ??= ReadUnlabelled(features) };
        bool readsNames = PlanLearning(features).Head is HeadOptions.Automatic && data.Rows <= ClassNames.MostTexts;
        return readsNames ? data with { ClassNames = _classNames ??= NameFeatures.Read(features.Reader, texts.Classes, CancellationToken) } : data;
    }

    private FeatureMatrix? _classNames;
    private UnlabelledTexts? _unlabelled;
}
