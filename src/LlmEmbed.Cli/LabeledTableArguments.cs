using System.CommandLine;
using LlmEmbed.Data;

namespace LlmEmbed.Cli;

/// <summary>The options that say how a file of labelled texts is read, for the commands that take one.</summary>
internal sealed class LabeledTableArguments
{
    private readonly TableArguments _table = new();
    private readonly Option<string?> _labelColumn = CommonOptions.LabelColumn();
    private readonly Option<bool> _skipBadRows = CommonOptions.SkipBadRows();

    /// <summary>The options that texts without labels have too.</summary>
    public TableArguments Table => _table;

    /// <summary>The options that only labelled texts have.</summary>
    public IReadOnlyList<Option> OfLabels => [_labelColumn, _skipBadRows];

    public void AddTo(Command command)
    {
        _table.AddTo(command);
        command.Add(_labelColumn);
        command.Add(_skipBadRows);
    }

    /// <summary>Reads texts to measure on: every row has a text and a label.</summary>
    public LabeledTable Read(Terminal terminal, string path, ParseResult parsed)
    {
        LabeledTableOptions options = Options(parsed);
        using TableReader table = terminal.OpenTable(path, options.Table);
        return Noted(terminal, LabeledTable.Read(table, options));
    }

    /// <summary>Reads texts to train on: there are at least two classes with two examples each.</summary>
    public LabeledTable ReadForTraining(Terminal terminal, string path, ParseResult parsed)
    {
        LabeledTableOptions options = Options(parsed);
        using TableReader table = terminal.OpenTable(path, options.Table);
        return Noted(terminal, LabeledTable.ReadForTraining(table, options));
    }

    /// <summary>Reads texts without labels.</summary>
    public IReadOnlyList<string> ReadTexts(Terminal terminal, string path, ParseResult parsed)
    {
        using TableReader table = terminal.OpenTable(path, _table.Read(parsed));
        int column = table.TextColumn(_table.TextColumn(parsed));
        string[] texts = [.. table.Rows().Select(row => table.Text(row, column) ?? "")];
        TableText.PrintNotes(terminal, table.Source, table.Notes);
        return texts;
    }

    /// <summary>What was read, with what to know about it before the work begins that may take long.</summary>
    private static LabeledTable Noted(Terminal terminal, LabeledTable table)
    {
        TableText.PrintNotes(terminal, table.Source, table.Notes);
        return table;
    }

    /// <summary>What is done with rows that cannot be used.</summary>
    public BadRows BadRowsOf(ParseResult parsed) => parsed.GetValue(_skipBadRows) ? BadRows.Skip : BadRows.Refuse;

    private LabeledTableOptions Options(ParseResult parsed) => new()
    {
        Table = _table.Read(parsed),
        TextColumn = _table.TextColumn(parsed),
        LabelColumn = parsed.GetValue(_labelColumn),
        BadRows = BadRowsOf(parsed),
    };
}
