using System.Text;
using CsvHelper;

namespace LlmEmbed.Data;

/// <summary>What separates the fields of a file, and whether fields may be quoted.</summary>
/// <param name="Separator">The character between two fields.</param>
/// <param name="HasQuotes">Whether a field may stand in quotes; else quotes are characters.</param>
internal readonly record struct CsvDialect(char Separator, bool HasQuotes)
{
    /// <summary>How much of a file shows whether its quotes are quoting: enough for all but the rarest, and read in less than a second.</summary>
    private const long ProbedBytes = 64 << 20;

    /// <summary>The separators that are recognized.</summary>
    public const string KnownSeparators = ",;\t|";

    /// <summary>The dialect that the options ask for, or else that of the file.</summary>
    /// <param name="input">The file. If it can be read twice, its quotes may be tried here; the text has to be opened anew then.</param>
    /// <param name="text">The text of the file, at its header.</param>
    /// <param name="said">The separator that the file tells, or null.</param>
    /// <param name="own">The separator after which the format is named.</param>
    public static CsvDialect Recognize(TableInput input, Utf8Stream text, char? said, char own)
    {
        char separator = input.Options.Separator ?? said ?? SeparatorOf(text.Peek(), own);
        bool hasQuotes = input.Options.Quotes switch
        {
            Quotes.Rfc4180 => true,
            Quotes.None => false,
            _ => separator != '\t' || !input.CanRestart
                || IsSound(input, new(separator, HasQuotes: true)) || !IsSound(input, new(separator, HasQuotes: false)),
        };
        return new CsvDialect(separator, hasQuotes);
    }

    /// <summary>Opens records. Broken quoting, which would move text from one row to another if it were repaired, is handed to a function.</summary>
    public CsvReader Open(Stream text, Action<CsvMalformedRecord> onBrokenQuotes) => CsvReader.Create(text, new CsvReaderOptions
    {
        Separator = Separator,
        Mode = HasQuotes ? CsvMode.Rfc4180 : CsvMode.NoEscape,
        // The header is read as a row, so that it is checked with its line number.
        HasHeader = false,
        TrackLineNumbers = true,
        MaxRecordSize = Utf8Stream.MaxLineBytes,
        OnMalformedRecord = record => onBrokenQuotes(record),
    });

    /// <summary>
    /// Whether a record that spans lines was joined by stray quotes: each of its lines has as many fields as a row. Two lines of two fields are left
    /// to be a text of two lines with a comma in each.
    /// </summary>
    public bool LooksLikeRows(ReadOnlySpan<byte> record, int columns)
    {
        if (columns < 2 || !HasQuotes || !record.ContainsAny((byte)'\n', (byte)'\r')) return false;
        int lines = 0;
        foreach (ReadOnlySpan<char> line in Encoding.UTF8.GetString(record).AsSpan().EnumerateLines())
        {
            if (line.Count(Separator) != columns - 1) return false;
            lines++;
        }
        return lines + columns >= 5;
    }

    /// <summary>Takes a first line such as <c>sep=;</c>, by which Excel is told the separator.</summary>
    /// <returns>The separator; null if there is no such line.</returns>
    public static char? SkipSeparatorLine(Utf8Stream text)
    {
        ReadOnlySpan<byte> head = text.Peek();
        int mark = head.StartsWith(Utf8Stream.ByteOrderMark) ? Utf8Stream.ByteOrderMark.Length : 0;
        ReadOnlySpan<byte> line = head[mark..];
        int end = line.IndexOfAny((byte)'\n', (byte)'\r');
        if (end < 0) return null;
        string said = Encoding.UTF8.GetString(line[..end]).Trim('"');
        if (said.Length != 5 || !said.StartsWith("sep=", StringComparison.OrdinalIgnoreCase)) return null;
        text.Skip(mark + end + (line[end..].StartsWith("\r\n"u8) ? 2 : 1));
        return said[4];
    }

    /// <summary>The format's own separator if the header line holds it, else the known one that occurs there most often.</summary>
    private static char SeparatorOf(ReadOnlySpan<byte> head, char own)
    {
        Dictionary<char, int> counts = KnownSeparators.ToDictionary(separator => separator, _ => 0);
        bool isQuoted = false;
        foreach (byte character in head.TrimStart("\r\n"u8))
        {
            if (character == '"') isQuoted = !isQuoted;
            else if (!isQuoted && character is (byte)'\n' or (byte)'\r') break;
            else if (!isQuoted && counts.TryGetValue((char)character, out int count)) counts[(char)character] = count + 1;
        }
        KeyValuePair<char, int> most = counts.MaxBy(separator => separator.Value);
        return counts[own] > 0 || most.Value == 0 ? own : most.Key;
    }

    /// <summary>Whether the first part of a file is a table in this dialect: no broken quotes, no swallowed rows, and equally many fields.</summary>
    private static bool IsSound(TableInput input, CsvDialect dialect)
    {
        bool isSound = true;
        using Utf8Stream text = input.OpenText();
        SkipSeparatorLine(text);
        using CsvReader csv = dialect.Open(text, _ => isSound = false);
        int columns = 0;
        try
        {
            while (isSound && csv.ByteOffset < ProbedBytes && csv.Read())
            {
                if (columns == 0) columns = csv.FieldCount;
                isSound &= csv.FieldCount == columns && !dialect.LooksLikeRows(csv.RawRecord, columns);
            }
        }
        catch (CsvFormatException)
        {
            return false;
        }
        return isSound;
    }
}
