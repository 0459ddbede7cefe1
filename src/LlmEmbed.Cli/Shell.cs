namespace LlmEmbed.Cli;

/// <summary>What is printed for the next command line.</summary>
internal static class Shell
{
    /// <summary>A command that can be pasted into the shell of this system, whatever its words hold.</summary>
    public static string Command(params IEnumerable<string> words) =>
        string.Join(' ', words.Select(word => Quote(word, OperatingSystem.IsWindows())));

    /// <summary>A word as the shell has to read it to pass it on unchanged: as it is where nothing in it means something to the shell.</summary>
    /// <param name="word">Any text.</param>
    /// <param name="isWindows">Whether the shell is that of Windows, which knows double quotes only.</param>
    public static string Quote(string word, bool isWindows)
    {
        const string Plain = "_-./:=@%+,";
        if (word.Length > 0 && word.All(character => char.IsAsciiLetterOrDigit(character) || Plain.Contains(character, StringComparison.Ordinal)
                || (character == '\\' && isWindows)))
            return word;
        // A name on Windows cannot hold a double quote; a backslash before the closing one would belong to it.
        if (isWindows) return $"\"{word}{(word.EndsWith('\\') ? "\\" : "")}\"";
        return $"'{word.Replace("'", "'\\''", StringComparison.Ordinal)}'";
    }
}
