using System.CommandLine;

namespace LlmEmbed.Cli;

/// <summary>The options of train that say what is read of which backbones, and what is learned of it.</summary>
internal sealed class TrainingArguments
{
    private readonly Option<string[]> _backbones = CommonOptions.Backbones();
    private readonly Option<HeadOptions?> _head = CommonOptions.Head();
    private readonly Option<FusionOperators?> _fusion = CommonOptions.Fusion();
    private readonly Option<ClassWeighting> _classWeight = CommonOptions.Choice<ClassWeighting>(
        "--class-weight", "none, balanced (every class counts the same, however rare), or auto: what cross-validation prefers. Default: auto.");

    private readonly Option<bool> _noWords = CommonOptions.NoWords(), _noAttention = CommonOptions.NoAttention();
    private readonly Option<TimeSpan?> _budget = CommonOptions.Budget();
    private readonly Option<int> _seed = new("--seed") { Description = "Seed of every random choice. Default: 0.", HelpName = "N" };
    private readonly ReferenceArguments _reference = new();

    /// <summary>The options that have nothing to do with a reading that is no training.</summary>
    public IReadOnlyList<Option> OfTraining =>
        [_head, _fusion, _classWeight, _noWords, _noAttention, _budget, _seed, .. _reference.All];

    /// <summary>The backbones that were named.</summary>
    public string[] BackbonesOf(ParseResult parsed) => parsed.GetValue(_backbones) ?? [];

    /// <summary>The option that names backbones.</summary>
    public Option Backbones => _backbones;

    public void AddTo(ToolCommand command)
    {
        foreach (Option option in new Option[] { _backbones, _head, _fusion, _classWeight, _noWords, _noAttention, _budget, _seed })
            command.Add(option);
        command.Files.Add(PathRole.Model, _backbones, new Recipe.Automatic().Backbones);
        _reference.AddTo(command);
    }

    /// <summary>The training that is asked for, with nothing held out.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="encoderArguments">The options about the reading.</param>
    /// <exception cref="WrongUsageException">Options do not go together.</exception>
    public TrainingOptions Read(ParseResult parsed, EncoderArguments encoderArguments)
    {
        EncoderOptions encoder = encoderArguments.Read(parsed, byDefault: Precision.Auto);
        ClassWeighting weighting = parsed.GetValue(_classWeight);
        FusionOperators? fusion = parsed.GetValue(_fusion);
        HeadOptions head = HeadOf(parsed.GetValue(_head), weighting, usesWords: !parsed.GetValue(_noWords), fusion);
        string[]? names = parsed.GetValue(_backbones) is { Length: > 0 } given ? given : null;
        Recipe recipe = _reference.Read(
            parsed,
            encoder,
            fusion ?? FusionOperators.Cooccurrence,
            weighting,
            encoderArguments.ForViews,
            refused: [_backbones, _head, _budget])
            ?? (encoder.Views == ViewSelection.Default && encoder.PadTo is null
                ? Automatic(encoder, head, names, !parsed.GetValue(_noAttention), parsed.GetValue(_budget))
                : Fixed(encoder, head, names, parsed.GetValue(_budget)));
        if (fusion is not null && recipe is (Recipe.Automatic or Recipe.Fixed) && head is not HeadOptions.Cooccurrence)
            throw new WrongUsageException("--fusion belongs to --head cooccurrence and to the reference recipes; no other head fuses views.");
        return new TrainingOptions { Recipe = recipe, Seed = parsed.GetValue(_seed) };
    }

    private static HeadOptions HeadOf(HeadOptions? head, ClassWeighting weighting, bool usesWords, FusionOperators? fusion) =>
        ((head ?? new HeadOptions.Automatic()) with { ClassWeighting = weighting }) switch
        {
            HeadOptions.Automatic automatic => automatic with { UseWords = usesWords },
            HeadOptions.Cooccurrence cooccurrence => cooccurrence with { Fusion = fusion ?? cooccurrence.Fusion },
            HeadOptions other => other,
        };

    private static Recipe.Automatic Automatic(EncoderOptions encoder, HeadOptions head, string[]? backbones, bool usesAttention, TimeSpan? budget)
    {
        Recipe.Automatic recipe = new()
        {
            Head = head,
            UseAttention = usesAttention,
            Budget = budget,
            Prompt = encoder.Prompt,
            PromptName = encoder.PromptName,
            MaxTokens = encoder.MaxTokens,
            Precision = encoder.Precision,
        };
        return backbones is null ? recipe : recipe with { Backbones = backbones };
    }

    private static Recipe.Fixed Fixed(EncoderOptions encoder, HeadOptions head, string[]? backbones, TimeSpan? budget)
    {
        if (budget is not null)
            throw new WrongUsageException(
                "--budget cannot be given with --depths, --pooling or --pad-to: it keeps within a time by choosing less to read.");
        Recipe.Fixed recipe = new()
        {
            Head = head,
            Views = encoder.Views,
            PadTo = encoder.PadTo,
            Prompt = encoder.Prompt,
            PromptName = encoder.PromptName,
            MaxTokens = encoder.MaxTokens,
            Precision = encoder.Precision,
        };
        return backbones is null ? recipe : recipe with { Backbones = backbones };
    }
}
