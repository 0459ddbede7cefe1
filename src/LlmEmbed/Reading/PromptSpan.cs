namespace LlmEmbed.Reading;

/// <summary>Where a text lies among the tokens of the prompt around it.</summary>
/// <param name="Before">Tokens before the text, the model's own special tokens included.</param>
/// <param name="After">Tokens behind it.</param>
internal readonly record struct PromptSpan(int Before, int After)
{
    /// <summary>The text's own of so many tokens; without a prompt the special tokens count as the text's.</summary>
    public Range Text(int count) => Math.Min(Before, count - After)..(count - After);

    /// <summary>The same without the first token of all, unless there is no other.</summary>
    public Range TextWithoutFirst(int count) => Before == 0 && count - After > 1 ? 1..(count - After) : Text(count);

    /// <summary>The tokens that attention pooling chooses among.</summary>
    public Range Attended(int count, bool isCausal) => isCausal ? TextWithoutFirst(count) : Text(count);
}
