namespace LlmEmbed.Learning;

/// <summary>Combinations of fusion operators as options and files write them: names in lower case, joined by +.</summary>
internal static class FusionNames
{
    private static readonly string[] Known = [.. Enum.GetNames<FusionOperators>().Select(name => name.ToLowerInvariant())];

    public static string KnownNames => string.Join(", ", Known.Skip(1));

    public static string NameOf(FusionOperators fusion) => fusion == FusionOperators.None
        ? Known[0]
        : string.Join('+', Known.Skip(1).Where(name => fusion.HasFlag(Enum.Parse<FusionOperators>(name, ignoreCase: true))));

    /// <returns>Null if a name is not known.</returns>
    public static FusionOperators? Find(string names)
    {
        string[] parts = names.Split('+', StringSplitOptions.TrimEntries);
        if (parts.Except(Known, StringComparer.Ordinal).Any()) return null;
        return parts.Select(part => Enum.Parse<FusionOperators>(part, ignoreCase: true)).Aggregate((fusion, part) => fusion | part);
    }
}
