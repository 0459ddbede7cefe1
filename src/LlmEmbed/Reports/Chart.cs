namespace LlmEmbed.Reports;

/// <summary>A picture of a report.</summary>
/// <param name="File">Its name as a file, without the ending.</param>
/// <param name="Title">For people.</param>
/// <param name="Note">How to read it.</param>
/// <param name="Drawing">The picture.</param>
internal sealed record Chart(string File, string Title, string Note, Drawing Drawing)
{
    /// <summary>Figures to go with it; null where the picture says all.</summary>
    public Table? Table { get; init; }
}

/// <param name="Columns">Titles; the first column names the row.</param>
/// <param name="FirstNumber">From this column on cells are numbers.</param>
/// <param name="Rows">A cell for each column.</param>
internal sealed record Table(IReadOnlyList<string> Columns, int FirstNumber, IReadOnlyList<string[]> Rows);
