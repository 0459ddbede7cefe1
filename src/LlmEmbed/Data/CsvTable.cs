using System.Text;
using CsvHelper;

namespace LlmEmbed.Data;

/// <summary>
/// Reads values between separators, strictly as RFC 4180 defines them or without quotes. Broken quoting is an error and not repaired, because a
/// repair would move text from one row to another. Blank lines are skipped.
/// </summary>
internal sealed class CsvRows : ITableRows
{
    private readonly TableInput _input;
    private readonly Utf8Stream _beginning;
    private readonly CsvDialect _dialect;
    private readonly TableSource _source;
    private CsvReader _csv;
    private long _linesBefore; // those that CsvHelper was not given: 1 if a line before the header tells the separator
    private long _bytesBefore;
    private bool _isAtFirstRow;
    private (int Rows, long FirstLine, long LastLine) _swallowed;

    /// <param name="input">The file.</param>
    /// <param name="own">The separator after which the format is named.</param>
    public CsvRows(TableInput input, char own)
    {
        (_input, _source) = (input, input.Source);
        Utf8Stream text = input.OpenText();
        char? said = CsvDialect.SkipSeparatorLine(text);
        _linesBefore = said is null ? 0 : 1;
        _dialect = CsvDialect.Recognize(input, text, said, own);
        if (input.CanRestart)
        {
            text.Dispose();
            text = input.OpenText();
            CsvDialect.SkipSeparatorLine(text);
        }
        _bytesBefore = text.Offset;
        _beginning = text;
        _csv = Open(text);
        Layout = new TableLayout(input.Options.Format!)
        {
            Separator = _dialect.Separator,
            HasQuotes = _dialect.HasQuotes,
            Compression = text.Compression,
        };
        if (!Advance()) throw _source.Error("the file is empty, expected a line with the column names.");
        HeaderLine = input.Options.HasHeader ? LineNumber : null;
        _isAtFirstRow = !input.Options.HasHeader;
        Columns = ColumnNames.Of(input.Options.HasHeader ? Array.ConvertAll(Fields(), field => field.Text!) : new string[_csv.FieldCount]);
    }

    public IReadOnlyList<string> Columns { get; }

    public long? HeaderLine { get; }

    public TableLayout Layout { get; }

    public IEnumerable<TableNote> Notes
    {
        get
        {
            if (_swallowed.Rows == 0) yield break;
            string others = _swallowed.Rows == 1 ? "" : $" The same holds for {_swallowed.Rows - 1:N0} further rows.";
            yield return new TableNote(
                TableNoteKind.SwallowedRows,
                $"Lines {_swallowed.FirstLine} to {_swallowed.LastLine} were read as one row, since a quoted field spans them, but each of them " +
                $"looks like a row.{others} If the quotes are characters of the texts, read the file with --quotes none.");
        }
    }

    private long LineNumber => _csv.LineNumber + _linesBefore;

    private long Offset => _csv.ByteOffset + _bytesBefore;

    public void GoTo(TablePosition position)
    {
        Utf8Stream text = _input.OpenText(position, _beginning);
        _csv.Dispose();
        (_linesBefore, _bytesBefore) = (position.LineNumber - 1, text.Offset);
        _csv = Open(text);
        _isAtFirstRow = false;
    }

    public IEnumerable<TableRow> Read()
    {
        while (_isAtFirstRow || Advance())
        {
            _isAtFirstRow = false;
            if (_csv.FieldCount != Columns.Count)
            {
                yield return TableRow.Unreadable(
                    LineNumber,
                    Offset,
                    $"the row has {_csv.FieldCount} fields, the header {Columns.Count} ({Layout}). " +
                    "A field that holds separators, quotes or line breaks must be quoted.");
                continue;
            }
            if (_dialect.LooksLikeRows(_csv.RawRecord, Columns.Count)) NoteSwallowedRows();
            yield return new TableRow(LineNumber, Fields()) { Offset = Offset };
        }
    }

    public void Dispose() => _csv.Dispose();

