using System.CommandLine;

namespace LlmEmbed.Cli;

/// <summary>The options that say what is read of a backbone.</summary>
internal sealed class EncoderArguments(Precision precision = Precision.Auto)
{
    private readonly Option<string?> _depths = CommonOptions.Depths();
    private readonly Option<IReadOnlyList<Pooling>?> _poolings = CommonOptions.Poolings();
    private readonly Option<int?> _maxTokens = CommonOptions.MaxTokens();
    private readonly Option<string?> _prompt = CommonOptions.Prompt();
    private readonly Option<string?> _promptName = CommonOptions.PromptName();
    private readonly Option<int?> _padTo = CommonOptions.PadTo();
    private readonly Option<Precision> _precision = CommonOptions.Choice<Precision>(
        "--precision",
        "What matrix products are computed in; auto is int8 where it keeps the states of a small built-in sample, fp32 otherwise. " +
        $"Default: {CommonOptions.NameOf(precision)}.");

    /// <summary>Those that say which views are read.</summary>
    public IReadOnlyList<Option> ForViews => [_depths, _poolings];

    public IReadOnlyList<Option> All => [_depths, _poolings, _maxTokens, _prompt, _promptName, _padTo, _precision];

    public Option Prompt => _prompt;

    public Option PadTo => _padTo;

    public void AddTo(Command command)
    {
        foreach (Option option in All) command.Add(option);
    }

    /// <param name="parsed">The command line.</param>
    /// <param name="byDefault">The precision that is taken where none is given; null for that of the command.</param>
    public EncoderOptions Read(ParseResult parsed, Precision? byDefault = null) => new()
    {
        Views = ViewSelection.At(parsed.GetValue(_depths), parsed.GetValue(_poolings)),
        MaxTokens = parsed.GetValue(_maxTokens),
        Prompt = parsed.GetValue(_prompt),
        PromptName = parsed.GetValue(_promptName),
        PadTo = parsed.GetValue(_padTo),
        Precision = parsed.GetResult(_precision) is null ? byDefault ?? precision : parsed.GetValue(_precision),
    };
}
