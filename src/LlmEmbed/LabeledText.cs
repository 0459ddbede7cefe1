namespace LlmEmbed;

/// <summary>One training or evaluation example.</summary>
/// <param name="Text">The text, neither null nor empty.</param>
/// <param name="Label">The class it belongs to. Labels are strings: "01" and "1" are two classes.</param>
public sealed record LabeledText(string Text, string Label);
