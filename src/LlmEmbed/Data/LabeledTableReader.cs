namespace LlmEmbed.Data;

/// <summary>Reads labelled examples from any <see cref="TableFormat"/> and checks what training and evaluation rest on.</summary>
internal static class LabeledTableReader
{
    /// <summary>Examples to evaluate on: every row has a text and a label.</summary>
    /// <param name="path">A file, or <c>-</c> for standard input.</param>
    /// <param name="options">Null: the defaults.</param>
    public static LabeledTable Read(string path, LabeledTableOptions? options = null)
    {
        using TableReader table = TableReader.Open(path, options?.Format);
        return Read(table, options);
    }

    /// <summary>Examples to train on: as <see cref="Read(string, LabeledTableOptions?)"/>, and of at least two classes with two examples each.</summary>
    /// <inheritdoc cref="Read(string, LabeledTableOptions?)"/>
    public static LabeledTable ReadForTraining(string path, LabeledTableOptions? options = null)
    {
        using TableReader table = TableReader.Open(path, options?.Format);
        return ReadForTraining(table, options);
    }

    public static LabeledTable Read(TableReader table, LabeledTableOptions? options = null) => new Reading(table, options ?? new()).Finish();

    public static LabeledTable ReadForTraining(TableReader table, LabeledTableOptions? options = null)
    {
        Reading reading = new(table, options ?? new());
        reading.CheckClasses();
        return reading.Finish();
    }

    private sealed class Reading
    {
        private readonly TableReader _table;
        private readonly BadRows _badRows;
        private readonly int _textColumn;
        private readonly int _labelColumn;
        private readonly List<(LabeledText Example, long Line)> _examples = [];
        private readonly Dictionary<string, (int Count, long FirstLine)> _classes = new(StringComparer.Ordinal);
        private readonly Dictionary<string, (int Rows, long FirstLine)> _skipped = new(StringComparer.Ordinal);

        public Reading(TableReader table, LabeledTableOptions options)
        {
            _table = table;
            _badRows = options.BadRows;
            (_textColumn, _labelColumn) = TableColumns.TextAndLabel(table, options.TextColumn, options.LabelColumn);
            foreach (TableRow row in table.Rows()) Add(row);
            if (_examples.Count == 0) throw table.Error("no row is left: every row lacks its text or its label.");
        }

        /// <summary>Hold-out and cross-validation need an example of each class on both sides.</summary>
        public void CheckClasses()
        {
            HashSet<string> single = _classes.Where(item => item.Value.Count == 1).Select(item => item.Key).ToHashSet(StringComparer.Ordinal);
            foreach (string label in single)
            {
                string others = single.Count == 1 ? "" : $" ({single.Count} classes have one example)";
                Skip(_classes[label].FirstLine, "the only example of its class",
                    $"this is the only example of the class '{label}'{others}; training needs two of each. Add examples or remove the class");
                _classes.Remove(label);
            }

            _examples.RemoveAll(row => single.Contains(row.Example.Label));
            if (_classes.Count < 2)
            {
                string found = _classes.Count == 0 ? "no class has two examples" : $"all examples are of the class '{_classes.Keys.Single()}'";
                throw _table.Error($"{found}, training needs two classes. Is '{_table.Columns[_labelColumn]}' the right --label-column?");
            }
        }

        public LabeledTable Finish() => new(
            _table.Source,
            [.. _examples.Select(row => row.Example)],
            [.. _examples.Select(row => row.Line)],
            _classes.Keys.Order(StringComparer.Ordinal).ToList(),
            _skipped.Values.Sum(reason => (long)reason.Rows),
            _skipped.Select(reason => $"{reason.Key}: {reason.Value.Rows} (first: line {reason.Value.FirstLine})").ToList(),
            ConflictingTexts());

        private void Add(TableRow row)
        {
            string? text = _table.Text(row, _textColumn);
            string? label = _table.Text(row, _labelColumn)?.Trim();
            if (string.IsNullOrWhiteSpace(text))
                Skip(row.LineNumber, "no text", $"the text ('{_table.Columns[_textColumn]}') is empty");
            else if (string.IsNullOrEmpty(label))
                Skip(row.LineNumber, "no label", $"the label ('{_table.Columns[_labelColumn]}') is empty");
            else
                Add(new LabeledText(text, label), row.LineNumber);
        }

        private void Add(LabeledText example, long line)
        {
            _examples.Add((example, line));
            _classes[example.Label] = _classes.TryGetValue(example.Label, out var known) ? (known.Count + 1, known.FirstLine) : (1, line);
        }

        private void Skip(long line, string reason, string problem)
        {
            if (_badRows == BadRows.Refuse) throw _table.Error(line, $"{problem}. --skip-bad-rows leaves such rows out.");
            _skipped[reason] = _skipped.TryGetValue(reason, out var known) ? (known.Rows + 1, known.FirstLine) : (1, line);
        }

        private int ConflictingTexts()
        {
            Dictionary<string, string> labels = new(_examples.Count, StringComparer.Ordinal);
            HashSet<string> conflicting = new(StringComparer.Ordinal);
            foreach ((LabeledText example, _) in _examples)
                if (!labels.TryAdd(example.Text, example.Label) && !string.Equals(labels[example.Text], example.Label, StringComparison.Ordinal)) conflicting.Add(example.Text);
            return conflicting.Count;
        }
    }
}
