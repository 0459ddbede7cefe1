namespace LlmEmbed.Data;

/// <summary>Finds the columns of text and label if the user did not name them.</summary>
internal static class TableColumns
{
    /// <summary>The usual names of the text, in the order in which they are looked for: each with its exact case first, then with any case.</summary>
    private static readonly string[] TextNames = ["text", "sentence", "content", "review"];

    /// <summary>The usual names of the label, looked for in the same way.</summary>
    private static readonly string[] LabelNames = ["label", "class", "category", "target"];

    /// <summary>The named column; else the first with one of <see cref="TextNames"/>; else the only one besides the label.</summary>
    /// <param name="table">The table.</param>
    /// <param name="name">The name that the user gave, or null.</param>
    /// <param name="label">The column of the label, if it is known; else the one with one of <see cref="LabelNames"/>, if there is one.</param>
    public static int Text(TableReader table, string? name, int? label = null)
    {
        if (name is not null) return table.ColumnIndex(name);
        if (FirstOf(table, TextNames) is int known) return known;
        label ??= FirstOf(table, LabelNames);
        int[] others = Enumerable.Range(0, table.Columns.Count).Where(column => column != label).ToArray();
        return others.Length == 1 ? others[0] : throw Unknown(table, "text", TextNames, "--text-column");
    }

    /// <summary>The columns of text and label, which cannot be the same one.</summary>
    public static (int Text, int Label) TextAndLabel(TableReader table, string? textName, string? labelName)
    {
        int label = Label(table, labelName);
        int text = Text(table, textName, label);
        if (text != label) return (text, label);
        throw table.Error($"the column '{table.Columns[text]}' cannot be text and label at once. {table.ColumnList()}");
    }

    /// <summary>The named column; else the first with one of <see cref="LabelNames"/>.</summary>
    private static int Label(TableReader table, string? name) =>
        name is not null ? table.ColumnIndex(name) : FirstOf(table, LabelNames) ?? throw Unknown(table, "label", LabelNames, "--label-column");

    private static int? FirstOf(TableReader table, IReadOnlyList<string> names)
    {
        foreach (string name in names)
            if (table.FindColumn(name) is int column) return column;
        return null;
    }

    private static LlmEmbedException Unknown(TableReader table, string what, IReadOnlyList<string> names, string option)
    {
        string usual = $"{string.Join(", ", names.SkipLast(1))} or {names[^1]}";
        string problem = $"no column is called {usual}, so it is not clear which holds the {what}.";
        return table.Error($"{problem} Name it with {option}. {table.ColumnList()}");
    }
}
