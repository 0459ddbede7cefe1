namespace LlmEmbed.Data;

/// <summary>
/// Reads one text on each line. A blank line is a row with an empty text, so that line n of an output belongs to line n of the input.
/// </summary>
internal sealed class LinesRows : ITableRows
{
    private readonly TableInput _input;
    private readonly Utf8Stream _beginning;
    private TextLines _lines;

    public LinesRows(TableInput input)
    {
        (_input, _beginning) = (input, input.OpenText());
        _lines = new TextLines(_beginning);
        Layout = new TableLayout(TableFormat.Lines) { Compression = _beginning.Compression };
    }

    public IReadOnlyList<string> Columns { get; } = ["text"];

    public long? HeaderLine => null;

    public TableLayout Layout { get; }

    public IEnumerable<TableNote> Notes => [];

    public void GoTo(TablePosition position)
    {
        _beginning.Peek(); // what ends a line is decided by the beginning
        Utf8Stream text = _input.OpenText(position, _beginning);
        _lines.Dispose();
        _lines = new TextLines(text, position.LineNumber);
    }

    public IEnumerable<TableRow> Read()
    {
        while (_lines.Next() is string line) yield return new TableRow(_lines.LineNumber, [line]) { Offset = _lines.Offset };
    }

    public void Dispose() => _lines.Dispose();
}
