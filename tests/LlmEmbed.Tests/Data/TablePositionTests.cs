using System.IO.Compression;
using System.Text;
using LlmEmbed.Data;
using Parquet;
using Parquet.Schema;
using Xunit;
using ZstdSharp;
using static LlmEmbed.Tests.Data.Tables;

namespace LlmEmbed.Tests.Data;

/// <summary>A table that is read from a row onwards gives what is read from there on when it is read from its beginning.</summary>
public sealed class TablePositionTests
{
    private const string Mark = "\uFEFF";

    /// <summary>Longer than a tenth of a block of 64 KiB, so that block borders fall into rows, line ends and characters.</summary>
    private static readonly string Long = string.Concat(Enumerable.Repeat("ö😀 text, ", 600));

    /// <summary>The options and the content of each table, by name.</summary>
    private static readonly Dictionary<string, (TableOptions Options, string Content)> Texts = new(StringComparer.Ordinal)
    {
        ["csv"] = (TableFormat.Csv, "text,label\n" + Rows(40, row => $"\"row {row}, \"\"quoted\"\"\",{row}\n")),
        ["csv, records of several lines"] = (TableFormat.Csv, "text,label\n" + Rows(30, row => $"\"row {row}\n\nmore\r\nand {Cut(row)}\",{row}\n")),
        ["csv, CR LF, byte order mark"] = (TableFormat.Csv, Mark + "text,label\r\n" + Rows(40, row => $"row {row},\"{Cut(row)}\"\r\n")),
        ["csv, CR alone"] = (TableFormat.Csv, "text,label\r" + Rows(40, row => $"row {row},\"{Cut(row)}\"\r") + "last,\"a\r\nb\"\r\n"),
        ["csv, lone CR in fields"] = (TableFormat.Csv, "text,label\n" + Rows(40, row => $"row\r{row},\"\r{Cut(row)}\r\r\n\"\n")),
        ["csv, line that tells the separator"] = (TableFormat.Csv, Mark + "sep=;\r\ntext;label\r\n" + Rows(20, row => $"row {row};{row}\r\n")),
        ["csv, blank lines"] = (TableFormat.Csv, "\n\ntext,label\n\n" + Rows(20, row => $"row {row},{row}{new string('\n', 1 + (row % 4))}")),
        ["csv, rows that cannot be read"] = (TableFormat.Csv, "text,label\n" + Rows(20, row => row % 3 == 0 ? $"{row}\n" : $"row {row},x\n")),
        ["csv, no header"] = (new() { Format = TableFormat.Csv, HasHeader = false }, Mark + Rows(40, row => $"row {row},\"{Cut(row)}\"\n")),
        ["csv, rows with byte order marks"] = (TableFormat.Csv, Mark + "text,label\n" + Rows(20, row => $"{Mark}{Mark}row {row},x\n")),
        ["csv, no line end at the end"] = (TableFormat.Csv, "text,label\nrow 1,x\nrow 2,"),
        ["csv, rows that look like other files"] = (TableFormat.Csv, "text,label\nPAR1,x\nPK\u0003\u0004,y\nsep=;,z\n\"sep=;\",z\n%PDF,a\n"),
        ["tsv"] = (TableFormat.Tsv, "text\tlabel\n" + Rows(40, row => $"row \"{row}\t{Cut(row)}\n")),
        ["tsv, quoted"] = (TableFormat.Tsv, "text\tlabel\n" + Rows(40, row => $"\"row {row}\n\"\t{Cut(row)}\n")),
        ["jsonl"] = (TableFormat.JsonLines, Mark + Rows(40, row => $"{{\"text\":\"row {row} {Cut(row)}\"}}\n")),
        ["jsonl, blank lines, CR LF"] = (
            TableFormat.JsonLines, "\r\n" + Rows(30, row => $"{{\"text\":\"row {row}\"}}\r\n{(row % 3 == 0 ? " \r\n\r\n" : "")}")),
        ["jsonl, records that cannot be read"] = (
            TableFormat.JsonLines, Rows(30, row => row % 3 == 1 ? $"[{row}]\n" : row % 3 == 2 ? $"{{row {row}\n" : $"{{\"text\":\"row {row}\"}}\n")),
        ["jsonl, keys of the first thousand"] = (
            TableFormat.JsonLines, Rows(1100, row => $"{{\"text\":\"row {row}\",\"{(row < 1050 ? "k" + (row / 500) : "later")}\":{row}}}\n")),
        ["lines"] = (TableFormat.Lines, Rows(40, row => $"row {row} {Cut(row)}\n")),
        ["lines, blank ones, CR LF, byte order marks"] = (TableFormat.Lines, Mark + Rows(30, row => $"{Mark}row {row}\r\n\n\r\n")),
        ["lines, CR alone"] = (TableFormat.Lines, Rows(40, row => $"row {row} {Cut(row)}\r\r") + "later\nand\r\nlast"),
        ["lines, lone CR"] = (TableFormat.Lines, "\n" + Rows(40, row => $"\rrow\r{row} {Cut(row)}\r\r\n") + "last\r"),
        ["lines, all blank"] = (TableFormat.Lines, "\n\n\n\n"),
        ["lines over many blocks"] = (TableFormat.Lines, Rows(8, row => $"{string.Concat(Enumerable.Repeat(Long, row * 4))}\n")),
        ["lines, CR at the ends of blocks"] = (
            TableFormat.Lines, "\n" + Rows(4, row => new string((char)('a' + row), (1 << 16) - 1 - (row % 3)) + "\r\n")),
    };

