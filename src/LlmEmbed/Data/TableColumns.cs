namespace LlmEmbed.Data;

/// <summary>Finds the columns of text and label where the user did not name them.</summary>
internal static class TableColumns
{
    /// <summary>Tried in this order; exact case first, then any case.</summary>
    public static readonly IReadOnlyList<string> TextNames = ["text", "sentence", "content", "review"];

    /// <inheritdoc cref="TextNames"/>
    public static readonly IReadOnlyList<string> LabelNames = ["label", "class", "category", "target"];

    /// <summary>The named column, else the first that is called as <see cref="TextNames"/> say, else the only one beside the label.</summary>
    /// <param name="table">The table.</param>
    /// <param name="name">What the user says, or null.</param>
    /// <param name="label">The label's column where it is known; else the one that is called as <see cref="LabelNames"/> say, if there is one.</param>
    public static int Text(TableReader table, string? name, int? label = null)
    {
        if (name is not null) return table.ColumnIndex(name);
        if (FirstOf(table, TextNames) is int known) return known;
        label ??= FirstOf(table, LabelNames);
        int[] others = Enumerable.Range(0, table.Columns.Count).Where(column => column != label).ToArray();
        return others.Length == 1 ? others[0] : throw Unknown(table, "text", TextNames, "--text-column");
    }

    /// <summary>The named column, else the first that is called as <see cref="LabelNames"/> say.</summary>
    public static int Label(TableReader table, string? name) =>
        name is not null ? table.ColumnIndex(name) : FirstOf(table, LabelNames) ?? throw Unknown(table, "label", LabelNames, "--label-column");

    /// <summary>Text and label, which cannot be the same column.</summary>
    public static (int Text, int Label) TextAndLabel(TableReader table, string? textName, string? labelName)
    {
        int label = Label(table, labelName);
        int text = Text(table, textName, label);
        return text != label ? (text, label) : throw table.Error($"the column '{table.Columns[text]}' cannot be text and label at once. {table.ColumnList()}");
    }

    private static int? FirstOf(TableReader table, IReadOnlyList<string> names)
    {
        foreach (string name in names)
            if (table.FindColumn(name) is int column) return column;
        return null;
    }

    private static LlmEmbedException Unknown(TableReader table, string what, IReadOnlyList<string> names, string option) => table.Error(
        $"no column is called {string.Join(", ", names.SkipLast(1))} or {names[^1]}, so it is not clear which holds the {what}. {table.ColumnList()} Name it with {option}.");
}
