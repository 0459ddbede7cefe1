using System.Text;

namespace LlmEmbed.Data;

/// <summary>
/// Reads one text on each line. A blank line is a row with an empty text, so that line n of an output belongs to line n of the input.
/// </summary>
internal sealed class LinesRows(Utf8Stream input) : ITableRows
{
    private readonly StreamReader _lines = new(input, Encoding.UTF8);

    public IReadOnlyList<string> Columns { get; } = ["text"];

    public long? HeaderLine => null;

    public TableLayout Layout { get; } = new(TableFormat.Lines) { Compression = input.Compression };

    public IEnumerable<TableNote> Notes => [];

    public IEnumerable<TableRow> Read()
    {
        long lineNumber = 0;
        while (_lines.ReadLine() is string line) yield return new TableRow(++lineNumber, [Utf8Stream.Restore(line)]);
    }

    public void Dispose() => _lines.Dispose();
}