    private CsvReader Open(Utf8Stream text) => _dialect.Open(text, record => throw BrokenQuotes(record));

    private void NoteSwallowedRows()
    {
        long lastLine = LineNumber + Utf8Stream.LineBreaks(_csv.RawRecord);
        _swallowed = _swallowed.Rows == 0 ? (1, LineNumber, lastLine) : _swallowed with { Rows = _swallowed.Rows + 1 };
    }

    private TableValue[] Fields()
    {
        TableValue[] fields = new TableValue[_csv.FieldCount];
        for (int field = 0; field < fields.Length; field++) fields[field] = Utf8Stream.Restore(_csv.GetString(field));
        return fields;
    }

    private bool Advance()
    {
        try
        {
            return _csv.Read();
        }
        catch (CsvFormatException exception)
        {
            // Errors of quoting come as BrokenQuotes. The only other one is a record without an end.
            string problem = $"the row that begins here is longer than {Utf8Stream.MaxLineBytes >> 20} MiB. Is a quote never closed?";
            throw _source.Error(exception.LineNumber + _linesBefore, problem, exception);
        }
    }

    private LlmEmbedException BrokenQuotes(CsvMalformedRecord record)
    {
        string problem = record.Reason switch
        {
            CsvMalformedReason.UnterminatedQuote => "the quoted field that begins here is never closed",
            CsvMalformedReason.TextAfterClosingQuote => "the quoted field that begins here goes on after its closing quote",
            _ => "the field that begins here holds a quote but is not quoted",
        };
        string before = record.RawRecord[..BrokenFieldStart(record.RawRecord, _dialect.Separator)];
        return _source.Error(
            record.LineNumber + _linesBefore + Utf8Stream.LineBreaks(Encoding.UTF8.GetBytes(before)),
            $"{problem}. Quote the whole field and double the quotes inside it; or, if quotes are characters of the texts, give --quotes none.");
    }

    /// <summary>
    /// Where the broken field begins in its record. CsvHelper tells only where the record begins, which may be many lines above.
    /// </summary>
    private static int BrokenFieldStart(string record, char separator)
    {
        int start = 0;
        while (true)
        {
            bool isQuoted = start < record.Length && record[start] == '"';
            int end = isQuoted ? QuotedEnd(record, start) : record.IndexOfAny([separator, '"'], start);
            if (end < 0 || end >= record.Length || record[end] != separator) return start;
            start = end + 1;
        }
    }

    /// <summary>The index behind the closing quote, or -1 if there is none.</summary>
    private static int QuotedEnd(string record, int start)
    {
        for (int quote = record.IndexOf('"', start + 1); quote >= 0; quote = record.IndexOf('"', quote + 2))
            if (quote + 1 == record.Length || record[quote + 1] != '"') return quote + 1;
        return -1;
    }
}

/// <summary>Writes comma- or tab-separated values.</summary>
internal sealed class CsvOutput : ITableOutput
{
    private readonly CsvWriter _csv;

    public long ReplacedCharacters { get; private set; }

    public CsvOutput(Stream output, IReadOnlyList<string> columns, char separator)
    {
        _csv = CsvWriter.Create(output, new CsvWriterOptions { Separator = separator, NewLine = "\n" });
        foreach (string column in columns) _csv.WriteField(column);
        _csv.EndRecord();
    }

    public void Write(ReadOnlySpan<TableValue> fields)
    {
        foreach (TableValue field in fields) _csv.WriteField(Writable(field.Text));
        _csv.EndRecord();
    }

    public void Flush() => _csv.Flush();

    public void Dispose() => _csv.Dispose();

    /// <summary>U+0000, which no text file may hold, becomes U+FFFD, the character that stands for one that cannot be shown.</summary>
    private string? Writable(string? text)
    {
        if (text?.Contains('\0', StringComparison.Ordinal) != true) return text;
        ReplacedCharacters += text.Count(character => character == '\0');
        return text.Replace('\0', '\uFFFD');
    }
}
