using System.CommandLine;

namespace LlmEmbed.Cli;

/// <summary>The options of the reference recipes.</summary>
internal sealed class ReferenceArguments
{
    /// <summary>The recipes that <c>--recipe</c> names.</summary>
    private enum Kind
    {
        Auto,
        Reference,
        ReferenceRepaired,
    }

    private readonly Option<Kind> _recipe = CommonOptions.Choice<Kind>(
        "--recipe",
        "auto (chooses depths, poolings, penalty and class weights on your training texts), reference (the released LLMEmbed recipe to the letter) " +
        "or reference-repaired " +
        "(its architecture without its faults). Default: auto.");

    private readonly Option<string?> _llama = Role("--llama", "the decoder in LLaMA2's role (last five depths)");
    private readonly Option<string?> _bert = Role("--bert", "the encoder in BERT's role (its pooler)");
    private readonly Option<string?> _roberta = Role("--roberta", "the encoder in RoBERTa's role (first token); may be the same as --bert");
    private readonly Option<float?> _sigma = new("--sigma")
    {
        Description = "Reference recipes: σ of the power normalization. Required for reference.",
        HelpName = "X",
    };
    private readonly Option<int?> _epochs = CommonOptions.Count(
        "--epochs", "N", "Reference recipes: passes over the training data. Required for reference; at most so many for reference-repaired.");

    private readonly Option<bool> _unpadded = new("--unpadded")
    {
        Description = "Recipe reference: means over real tokens only, instead of --pad-to. A deviation from the release that saves most of the cost.",
    };

    /// <summary>All of them.</summary>
    public IReadOnlyList<Option> All => [_recipe, .. ForReference];

    private Option[] ForReference => [_llama, _bert, _roberta, _sigma, _epochs, _unpadded];

    public void AddTo(ToolCommand command)
    {
        command.Files.Add(PathRole.Model, _llama, _bert, _roberta);
        command.Add(_recipe);
        foreach (Option option in ForReference) command.Add(option);
    }

    /// <summary>The reference recipe that is asked for; null for the automatic one.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="encoder">What it says about the reading.</param>
    /// <param name="fusion">How the head fuses.</param>
    /// <param name="weighting">How rare classes weigh.</param>
    /// <param name="views">Options that say which views are read.</param>
    /// <param name="refused">Other options that a reference recipe decides itself.</param>
    public Recipe? Read(
        ParseResult parsed,
        EncoderOptions encoder,
        FusionOperators fusion,
        ClassWeighting weighting,
        IReadOnlyList<Option> views,
        IReadOnlyList<Option> refused)
    {
        Kind kind = parsed.GetValue(_recipe);
        if ((kind == Kind.Auto ? ForReference : refused).FirstOrDefault(IsGiven) is { } wrong)
            throw new WrongUsageException(kind == Kind.Auto
                ? $"{wrong.Name} belongs to --recipe reference or reference-repaired."
                : $"{wrong.Name} cannot be given with a reference recipe, which decides that itself.");
        if (kind == Kind.Auto) return null;
        if (views.Any(IsGiven))
            throw new LlmEmbedException(
                "The reference recipes prescribe views: depths and poolings cannot be chosen. Leave them out, or use --recipe auto.");
        if (encoder.Prompt is not null || encoder.PromptName is not null)
            throw new LlmEmbedException("The reference recipes know neither prompts nor time budgets. Leave them out, or use --recipe auto.");
        ReferenceRoles roles = new(Required(_llama), Required(_bert), Required(_roberta));
        (float? sigma, int? epochs, bool isUnpadded) = (parsed.GetValue(_sigma), parsed.GetValue(_epochs), parsed.GetValue(_unpadded));
        // Fidelity first: int8 only if it is asked for.
        Precision precision = encoder.Precision == Precision.Auto ? Precision.Fp32 : encoder.Precision;
        if (kind == Kind.ReferenceRepaired)
        {
            if (encoder.PadTo is not null)
                throw new LlmEmbedException("The repaired recipe masks padding, so there is nothing to pad to: leave --pad-to out.");
            return new Recipe.ReferenceRepaired
            {
                Roles = roles,
                Sigma = sigma,
                MaxEpochs = epochs,
                Fusion = fusion,
                ClassWeighting = weighting,
                MaxTokens = encoder.MaxTokens,
                Precision = precision,
            };
        }
        if (sigma is null || epochs is null)
            throw new LlmEmbedException("The released recipe has no default for σ and the number of epochs: give both (--sigma, --epochs).");
        if (isUnpadded == encoder.PadTo is not null)
            throw new LlmEmbedException(
                "The released recipe pads every text to a length of its data set (128 for SST-2, 256 for AG News): give either that length " +
                "(--pad-to) or ask for real tokens " +
                "only (--unpadded).");
        return new Recipe.Reference
        {
            Roles = roles,
            Sigma = sigma.Value,
            Epochs = epochs.Value,
            PadTo = encoder.PadTo,
            Fusion = fusion,
            ClassWeighting = weighting,
            MaxTokens = encoder.MaxTokens,
            Precision = precision,
        };

        bool IsGiven(Option option) => parsed.GetResult(option) is { Implicit: false };

        string Required(Option<string?> role) => parsed.GetValue(role)
            ?? throw new WrongUsageException($"--recipe {CommonOptions.NameOf(kind)} needs {role.Name}: a model for each of its three roles.");
    }

    private static Option<string?> Role(string name, string role) =>
        new(name) { Description = $"Reference recipes: {role}.", HelpName = "NAME|DIR|FILE.gguf" };
}
