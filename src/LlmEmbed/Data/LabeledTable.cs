namespace LlmEmbed.Data;

/// <summary>Which columns of a table hold text and label, and what happens to rows that cannot be used.</summary>
public sealed record LabeledTableOptions
{
    /// <summary>
    /// The name of the column with the text. Null takes the first that is called text, sentence, content or review, or else the only one besides
    /// the label.
    /// </summary>
    public string? TextColumn { get; init; }

    /// <summary>The name of the column with the label. Null takes the first that is called label, class, category or target.</summary>
    public string? LabelColumn { get; init; }

    /// <summary>How the file is to be read. By default that is left to the file.</summary>
    public TableOptions Table { get; init; } = new();

    /// <summary>What to do with rows that cannot be used. By default they are refused.</summary>
    public BadRows BadRows { get; init; }
}

/// <summary>
/// What to do with rows that cannot be read while their neighbours can, with rows without text or label and, in data for training, with classes of a
/// single example. A file that is broken in its quotes or its encoding is always refused, because it is not known where its rows begin and end.
/// </summary>
public enum BadRows
{
    /// <summary>The first such row is an error with its line.</summary>
    Refuse,

    /// <summary>Such rows are left out and counted.</summary>
    Skip,
}

/// <summary>Why rows were left out.</summary>
public enum SkipReason
{
    /// <summary>The text is missing or all white space.</summary>
    NoText,

    /// <summary>The label is missing or all white space.</summary>
    NoLabel,

    /// <summary>
    /// The row has another number of fields than the header, is no JSON object, holds half of a surrogate pair, or has a nested value as text or
    /// label.
    /// </summary>
    Unreadable,

    /// <summary>The row is the only example of its class, so that nothing could be held out of the class.</summary>
    OnlyExampleOfItsClass,
}

/// <summary>The rows that were left out for one reason.</summary>
/// <param name="Reason">The reason.</param>
/// <param name="Rows">How many rows.</param>
/// <param name="FirstLine">The line of the first of them, counted from 1; the number of the row for a Parquet file.</param>
public sealed record SkippedRows(SkipReason Reason, int Rows, long FirstLine)
{
    /// <summary>The facts in a few words, for example "no text: 2 (first: line 6)".</summary>
    public override string ToString() => $"{NameOf(Reason)}: {Rows} (first: line {FirstLine})";

    private static string NameOf(SkipReason reason) => reason switch
    {
        SkipReason.NoText => "no text",
        SkipReason.NoLabel => "no label",
        SkipReason.Unreadable => "cannot be read",
        _ => "the only example of its class",
    };
}

/// <summary>The labelled texts of one table.</summary>
/// <example>
/// <code>
/// LabeledTable table = LabeledTable.ReadForTraining("train.csv", new() { BadRows = BadRows.Skip }).Sample(2000);
/// using TextClassifier classifier = TextClassifier.Train(table.Examples);
/// </code>
/// </example>
public sealed class LabeledTable
{
    internal LabeledTable(TableDescription description, IReadOnlyList<(LabeledText Example, long Line)> rows, IReadOnlyList<SkippedRows> skipped)
    {
        Description = description;
        Examples = [.. rows.Select(row => row.Example)];
        Lines = [.. rows.Select(row => row.Line)];
        Labels = ClassLabels.Of(Examples);
        Skipped = skipped;
    }

    /// <summary>The path as it was given, or "standard input".</summary>
    public string Source => Description.Source;

    /// <summary>How the file was read, and which of its columns hold text and label.</summary>
    public TableDescription Description { get; }

    /// <summary>The N examples in the order of the file: texts as they stand, labels without white space around them.</summary>
    public IReadOnlyList<LabeledText> Examples { get; }

    /// <summary>[N], for each example the line on which it starts, counted from 1; the number of the row for a Parquet file.</summary>
    public IReadOnlyList<long> Lines { get; }

    /// <summary>The classes that occur, in ordinal order.</summary>
    public IReadOnlyList<string> Labels { get; }

    /// <summary>The rows that were left out under <see cref="BadRows.Skip"/>, by reason; empty if there are none.</summary>
    public IReadOnlyList<SkippedRows> Skipped { get; }

