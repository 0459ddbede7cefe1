using LlmEmbed.Data;

namespace LlmEmbed.Cli;

/// <summary>The labelled texts of a table that a command works with: all but those that it leaves out.</summary>
/// <param name="Table">The table.</param>
/// <param name="Examples">[N].</param>
/// <param name="Lines">[N], the line of each.</param>
internal sealed record UsedTexts(LabeledTable Table, IReadOnlyList<LabeledText> Examples, IReadOnlyList<long> Lines)
{
    public string Source => Table.Source;

    /// <summary>What is to know before figures about these texts are believed: labels that no class has, then what was found in the file.</summary>
    public IReadOnlyList<TableNote> Notes { get; private init; } = Table.Notes;

    /// <summary>Rows that were left out because their text gives no token.</summary>
    public int EmptyTexts { get; private init; }

    /// <summary>What these texts share with those of a training; null if that was not looked at.</summary>
    public TextOverlap? Overlap { get; private init; }

    /// <summary>What was left out here and why, in words for people.</summary>
    public IReadOnlyList<string> LeftOut { get; private init; } = [];

    public IReadOnlyList<string> Texts => [.. Examples.Select(example => example.Text)];

    /// <summary>All texts of a table.</summary>
    public static UsedTexts All(LabeledTable table) => new(table, table.Examples, table.Lines);

    /// <summary>The texts of a table that are not empty to the backbones.</summary>
    /// <param name="table">The table.</param>
    /// <param name="badRows">What to do with empty ones.</param>
    /// <param name="findEmpty">Finds them.</param>
    /// <param name="isForTraining">Whether a class needs two examples, as in the table.</param>
    /// <exception cref="LlmEmbedException">A text is empty and is not to be left out, or too little is left.</exception>
    public static UsedTexts Of(
        LabeledTable table, BadRows badRows, Func<IReadOnlyList<string>, IReadOnlyList<int>> findEmpty, bool isForTraining = false)
    {
        UsedTexts all = All(table);
        IReadOnlyList<int> empty = findEmpty(all.Texts);
        if (empty is not [int first, ..]) return all;
        if (badRows == BadRows.Refuse)
            throw new LlmEmbedException(
                $"{table.Source}, line {table.Lines[first]}: the text gives no token of its own, so the model would read nothing ({empty.Count:N0} " +
                "such texts). --skip-bad-rows leaves such rows out.")
            { FilePath = table.Source, LineNumber = table.Lines[first] };
        UsedTexts used = all.Without(empty) with
        {
            EmptyTexts = empty.Count,
            LeftOut = [$"no token: {empty.Count} (first: line {table.Lines[first]})"],
        };
        return isForTraining ? used.WithoutSingles() : used;
    }

    /// <summary>The same, to be measured on by a classifier: labels that it cannot give are said at once, and noted.</summary>
    public UsedTexts ForClasses(Terminal terminal, IReadOnlyList<string> classes)
    {
        if (Table.NoteOnUnknownLabels(classes) is not { } unknown) return this;
        TableText.PrintNotes(terminal, Source, [unknown]);
        return this with { Notes = [unknown, .. Notes] };
    }

    /// <summary>The same with what they share with training texts, which is left out if it is asked for.</summary>
    /// <exception cref="LlmEmbedException">Nothing is left.</exception>
    public UsedTexts Against(UsedTexts training, bool skipsOverlap)
    {
        TextOverlap overlap = TextOverlap.Find(training.Texts, Texts) with { IsLeftOut = skipsOverlap };
        if (!skipsOverlap) return this with { Overlap = overlap };
        LabeledText[] examples = [.. overlap.Without(Examples)];
        if (examples.Length == 0)
            throw new LlmEmbedException(
                $"{Source}: each of the {Examples.Count:N0} texts is a training text of {training.Source}, part of one, or contains one, so that " +
                "--skip-overlap leaves nothing to measure on. Measure on other texts.")
            { FilePath = Source };
        return this with { Examples = examples, Lines = [.. overlap.Without(Lines)], Overlap = overlap };
    }

    private UsedTexts Without(IEnumerable<int> rows)
    {
        HashSet<int> left = [.. rows];
        return this with
        {
            Examples = [.. Examples.Where((_, row) => !left.Contains(row))],
            Lines = [.. Lines.Where((_, row) => !left.Contains(row))],
        };
    }

    /// <summary>Without classes of which a single example is left.</summary>
    private UsedTexts WithoutSingles()
    {
        HashSet<string> singles = [.. Examples.CountBy(example => example.Label).Where(count => count.Value == 1).Select(count => count.Key)];
        int[] rows = [.. Enumerable.Range(0, Examples.Count).Where(row => singles.Contains(Examples[row].Label))];
        if (Examples.Select(example => example.Label).Distinct(StringComparer.Ordinal).Count() - singles.Count < 2)
            throw new LlmEmbedException(
                $"{Source}: without rows whose text gives no token fewer than two classes have two examples, and training needs that. Add texts.")
            { FilePath = Source };
        return rows.Length == 0
            ? this
            : Without(rows) with { LeftOut = [.. LeftOut, $"the only example of its class: {rows.Length} (first: line {Lines[rows[0]]})"] };
    }
}
