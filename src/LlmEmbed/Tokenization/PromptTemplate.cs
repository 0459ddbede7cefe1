namespace LlmEmbed.Tokenization;

/// <summary>Prompts with what is known of the task.</summary>
internal static class PromptTemplate
{
    /// <summary>The name of a template that suits every task.</summary>
    public const string Generic = "auto";

    /// <summary>Longer lists of classes would outweigh the text.</summary>
    private const int LongestList = 200;

    /// <summary>What stands before the text and behind it.</summary>
    /// <exception cref="LlmEmbedException">The template does not hold <c>{text}</c> once.</exception>
    public static (string Before, string After) Parts(string template) => template.Split("{text}") is [string before, string after]
        ? (before, after)
        : throw new LlmEmbedException($"The prompt '{template}' must hold {{text}} exactly once, where the text to classify goes.");

    /// <param name="prompt">A template in which <c>{labels}</c> stands for the classes, "auto", or null.</param>
    /// <param name="labels">The classes.</param>
    /// <exception cref="LlmEmbedException">The template does not hold <c>{text}</c> once.</exception>
    public static string? Fill(string? prompt, IReadOnlyList<string> labels)
    {
        string list = string.Join(", ", labels);
        if (prompt == Generic) prompt = list.Length <= LongestList ? "Classify the text. Possible labels: {labels}.\nText: {text}\nLabel:" : "Classify the text.\nText: {text}\nLabel:";
        if (prompt is not null) Parts(prompt);
        return prompt?.Replace("{labels}", list, StringComparison.Ordinal);
    }
}