    /// <summary>The number of rows that were left out for any reason.</summary>
    public long SkippedCount => Skipped.Sum(reason => (long)reason.Rows);

    /// <summary>What is no error but worth knowing before the table is relied on; empty if there is nothing.</summary>
    public IReadOnlyList<TableNote> Notes => Description.Notes;

    /// <summary>
    /// The number of different texts in the file that occur with more than one label. They are no error, but no classifier can get all of their
    /// rows right.
    /// </summary>
    public int ConflictingTexts { get; internal init; }

    /// <summary>Reads examples to test on: every row has a text and a label.</summary>
    /// <param name="path">A file, or <c>-</c> for standard input.</param>
    /// <param name="options">How to read it; null for the defaults.</param>
    /// <param name="cancellationToken">Stops between two rows.</param>
    /// <exception cref="LlmEmbedException">
    /// The file cannot be read, a column is not found, or a row cannot be used; the message names the line.
    /// </exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static LabeledTable Read(string path, LabeledTableOptions? options = null, CancellationToken cancellationToken = default)
    {
        using TableReader table = TableReader.Open(path, options?.Table);
        return Read(table, options, cancellationToken);
    }

    /// <summary>
    /// Reads examples to train on: as <see cref="Read(string, LabeledTableOptions, CancellationToken)"/>, and at least two of each of at least two
    /// classes.
    /// </summary>
    /// <inheritdoc cref="Read(string, LabeledTableOptions, CancellationToken)"/>
    public static LabeledTable ReadForTraining(string path, LabeledTableOptions? options = null, CancellationToken cancellationToken = default)
    {
        using TableReader table = TableReader.Open(path, options?.Table);
        return ReadForTraining(table, options, cancellationToken);
    }

    /// <summary>Reads examples to test on from a table that is open, for example from a stream.</summary>
    /// <param name="table">The table. It is not disposed.</param>
    /// <param name="options">Its columns and bad rows; null for the defaults. How the file is read is settled by the table.</param>
    /// <param name="cancellationToken">Stops between two rows.</param>
    /// <exception cref="LlmEmbedException">A column is not found, or a row cannot be read or used; the message names the line.</exception>
    /// <exception cref="OperationCanceledException">The token was cancelled.</exception>
    public static LabeledTable Read(TableReader table, LabeledTableOptions? options = null, CancellationToken cancellationToken = default) =>
        new LabeledTableReading(table, options ?? new(), cancellationToken).Finish();

    /// <summary>Reads examples to train on from a table that is open, for example from a stream.</summary>
    /// <inheritdoc cref="Read(TableReader, LabeledTableOptions, CancellationToken)"/>
    public static LabeledTable ReadForTraining(TableReader table, LabeledTableOptions? options = null, CancellationToken cancellationToken = default)
    {
        LabeledTableReading reading = new(table, options ?? new(), cancellationToken);
        reading.RequireTwoExamplesOfTwoClasses();
        return reading.Finish();
    }

    /// <summary>
    /// A random sample of the examples, in their order. The classes keep their shares, and each keeps two examples if it has them. What was left
    /// out of the file and its conflicting texts stay as they were counted.
    /// </summary>
    /// <param name="count">About how many examples, at least 1. If there are no more than that, all are taken.</param>
    /// <param name="seed">The same seed gives the same sample.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="count"/> is less than 1.</exception>
    public LabeledTable Sample(int count, int seed = 0)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        int[] rows = StratifiedSplit.Sample(ClassLabels.IndexesOf(Examples, Labels), count, (ulong)seed);
        return new LabeledTable(Description, [.. rows.Select(row => (Examples[row], Lines[row]))], Skipped) { ConflictingTexts = ConflictingTexts };
    }

    /// <summary>
    /// A note on labels of this table that a classifier cannot give, with a hint where they are nearly known; null if there are none.
    /// </summary>
    /// <param name="known">The classes of the classifier.</param>
    public TableNote? NoteOnUnknownLabels(IReadOnlyList<string> known)
    {
        ArgumentNullException.ThrowIfNull(known);
        return SimilarLabels.NoteOnUnknown(known, ClassLabels.CountsOf(Examples), Source);
    }
}
