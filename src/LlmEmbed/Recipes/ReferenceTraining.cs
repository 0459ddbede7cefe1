using LlmEmbed.Data;
using LlmEmbed.Learning;
using LlmEmbed.Reading;

namespace LlmEmbed.Recipes;

/// <summary>The released LLMEmbed recipe, or its repair.</summary>
internal sealed class ReferenceTraining : RecipeTraining
{
    /// <summary>Depths that the release takes of LLaMA2, from the last one down.</summary>
    private const int DecoderDepths = 5;

    /// <summary>
    /// The length that the release pads BERT's and RoBERTa's input to. The mask makes that padding harmless, so only the truncation is done here.
    /// </summary>
    private const int EncoderMaxTokens = 512;

    /// <summary>Far more than early stopping lets happen.</summary>
    private const int RepairedMaxEpochs = 500;

    private readonly Recipe _recipe;
    private readonly ReferenceRoles _roles;
    private readonly int? _padTo;
    private readonly Pooling _decoderPooling;
    private readonly LearningPlan _learning;

    /// <exception cref="LlmEmbedException">σ or the number of epochs is out of range, or a model is a decoder and an encoder at once.</exception>
    public ReferenceTraining(
        Recipe.Reference recipe, OpenBackbones backbones, int seed, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
        : base(backbones, seed, progress, cancellationToken)
    {
        (_recipe, _roles, _padTo, _decoderPooling) = (recipe, recipe.Roles, recipe.PadTo, recipe.PadTo is null ? Pooling.Mean : Pooling.MeanWithPads);
        Check(recipe.Sigma, recipe.Epochs);
        _learning = PlanOf(recipe, Seed, Threads);
    }

    /// <inheritdoc cref="ReferenceTraining(Recipe.Reference, OpenBackbones, int, IProgress{WorkProgress}?, CancellationToken)"/>
    public ReferenceTraining(
        Recipe.ReferenceRepaired recipe, OpenBackbones backbones, int seed, IProgress<WorkProgress>? progress, CancellationToken cancellationToken)
        : base(backbones, seed, progress, cancellationToken)
    {
        (_recipe, _roles, _decoderPooling) = (recipe, recipe.Roles, Pooling.Mean);
        Check(recipe.Sigma, recipe.MaxEpochs);
        _learning = PlanOf(recipe, Seed, Threads);
    }

    /// <summary>The backbones in the order that the head expects, each with what is kept of it. One encoder in two roles is read once.</summary>
    public override ReadingPlan PlanReading(TrainingTexts texts)
    {
        bool isOneEncoder = _roles.Bert == _roles.Roberta;
        List<(OpenBackbone Backbone, BackbonePlan)> plans = [Decoder()];
        plans.Add(
            Encoder(
                "--bert", _roles.Bert, last => isOneEncoder ? [new(last, Pooling.Pooler), new(last, Pooling.First)] : [new(last, Pooling.Pooler)]));
        if (!isOneEncoder) plans.Add(Encoder("--roberta", _roles.Roberta, last => [new(last, Pooling.First)]));
        if (plans.Skip(1).FirstOrDefault(encoder => encoder.Backbone.Name == plans[0].Backbone.Name) is { Backbone: { } namesake })
            throw new LlmEmbedException(
                $"The decoder and an encoder are both named '{namesake.Name}', and the head tells them apart by name. Rename the folder of one.");
        return new ReadingPlan(plans);
    }

    /// <summary>What the released recipe learns.</summary>
    public static LearningPlan PlanOf(Recipe.Reference recipe, int seed, int threads) =>
        new(new HeadOptions.Cooccurrence { Fusion = recipe.Fusion, ClassWeighting = recipe.ClassWeighting })
        {
            Seed = (ulong)seed,
            Threads = threads,
            Network = CooccurrenceOptions.Reference(recipe.Sigma, recipe.Epochs) with { Fusion = recipe.Fusion },
        };

    /// <summary>What its repair learns.</summary>
    public static LearningPlan PlanOf(Recipe.ReferenceRepaired recipe, int seed, int threads) =>
        new(new HeadOptions.Cooccurrence { Fusion = recipe.Fusion, ClassWeighting = recipe.ClassWeighting })
        {
            Seed = (ulong)seed,
            Threads = threads,
            Network = CooccurrenceOptions.Reference(recipe.Sigma ?? new CooccurrenceOptions().Sigma, recipe.MaxEpochs ?? RepairedMaxEpochs) with
            {
                Fusion = recipe.Fusion,
                Recipe = NetworkRecipe.Repaired,
                Loss = CooccurrenceLoss.CrossEntropy,
                GramVectors = GramVectors.UnitLength,
                Standardize = true,
                Patience = 6,
            },
        };

    protected override LearningPlan PlanLearning(Features features) => _learning;

    private void Check(float? sigma, int? epochs)
    {
        if (sigma is not (null or (> 0 and < float.PositiveInfinity)))
            throw new LlmEmbedException($"σ (--sigma) is {sigma}, expected a number above 0.");
        if (epochs < 1) throw new LlmEmbedException($"{epochs} epochs (--epochs) were asked for, expected at least 1.");
        if (_roles.Llama == _roles.Bert || _roles.Llama == _roles.Roberta)
            throw new LlmEmbedException(
                $"'{_roles.Llama}' cannot be the decoder (--llama) and an encoder (--bert, --roberta) at once. One encoder may take both encoders' " +
                "roles.");
    }

    private (OpenBackbone Backbone, BackbonePlan Plan) Decoder() => Open("--llama", _roles.Llama, isDecoder: true, model => new EncoderOptions
    {
        // A smaller model than LLaMA2 may have fewer depths than five; it gives what it has.
        Views = ViewSelection.Of(
            [.. Enumerable.Range(0, Math.Min(DecoderDepths, model.BlockCount + 1)).Select(i => new View(model.BlockCount - i, _decoderPooling))]),
        MaxTokens = _recipe.MaxTokens,
        PadTo = _padTo,
        Precision = _recipe.Precision,
    });

    private (OpenBackbone Backbone, BackbonePlan Plan) Encoder(string role, string name, Func<int, IReadOnlyList<View>> views) =>
        Open(role, name, isDecoder: false, model => new EncoderOptions
        {
            Views = ViewSelection.Of(views(model.BlockCount)),
            MaxTokens = Math.Min(_recipe.MaxTokens ?? EncoderMaxTokens, model.MaxTokens),
            Precision = _recipe.Precision,
        });

    /// <summary>The plan for a role; what is wrong with its model is said with the role's option.</summary>
    private (OpenBackbone Backbone, BackbonePlan Plan) Open(string role, string name, bool isDecoder, Func<Models.Backbone, EncoderOptions> complete)
    {
        try
        {
            OpenBackbone backbone = Backbones.Open(name, Work);
            if (backbone.Model.IsCausal != isDecoder)
                throw new LlmEmbedException(
                    $"{backbone.Name} ({backbone.Checkpoint.Config.ModelType}) is " +
                    (isDecoder ? "an encoder; this role takes a decoder." : "a decoder; this role takes an encoder."));
            BackbonePlan plan = BackbonePlan.For(backbone, complete(backbone.Model));
            BackboneReader.Check(backbone, plan);
            return (backbone, plan);
        }
        catch (LlmEmbedException exception)
        {
            throw new LlmEmbedException($"{role}: {exception.Message}", exception) { FilePath = exception.FilePath };
        }
    }
}
