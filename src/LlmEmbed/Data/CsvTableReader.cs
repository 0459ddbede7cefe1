using System.Text;
using CsvHelper;

namespace LlmEmbed.Data;

/// <summary>
/// Comma- or tab-separated values, strictly as RFC 4180: broken quoting is an error and not repaired, because a repair moves text between rows.
/// Blank lines are skipped.
/// </summary>
internal sealed class CsvTableReader : TableReader
{
    private readonly CsvReader _csv;
    private readonly TableSource _source;

    public CsvTableReader(Stream input, TableSource source, TableFormat format, char separator)
        : this(OpenCsv(input, source, separator), source, format)
    {
    }

    private CsvTableReader(CsvReader csv, TableSource source, TableFormat format)
        : base(source, format, ReadHeader(csv, source), csv.LineNumber)
    {
        _csv = csv;
        _source = source;
    }

    protected override IEnumerable<TableRow> ReadRows()
    {
        while (Advance(_csv, _source))
        {
            if (_csv.FieldCount != Columns.Count)
                throw Error(_csv.LineNumber, $"the row has {_csv.FieldCount} fields, the header {Columns.Count}. A field that holds separators, quotes or line breaks must be quoted.");
            yield return new TableRow(_csv.LineNumber, Fields(_csv));
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing) _csv.Dispose();
    }

    private static CsvReader OpenCsv(Stream input, TableSource source, char separator) => CsvReader.Create(input, new CsvReaderOptions
    {
        Separator = separator,
        // The header is read as a row, so that it is checked with its line number.
        HasHeader = false,
        TrackLineNumbers = true,
        MaxRecordSize = Utf8Stream.MaxLineBytes,
        OnMalformedRecord = record => throw BrokenQuotes(record, source, separator),
    });

    private static string[] ReadHeader(CsvReader csv, TableSource source) =>
        Advance(csv, source) ? Array.ConvertAll(Fields(csv), field => field.Text!) : throw source.Error("the file is empty, expected a line with the column names.");

    private static TableValue[] Fields(CsvReader csv)
    {
        var fields = new TableValue[csv.FieldCount];
        for (int field = 0; field < fields.Length; field++) fields[field] = csv.GetString(field);
        return fields;
    }

    private static bool Advance(CsvReader csv, TableSource source)
    {
        try
        {
            return csv.Read();
        }
        catch (CsvFormatException exception)
        {
            // Quoting errors come as BrokenQuotes; what is left is a record without end.
            throw source.Error(exception.LineNumber, $"the row that begins here is longer than {Utf8Stream.MaxLineBytes >> 20} MiB. Is a quote never closed?", exception);
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
        return source.Error(record.LineNumber + Utf8Stream.LineBreaks(Encoding.UTF8.GetBytes(before)), $"{problem}. Quote the whole field and double the quotes inside it.");
    }

    /// <summary>CsvHelper tells where the broken record begins; a reader wants to see the field, which may begin many lines below.</summary>
    private static int BrokenFieldStart(string record, char separator)
    {
        int start = 0;
        while (true)
        {
            int end = start < record.Length && record[start] == '"' ? QuotedEnd(record, start) : record.IndexOfAny([separator, '"'], start);
            if (end < 0 || end >= record.Length || record[end] != separator) return start;
            start = end + 1;
        }
    }

    /// <summary>The index behind the closing quote, -1 where there is none.</summary>
    private static int QuotedEnd(string record, int start)
    {
        for (int quote = record.IndexOf('"', start + 1); quote >= 0; quote = record.IndexOf('"', quote + 2))
            if (quote + 1 == record.Length || record[quote + 1] != '"') return quote + 1;
        return -1;
    }
}
