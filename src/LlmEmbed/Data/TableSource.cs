namespace LlmEmbed.Data;

/// <summary>Where a table comes from, as errors name it.</summary>
/// <param name="Name">The path as the user gave it, or "standard input".</param>
/// <param name="FilePath">The path; null if the table is no file.</param>
/// <param name="Unit">What <see cref="TableRow.LineNumber"/> counts: "line" or "row".</param>
internal sealed record TableSource(string Name, string? FilePath, string Unit = "line")
{
    public LlmEmbedException Error(string problem, Exception? cause = null) => Error(lineNumber: null, problem, cause);

    public LlmEmbedException Error(long? lineNumber, string problem, Exception? cause = null)
    {
        string place = lineNumber is null ? "" : $", {Unit} {lineNumber}";
        return new LlmEmbedException($"{Name}{place}: {problem}", cause) { FilePath = FilePath, LineNumber = lineNumber };
    }

    /// <summary>Refuses columns that could not be told apart by their names.</summary>
    public void CheckColumns(IReadOnlyList<string> columns, long? headerLine = null)
    {
        if (columns.Count == 0) throw Error(headerLine, "there are no columns.");
        Dictionary<string, int> seen = new(StringComparer.Ordinal);
        for (int column = 0; column < columns.Count; column++)
        {
            string name = columns[column];
            if (string.IsNullOrWhiteSpace(name)) throw Error(headerLine, $"column {column + 1} has no name; every column needs one.");
            if (!seen.TryAdd(name, column))
                throw Error(headerLine, $"columns {seen[name] + 1} and {column + 1} are both called '{name}'. Rename one.");
        }
    }

    /// <summary>The beginning of a text, as messages quote it.</summary>
    public static string Shorten(string text) => text.Length <= 60 ? text : text[..57] + "...";
}
