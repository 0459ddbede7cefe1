using System.Text;

namespace LlmEmbed.Data;

/// <summary>One text per line. A blank line is a row with an empty text, so that output line n belongs to input line n.</summary>
internal sealed class LinesTableReader(Stream input, TableSource source) : TableReader(source, TableFormat.Lines, ["text"], headerLine: 1)
{
    private readonly StreamReader _lines = new(input, Encoding.UTF8);

    protected override IEnumerable<TableRow> ReadRows()
    {
        long lineNumber = 0;
        while (_lines.ReadLine() is string line) yield return new TableRow(++lineNumber, [line]);
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _lines.Dispose();
    }
}
