namespace LlmEmbed.Data;

/// <summary>Which columns of a table hold text and label, and what happens to rows that cannot be used.</summary>
internal sealed record LabeledTableOptions
{
    /// <summary>Null: the column called as <see cref="TableColumns.TextNames"/> say, or the only one beside the label.</summary>
    public string? TextColumn { get; init; }

    /// <summary>Null: the column called as <see cref="TableColumns.LabelNames"/> say.</summary>
    public string? LabelColumn { get; init; }

    /// <summary>Null: as the file's extension says.</summary>
    public TableFormat? Format { get; init; }

    public BadRows BadRows { get; init; }
}

/// <summary>
/// What to do with rows without text or label and, in training data, with classes of a single example. A file that is broken (quoting, encoding,
/// number of fields, JSON) is always an error: what it means to say is not known.
/// </summary>
internal enum BadRows
{
    /// <summary>The first is an error with its line.</summary>
    Refuse,

    /// <summary>They are left out, counted and reported (<c>--skip-bad-rows</c>).</summary>
    Skip,
}

/// <summary>The examples of one file.</summary>
/// <param name="Source">The path as it was given, or "standard input".</param>
/// <param name="Examples">In the order of the file; texts as they stand, labels without surrounding white space.</param>
/// <param name="Lines">For each example the line where it starts, counted from 1; of a Parquet file the row.</param>
/// <param name="Labels">The classes that occur, in ordinal order.</param>
/// <param name="SkippedRows">Rows left out under <see cref="BadRows.Skip"/>.</param>
/// <param name="SkippedReasons">Why, with the number of rows and the first line of each reason.</param>
/// <param name="ConflictingTexts">Texts that occur with more than one label: no error, but no classifier can get all of their rows right.</param>
internal sealed record LabeledTable(
    string Source,
    IReadOnlyList<LabeledText> Examples,
    IReadOnlyList<long> Lines,
    IReadOnlyList<string> Labels,
    long SkippedRows,
    IReadOnlyList<string> SkippedReasons,
    int ConflictingTexts)
{
    /// <summary>A sample of the examples, in their order and the classes in their shares; all where no number is given.</summary>
    public LabeledTable Sample(int? count, int seed)
    {
        if (count is not int limit) return this;
        int[] rows = StratifiedSplit.Sample(ClassLabels.IndexesOf(Examples, ClassLabels.Of(Examples)), limit, (ulong)seed);
        return this with { Examples = [.. rows.Select(row => Examples[row])], Lines = [.. rows.Select(row => Lines[row])] };
    }
}
