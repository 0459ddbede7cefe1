using System.CommandLine;
using LlmEmbed.Data;

namespace LlmEmbed.Cli;

/// <summary>The options that say how a file of texts is read, for every command that takes one.</summary>
internal sealed class TableArguments
{
    private readonly Option<TableFormat?> _format = CommonOptions.Format(
        "--format", "csv, tsv, jsonl, parquet or lines, for files whose extension does not say.");

    private readonly Option<char?> _separator = new("--separator")
    {
        Description = "csv and tsv: the character between fields, or comma, semicolon, tab or pipe. Default: what the header line shows.",
        HelpName = "CHAR",
        CustomParser = CommonOptions.Parser<char?>(ParseSeparator),
    };

    private readonly Option<Quotes> _quotes = CommonOptions.Choice<Quotes>(
        "--quotes",
        "csv and tsv: rfc4180 (fields may stand in quotes) or none (quotes are characters, every line is a row). Default: auto, which is rfc4180, " +
        "and none for a tsv file that is sound only so.");

    private readonly Option<bool> _noHeader = new("--no-header")
    {
        Description = "csv and tsv: the first line is data; the columns are called 1, 2 and so on.",
    };

    private readonly Option<string?> _textColumn = CommonOptions.TextColumn();

    public void AddTo(Command command)
    {
        foreach (Option option in new Option[] { _format, _separator, _quotes, _noHeader, _textColumn }) command.Add(option);
    }

    /// <summary>The column that the user says holds the text; null if that is left to the file.</summary>
    public string? TextColumn(ParseResult parsed) => parsed.GetValue(_textColumn);

    /// <param name="parsed">The command line.</param>
    /// <param name="ofStandardInput">The format that standard input has if none is given; null if it has to be given.</param>
    public TableOptions Read(ParseResult parsed, TableFormat? ofStandardInput = null) => new()
    {
        Format = parsed.GetValue(_format) ?? ofStandardInput,
        Separator = parsed.GetValue(_separator),
        Quotes = parsed.GetValue(_quotes),
        HasHeader = !parsed.GetValue(_noHeader),
    };

    private static char? ParseSeparator(string value) => value switch
    {
        "comma" => ',',
        "semicolon" => ';',
        "tab" or "\\t" => '\t',
        "pipe" => '|',
        [not ('"' or '\n' or '\r') and <= '~' and char separator] => separator,
        _ => throw new LlmEmbedException($"--separator is '{value}', expected one ASCII character, or comma, semicolon, tab or pipe."),
    };
}
