using System.Text;
using CsvHelper;

namespace LlmEmbed.Data;

/// <summary>
/// Reads comma- or tab-separated values strictly as RFC 4180 defines them. Broken quoting is an error and not repaired, because a repair would move
/// text from one row to another. Blank lines are skipped.
/// </summary>
internal sealed class CsvRows : ITableRows
{
    private readonly CsvReader _csv;
    private readonly TableSource _source;

    public CsvRows(Stream input, TableSource source, char separator)
    {
        _source = source;
        _csv = CsvReader.Create(input, new CsvReaderOptions
        {
            Separator = separator,
            // The header is read as a row, so that it is checked with its line number.
            HasHeader = false,
            TrackLineNumbers = true,
            MaxRecordSize = Utf8Stream.MaxLineBytes,
            OnMalformedRecord = record => throw BrokenQuotes(record, source, separator),
        });
        if (!Advance()) throw source.Error("the file is empty, expected a line with the column names.");
        Columns = Array.ConvertAll(Fields(), field => field.Text!);
        HeaderLine = _csv.LineNumber;
    }

    public IReadOnlyList<string> Columns { get; }

    public long? HeaderLine { get; }

    public IEnumerable<TableRow> Read()
    {
        while (Advance())
        {
            if (_csv.FieldCount != Columns.Count)
            {
                throw _source.Error(
                    _csv.LineNumber,
                    $"the row has {_csv.FieldCount} fields, the header {Columns.Count}. " +
                    "A field that holds separators, quotes or line breaks must be quoted.");
            }
            yield return new TableRow(_csv.LineNumber, Fields());
        }
    }

    public void Dispose() => _csv.Dispose();

    private TableValue[] Fields()
    {
        TableValue[] fields = new TableValue[_csv.FieldCount];
        for (int field = 0; field < fields.Length; field++) fields[field] = _csv.GetString(field);
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
            throw _source.Error(exception.LineNumber, problem, exception);
        }
    }

    private static LlmEmbedException BrokenQuotes(CsvMalformedRecord record, TableSource source, char separator)
    {
        string problem = record.Reason switch
        {
            CsvMalformedReason.UnterminatedQuote => "the quoted field that begins here is never closed",
            CsvMalformedReason.TextAfterClosingQuote => "the quoted field that begins here goes on after its closing quote",
            _ => "the field that begins here holds a quote but is not quoted",
        };
        string before = record.RawRecord[..BrokenFieldStart(record.RawRecord, separator)];
        long line = record.LineNumber + Utf8Stream.LineBreaks(Encoding.UTF8.GetBytes(before));
        return source.Error(line, $"{problem}. Quote the whole field and double the quotes inside it.");
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

    public CsvOutput(Stream output, IReadOnlyList<string> columns, char separator)
    {
        _csv = CsvWriter.Create(output, new CsvWriterOptions { Separator = separator, NewLine = "\n" });
        foreach (string column in columns) _csv.WriteField(column);
        _csv.EndRecord();
    }

    public void Write(ReadOnlySpan<TableValue> fields)
    {
        foreach (TableValue field in fields) _csv.WriteField(field.Text);
        _csv.EndRecord();
    }

    public void Flush() => _csv.Flush();

    public void Dispose() => _csv.Dispose();
}
