using System.Globalization;
using System.Text;

namespace LlmEmbed.Files;

/// <summary>White space, control characters and characters that only steer how others are shown, such as the zero-width space.</summary>
internal static class InvisibleCharacters
{
    /// <summary>The text without invisible characters at its ends.</summary>
    public static string Trim(string text)
    {
        int start = 0, end = text.Length;
        while (start < end && IsInvisible(text[start])) start++;
        while (end > start && IsInvisible(text[end - 1])) end--;
        return text[start..end];
    }

    /// <summary>The text with invisible characters, except blanks, written as <c>\u200b</c>, so that a person sees them in a message.</summary>
    public static string Show(string text)
    {
        if (!text.Any(character => character != ' ' && IsInvisible(character))) return text;
        StringBuilder shown = new();
        foreach (char character in text)
        {
            if (character == ' ' || !IsInvisible(character)) shown.Append(character);
            else shown.Append(CultureInfo.InvariantCulture, $"\\u{(int)character:x4}");
        }
        return shown.ToString();
    }

    public static bool IsInvisible(char character) => char.IsWhiteSpace(character)
        || char.GetUnicodeCategory(character) is UnicodeCategory.Format or UnicodeCategory.Control;
}