    public static TheoryData<string> TextNames => [.. Texts.Keys];

    [Theory]
    [MemberData(nameof(TextNames))]
    public void Every_row_of_a_text_is_found_by_its_position(string name)
    {
        (TableOptions options, string content) = Texts[name];
        byte[] plain = Encoding.UTF8.GetBytes(content);
        List<TableRow> rows = All(plain, options);
        Assert.All(rows, row => Assert.Equal(LinesBefore(plain, row.Offset), row.LineNumber - 1));
        Assert.Equal(rows.Count, rows.Select(row => row.Offset).Distinct().Count());
        AssertPositions(rows, plain, options);
        foreach (byte[] packed in new[] { Gzip(plain), Zstd(plain) })
        {
            List<TableRow> unpacked = All(packed, options);
            Assert.Equal(rows.Select(row => (row.LineNumber, row.Offset)), unpacked.Select(row => (row.LineNumber, row.Offset)));
            AssertPositions(unpacked, packed, options);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(100)]
    public async Task Every_row_of_a_parquet_file_is_found_by_its_position(int groupRows)
    {
        ParquetSchema schema = new(new DataField<string>("text"));
        MemoryStream file = new();
        await using (ParquetWriter writer = await ParquetWriter.CreateAsync(schema, file, cancellationToken: TestContext.Current.CancellationToken))
        {
            foreach (string[] texts in Enumerable.Range(0, 250).Select(row => $"row {row}").Chunk(groupRows))
            {
                using ParquetRowGroupWriter group = writer.CreateRowGroup();
                await group.WriteAsync(schema.DataFields[0], texts);
            }
        }
        List<TableRow> rows = All(file.ToArray(), TableFormat.Parquet);
        Assert.Equal(250, rows.Count);
        Assert.All(rows, row => Assert.Equal(-1, row.Offset));
        AssertPositions(rows, file.ToArray(), TableFormat.Parquet);
    }

    [Fact]
    public void What_is_before_the_row_is_not_read()
    {
        byte[] content = Encoding.UTF8.GetBytes("text,label\n" + Rows(1 << 16, row => $"row {row},a longer text than the others\n"));
        TableRow last = All(content, TableFormat.Csv)[^1];
        using CountingStream file = new(content);
        using TableReader table = TableReader.Open(file, TableFormat.Csv);
        Assert.Equal("row 65535", table.AllRowsFrom(new(65535, last.LineNumber, last.Offset)).Single().Fields[0].Text);
        Assert.InRange(file.ReadBytes, 1, 200_000);
        Assert.True(content.Length > 2_000_000);
    }

    [Fact]
    public void An_error_behind_the_row_names_its_line_in_the_file()
    {
        const string Content = "text\nfirst\n\"sec\nond\"\nthird\n\"never closed\n";
        using TableReader table = Open(Content, TableFormat.Csv);
        AssertError(
            "never closed", 6, Assert.Throws<LlmEmbedException>(() => table.AllRowsFrom(new(2, 5, Offset(Content, "third"))).Count()));

        using TableReader lines = Open([.. "one\ntwo\nthr\u0000ee"u8], TableFormat.Lines);
        AssertError("the byte 0x00", 3, Assert.Throws<LlmEmbedException>(() => lines.AllRowsFrom(new(1, 2, 4)).Count()));
    }

    [Fact]
    public void A_file_that_is_shorter_than_its_position_is_an_error()
    {
        byte[] content = Encoding.UTF8.GetBytes("text\na\nb\n");
        foreach (byte[] file in new[] { content, Gzip(content), Zstd(content) })
        {
            using TableReader table = Open(file, TableFormat.Csv);
            AssertError(
                "the file ends before byte 10, where row 3 was found before.",
                null,
                Assert.Throws<LlmEmbedException>(() => table.AllRowsFrom(new(2, 4, 10))));
            using TableReader atEnd = Open(file, TableFormat.Csv);
            Assert.Empty(atEnd.AllRowsFrom(new(2, 4, 9)));
        }
    }

    [Fact]
    public void A_table_without_rows_has_none_from_its_beginning_on()
    {
        using TableReader table = Open("text,label\n", TableFormat.Csv);
        Assert.Empty(table.AllRowsFrom(default));
        Assert.Throws<InvalidOperationException>(() => table.AllRowsFrom(default));
    }

    private static void AssertPositions(List<TableRow> rows, byte[] file, TableOptions options)
    {
        // Of long tables not every row: the first, the last, and a number that shares no factor with the lengths of blocks and groups.
        int step = rows.Count > 300 ? 97 : 1;
        foreach (int first in Enumerable.Range(0, rows.Count).Where(row => row % step == 0 || row == rows.Count - 1))
        {
            using TableReader table = Open(file, options);
            TablePosition position = new(first, rows[first].LineNumber, rows[first].Offset);
            Assert.Equal(rows.Skip(first).Select(Shown), table.AllRowsFrom(position).Select(Shown));
        }
    }

    private static List<TableRow> All(byte[] file, TableOptions options)
    {
        using TableReader table = Open(file, options);
        List<TableRow> rows = [.. table.AllRows()];
        Assert.True(rows.Count > 1);
        return rows;
    }

    private static string Shown(TableRow row) =>
        $"{row.LineNumber} @{row.Offset} {row.Problem} {string.Join('|', row.Fields.Select(field => $"{field.IsJson}:{field.Text ?? "null"}"))}";

    /// <summary>The line ends before a byte: LF; in a file whose beginning ends lines with CR, later ones may end with any of the three.</summary>
    private static int LinesBefore(byte[] file, long offset)
    {
        string before = Encoding.UTF8.GetString(file, 0, (int)offset);
        bool endsWithReturn = file.AsSpan(0, Math.Min(file.Length, 1 << 16)) is var head && head.Contains((byte)'\r') && !head.Contains((byte)'\n');
        return endsWithReturn ? before.Replace("\r\n", "\n", StringComparison.Ordinal).Count(c => c is '\r' or '\n') : before.Count(c => c == '\n');
    }

    private static string Rows(int count, Func<int, string> row) => string.Concat(Enumerable.Range(0, count).Select(row));

    /// <summary>A beginning of the long text, another one for each row.</summary>
    private static string Cut(int row) => string.Concat(Long.EnumerateRunes().Take(row * 397 % 5000));

    private static long Offset(string content, string text) => Encoding.UTF8.GetByteCount(content[..content.IndexOf(text, StringComparison.Ordinal)]);

    private static byte[] Gzip(byte[] content)
    {
        using MemoryStream output = new();
        using (GZipStream gzip = new(output, CompressionLevel.Fastest)) gzip.Write(content);
        return output.ToArray();
    }

    private static byte[] Zstd(byte[] content)
    {
        using Compressor zstd = new();
        return zstd.Wrap(content).ToArray();
    }

    /// <summary>Counts what is read of it.</summary>
    private sealed class CountingStream(byte[] content) : MemoryStream(content)
    {
        public long ReadBytes { get; private set; }

        public override int Read(Span<byte> buffer)
        {
            int read = base.Read(buffer);
            ReadBytes += read;
            return read;
        }

        public override int Read(byte[] buffer, int offset, int count)
        {
            int read = base.Read(buffer, offset, count);
            ReadBytes += read;
            return read;
        }
    }
}
