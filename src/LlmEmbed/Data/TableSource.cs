namespace LlmEmbed.Data;

/// <summary>Where a table comes from, as errors name it.</summary>
/// <param name="Name">The path as the user gave it, or "standard input".</param>
/// <param name="FilePath">The path, null where it is no file.</param>
/// <param name="Unit">What <see cref="TableRow.LineNumber"/> counts: "line" or "row".</param>
internal sealed record TableSource(string Name, string? FilePath, string Unit = "line")
{
    public LlmEmbedException Error(string problem, Exception? cause = null) => Error(lineNumber: null, problem, cause);

    public LlmEmbedException Error(long? lineNumber, string problem, Exception? cause = null) =>
        new($"{Name}{(lineNumber is null ? "" : $", {Unit} {lineNumber}")}: {problem}", cause) { FilePath = FilePath, LineNumber = lineNumber };
}
