using System.CommandLine;

namespace LlmEmbed.Cli;

/// <summary>
/// Options of a command that are not on the command line and stand in the environment: --max-texts as LLMEMBED_MAX_TEXTS. They are put on the command
/// line, so that they are read and refused as if they had been written there.
/// </summary>
internal static class EnvironmentOptions
{
    /// <summary>Variables that have a meaning of their own for all commands.</summary>
    private static readonly string[] Others = ["LLMEMBED_MODELS"];

    /// <param name="parsed">The command line as it is.</param>
    /// <param name="arguments">The same as words.</param>
    /// <param name="variable">The value of an environment variable; null if it is not set.</param>
    /// <returns>The words with those of the environment.</returns>
    public static IReadOnlyList<string> Added(ParseResult parsed, IReadOnlyList<string> arguments, Func<string, string?> variable)
    {
        List<string> added = [];
        foreach (Option option in parsed.CommandResult.Command.Options.Where(option => option.Name.StartsWith("--", StringComparison.Ordinal)))
        {
            string name = NameOf(option);
            if (parsed.GetResult(option) is { Implicit: false } || Others.Contains(name) || variable(name) is not { Length: > 0 } value) continue;
            bool isSwitch = option.ValueType == typeof(bool);
            foreach (string word in option.ValueType == typeof(string[]) ? value.Split(',', StringSplitOptions.TrimEntries) : [value])
                added.Add($"{option.Name}={(isSwitch && word is "1" or "yes" ? "true" : isSwitch && word is "0" or "no" ? "false" : word)}");
        }
        // Behind -- there are no options.
        int options = arguments.TakeWhile(word => word != "--").Count();
        return [.. arguments.Take(options), .. added, .. arguments.Skip(options)];
    }

    private static string NameOf(Option option) => "LLMEMBED_" + option.Name[2..].Replace('-', '_').ToUpperInvariant();
}
