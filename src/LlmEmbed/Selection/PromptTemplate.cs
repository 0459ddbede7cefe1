namespace LlmEmbed.Selection;

/// <summary>Prompts with what is known of the task.</summary>
internal static class PromptTemplate
{
    /// <summary>The name of a template that suits every task.</summary>
    public const string Generic = "auto";

    /// <summary>Longer lists of classes would outweigh the text.</summary>
    private const int LongestList = 200;

    /// <param name="prompt">A template in which <c>{labels}</c> stands for the classes, "auto", or null.</param>
    /// <param name="labels">The classes.</param>
    public static string? Fill(string? prompt, IReadOnlyList<string> labels)
    {
        string list = string.Join(", ", labels);
        if (prompt == Generic) prompt = list.Length <= LongestList ? "Classify the text. Possible labels: {labels}.\nText: {text}\nLabel:" : "Classify the text.\nText: {text}\nLabel:";
        return prompt?.Replace("{labels}", list, StringComparison.Ordinal);
    }
}
