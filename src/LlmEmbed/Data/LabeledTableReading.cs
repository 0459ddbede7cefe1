using LlmEmbed.Files;

namespace LlmEmbed.Data;

/// <summary>Reads the labelled texts of a table and checks that training and evaluation can use them.</summary>
internal sealed class LabeledTableReading
{
    private readonly TableReader _table;
    private readonly BadRows _badRows;
    private readonly int _textColumn;
    private readonly int _labelColumn;
    private readonly List<(LabeledText Example, long Line)> _examples = [];
    private readonly Dictionary<string, (int Count, long FirstLine)> _classes = new(StringComparer.Ordinal);
    private readonly OrderedDictionary<SkipReason, SkippedRows> _skipped = [];

    public LabeledTableReading(TableReader table, LabeledTableOptions options, CancellationToken cancellationToken)
    {
        _table = table;
        _badRows = options.BadRows;
        (_textColumn, _labelColumn) = TableColumns.TextAndLabel(table, options.TextColumn, options.LabelColumn);
        foreach (TableRow row in table.AllRows())
        {
            cancellationToken.ThrowIfCancellationRequested();
            Add(row);
        }
        if (_examples.Count == 0) throw table.Error("no row is left: every row lacks its text or its label.");
    }

    /// <summary>Hold-out and cross-validation need an example of each class on both sides.</summary>
    public void RequireTwoExamplesOfTwoClasses()
    {
        HashSet<string> single = _classes.Where(item => item.Value.Count == 1).Select(item => item.Key).ToHashSet(StringComparer.Ordinal);
        string others = single.Count == 1 ? "" : $" ({single.Count} classes have one example)";
        foreach (string label in single)
        {
            string problem = $"this is the only example of the class '{label}'{others}; training needs two of each. Add examples or remove the class";
            Skip(_classes[label].FirstLine, SkipReason.OnlyExampleOfItsClass, problem);
            _classes.Remove(label);
        }

        _examples.RemoveAll(row => single.Contains(row.Example.Label));
        if (_classes.Count >= 2) return;
        string found = _classes.Count == 0 ? "no class has two examples" : $"all examples are of the class '{_classes.Keys.Single()}'";
        throw _table.Error($"{found}, training needs two classes. Is '{_table.Columns[_labelColumn]}' the right --label-column?");
    }

    public LabeledTable Finish()
    {
        int conflicting = CountConflictingTexts();
        TableDescription description = _table.Describe(_textColumn, _labelColumn);
        return new LabeledTable(description with { Notes = [.. description.Notes, .. LabelNotes(conflicting)] }, _examples, [.. _skipped.Values])
        {
            ConflictingTexts = conflicting,
        };
    }

    private IEnumerable<TableNote> LabelNotes(int conflictingTexts)
    {
        string header = _table.Columns[_labelColumn];
        if (_table.Layout.Separator is not null && _classes.ContainsKey(header))
        {
            yield return new TableNote(
                TableNoteKind.HeaderLikeData,
                $"The column of the labels is called '{header}', which is one of the labels. If the file has no header, give --no-header.");
        }
        if (SimilarLabels.NoteOn(_classes.ToDictionary(item => item.Key, item => item.Value.Count, StringComparer.Ordinal)) is { } note)
            yield return note;
        if (conflictingTexts > 0)
            yield return new TableNote(TableNoteKind.ConflictingTexts, $"{conflictingTexts:N0} texts occur with more than one label.");
    }

    private void Add(TableRow row)
    {
        if ((_table.WhyNoText(row, _textColumn) ?? _table.WhyNoText(row, _labelColumn)) is string problem)
        {
            Skip(row.LineNumber, SkipReason.Unreadable, problem.TrimEnd('.'));
            return;
        }
        string? text = row.Fields[_textColumn].Text;
        string? label = row.Fields[_labelColumn].Text is string written ? InvisibleCharacters.Trim(written) : null;
        if (string.IsNullOrWhiteSpace(text)) Skip(row.LineNumber, SkipReason.NoText, $"the text ('{_table.Columns[_textColumn]}') is empty");
        else if (string.IsNullOrEmpty(label)) Skip(row.LineNumber, SkipReason.NoLabel, $"the label ('{_table.Columns[_labelColumn]}') is empty");
        else Add(new LabeledText(text, label), row.LineNumber);
    }

    private void Add(LabeledText example, long line)
    {
        _examples.Add((example, line));
        _classes[example.Label] = _classes.TryGetValue(example.Label, out var known) ? (known.Count + 1, known.FirstLine) : (1, line);
    }

    private void Skip(long line, SkipReason reason, string problem)
    {
        if (_badRows == BadRows.Refuse) throw _table.Error(line, $"{problem}. --skip-bad-rows leaves such rows out.");
        SkippedRows known = _skipped.GetValueOrDefault(reason) ?? new SkippedRows(reason, 0, line);
        _skipped[reason] = known with { Rows = known.Rows + 1 };
    }

    private int CountConflictingTexts()
    {
        Dictionary<string, string> labels = new(_examples.Count, StringComparer.Ordinal);
        HashSet<string> conflicting = new(StringComparer.Ordinal);
        foreach ((LabeledText example, _) in _examples)
        {
            if (!labels.TryAdd(example.Text, example.Label) && labels[example.Text] != example.Label) conflicting.Add(example.Text);
        }
        return conflicting.Count;
    }
}
