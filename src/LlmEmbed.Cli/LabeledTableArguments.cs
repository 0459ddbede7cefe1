using System.CommandLine;
using LlmEmbed.Data;

namespace LlmEmbed.Cli;

/// <summary>The options that say how a file of labelled texts is read, for the commands that take one.</summary>
internal sealed class LabeledTableArguments
{
    private readonly Option<string?> _textColumn = CommonOptions.TextColumn();
    private readonly Option<string?> _labelColumn = CommonOptions.LabelColumn();
    private readonly Option<TableFormat?> _format = CommonOptions.Format();
    private readonly Option<bool> _skipBadRows = CommonOptions.SkipBadRows();

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _textColumn, _labelColumn, _format, _skipBadRows }) command.Add(option);
    }

    /// <summary>Reads texts to measure on: every row has a text and a label.</summary>
    public LabeledTable Read(Terminal terminal, string path, ParseResult parsed)
    {
        LabeledTableOptions options = Options(parsed);
        using TableReader table = terminal.OpenTable(path, options.Format);
        return LabeledTable.Read(table, options);
    }

    /// <summary>Reads texts to train on: there are at least two classes with two examples each.</summary>
    public LabeledTable ReadForTraining(Terminal terminal, string path, ParseResult parsed)
    {
        LabeledTableOptions options = Options(parsed);
        using TableReader table = terminal.OpenTable(path, options.Format);
        return LabeledTable.ReadForTraining(table, options);
    }

    /// <summary>What is done with rows that cannot be used.</summary>
    public BadRows BadRowsOf(ParseResult parsed) => parsed.GetValue(_skipBadRows) ? BadRows.Skip : BadRows.Refuse;

    private LabeledTableOptions Options(ParseResult parsed) => new()
    {
        TextColumn = parsed.GetValue(_textColumn),
        LabelColumn = parsed.GetValue(_labelColumn),
        Format = parsed.GetValue(_format),
        BadRows = BadRowsOf(parsed),
    };
}
