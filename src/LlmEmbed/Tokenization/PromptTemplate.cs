namespace LlmEmbed.Tokenization;

/// <summary>Fills templates of prompts with the classes of a task.</summary>
internal static class PromptTemplate
{
    /// <summary>The name of a template that suits every task.</summary>
    public const string Generic = "auto";

    private const string Place = "{text}";

    /// <summary>Characters of the list of classes, at most: a longer list would outweigh the text.</summary>
    private const int LongestList = 200;

    /// <summary>Whether a prompt says where the text stands in it; any other stands before the text, as sentence-transformers has it.</summary>
    public static bool IsTemplate(string prompt) => prompt.Contains(Place, StringComparison.Ordinal);

    /// <summary>The parts of a template before the text and behind it.</summary>
    /// <exception cref="LlmEmbedException">The template does not hold <c>{text}</c> once.</exception>
    public static (string Before, string After) Parts(string template) => template.Split(Place) is [string before, string after]
        ? (before, after)
        : throw new LlmEmbedException(
            $"The prompt '{template}' must hold {{text}} once, where the text goes, or not at all if it stands before the text.");

    /// <summary>A template with the classes in it, or null if there is none.</summary>
    /// <param name="prompt">A template or what stands before the text, in which <c>{labels}</c> stands for the classes; "auto"; or null.</param>
    /// <param name="labels">The classes.</param>
    /// <exception cref="LlmEmbedException">The template holds <c>{text}</c> more than once.</exception>
    public static string? Fill(string? prompt, IReadOnlyList<string> labels)
    {
        string list = string.Join(", ", labels);
        if (prompt == Generic)
        {
            string labelled = list.Length <= LongestList ? " Possible labels: {labels}." : "";
            prompt = $"Classify the text.{labelled}\nText: {{text}}\nLabel:";
        }
        if (prompt is not null && IsTemplate(prompt)) Parts(prompt);
        return prompt?.Replace("{labels}", list, StringComparison.Ordinal);
    }
}
