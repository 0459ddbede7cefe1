using System.CommandLine;

namespace LlmEmbed.Cli;

/// <summary>The options of the reference recipes.</summary>
internal sealed class ReferenceArguments
{
    private readonly Option<Recipe> _recipe = CommonOptions.Choice<Recipe>(
        "--recipe", "auto (chooses depths, poolings, penalty and class weights on your training texts), reference (the released LLMEmbed recipe to the letter) or reference-repaired (its architecture without its faults). Default: auto.");

    private readonly Option<string?> _llama = Role("--llama", "the decoder in LLaMA2's role (last five depths)");
    private readonly Option<string?> _bert = Role("--bert", "the encoder in BERT's role (its pooler)");
    private readonly Option<string?> _roberta = Role("--roberta", "the encoder in RoBERTa's role (first token); may be the same as --bert");
    private readonly Option<float?> _sigma = new("--sigma") { Description = "Reference recipes: σ of the power normalisation. Required for reference.", HelpName = "X" };
    private readonly Option<int?> _epochs = CommonOptions.Count("--epochs", "N", "Reference recipes: passes over the training data. Required for reference; at most so many for reference-repaired.");
    private readonly Option<bool> _unpadded = new("--unpadded") { Description = "Recipe reference: means over real tokens only, instead of --pad-to. A deviation from the release that saves most of the cost." };

    private Option[] ForReference => [_llama, _bert, _roberta, _sigma, _epochs, _unpadded];

    public void AddTo(Command command)
    {
        command.Add(_recipe);
        foreach (Option option in ForReference) command.Add(option);
    }

    /// <param name="parsed">The command line.</param>
    /// <param name="options">What it asks for apart from the recipe.</param>
    /// <param name="refused">Options that a reference recipe decides itself.</param>
    public TrainingOptions Apply(ParseResult parsed, TrainingOptions options, IReadOnlyList<Option> refused)
    {
        Recipe recipe = parsed.GetValue(_recipe);
        IReadOnlyList<Option> wrong = recipe == Recipe.Auto ? ForReference : refused;
        if (wrong.FirstOrDefault(option => parsed.GetResult(option) is { Implicit: false }) is { } first)
            throw new WrongUsageException(recipe == Recipe.Auto ? $"{first.Name} belongs to --recipe reference or reference-repaired." : $"{first.Name} cannot be given with a reference recipe, which decides that itself.");
        if (recipe == Recipe.Auto) return options;
        ReferenceOptions roles = new()
        {
            Llama = Required(_llama),
            Bert = Required(_bert),
            Roberta = Required(_roberta),
            Sigma = parsed.GetValue(_sigma),
            Epochs = parsed.GetValue(_epochs),
            Unpadded = parsed.GetValue(_unpadded),
        };
        // Fidelity first: int8 only where it is asked for.
        Precision precision = options.Encoder.Precision == Precision.Auto ? Precision.Fp32 : options.Encoder.Precision;
        return options with { Recipe = recipe, Reference = roles, Encoder = options.Encoder with { Precision = precision } };

        string Required(Option<string?> role) => parsed.GetValue(role)
            ?? throw new WrongUsageException($"--recipe {parsed.GetResult(_recipe)!.Tokens[0].Value} needs {role.Name}: a model for each of its three roles.");
    }

    private static Option<string?> Role(string name, string role) => new(name) { Description = $"Reference recipes: {role}.", HelpName = "NAME|DIR|FILE.gguf" };
}
