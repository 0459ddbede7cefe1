using System.CommandLine;
using LlmEmbed.Comparison;

namespace LlmEmbed.Cli;

/// <summary>The options that say how the decoder of a comparison is prompted.</summary>
internal sealed class PromptingArguments
{
    private readonly Option<int?> _promptedTexts = CommonOptions.Count(
        "--prompted-texts", "N", "Test texts, a stratified sample, on which zero-shot and few-shot prompts are measured. Default: 500.");

    private readonly Option<int?> _reasonedTexts = CommonOptions.Count(
        "--reasoned-texts", "N", "Test texts on which chain of thought is measured. Default: 50.");

    private readonly Option<int?> _reasoningTokens = CommonOptions.Count("--reasoning-tokens", "N", "The longest chain of thought. Default: 256.");

    private readonly Option<bool> _noPrompting = new("--no-prompting")
    {
        Description = "Leave out zero-shot, few-shot and chain-of-thought prompts of the decoder.",
    };

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _promptedTexts, _reasonedTexts, _reasoningTokens, _noPrompting }) command.Add(option);
    }

    /// <returns>Null if no prompt is to be measured.</returns>
    public PromptingOptions? Read(ParseResult parsed)
    {
        if (parsed.GetValue(_noPrompting)) return null;
        PromptingOptions defaults = new();
        return defaults with
        {
            Texts = parsed.GetValue(_promptedTexts) ?? defaults.Texts,
            ReasonedTexts = parsed.GetValue(_reasonedTexts) ?? defaults.ReasonedTexts,
            ReasoningTokens = parsed.GetValue(_reasoningTokens) ?? defaults.ReasoningTokens,
        };
    }
}
