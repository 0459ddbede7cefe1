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

    public LabeledTableOptions Read(ParseResult parsed) => new()
    {
        TextColumn = parsed.GetValue(_textColumn),
        LabelColumn = parsed.GetValue(_labelColumn),
        Format = parsed.GetValue(_format),
        BadRows = parsed.GetValue(_skipBadRows) ? BadRows.Skip : BadRows.Refuse,
    };
}
