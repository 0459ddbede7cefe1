using System.Text;
using LlmEmbed.Data;
using Xunit;
using static LlmEmbed.Tests.Data.Tables;

namespace LlmEmbed.Tests.Data;

public sealed class CsvTableReaderTests
{
    [Fact]
    public void Quoted_fields_hold_separators_line_breaks_and_doubled_quotes()
    {
        Assert.Equal(
            ["2: a,b|1", "3: two\nlines|2", "5: say \"hi\"|3", "6: \"|4"],
            Joined("text,label\n\"a,b\",1\n\"two\nlines\",2\n\"say \"\"hi\"\"\",3\n\"\"\"\",4\n", TableFormat.Csv));
    }

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    [InlineData("\r")]
    public void Every_kind_of_line_end_is_read_and_counted(string lineEnd)
    {
        string content = string.Join(lineEnd, "\uFEFFtext,label", "a,01", "", "\"b", "c\",1", "d,1", "", "");
        Assert.Equal(["2: a|01", $"4: b{lineEnd}c|1", "6: d|1"], Joined(content, TableFormat.Csv));
    }

    [Fact]
    public void White_space_in_fields_is_kept_and_a_quoted_empty_field_is_a_row()
    {
        Assert.Equal(["2: ", "3:  x "], Joined("text\n\"\"\n x \n", TableFormat.Csv));
    }

    [Fact]
    public void Tsv_quotes_as_csv_does()
    {
        Assert.Equal(["2: a,b|1", "3: tab\there|2"], Joined("text\tlabel\na,b\t1\n\"tab\there\"\t2", TableFormat.Tsv));
    }

    [Fact]
    public void A_multi_line_row_larger_than_the_buffers_is_read_whole()
    {
        string text = string.Join("\n", Enumerable.Repeat("größer 😀 ", 30_000));
        TableRow row = Assert.Single(Rows($"text,label\n\"{text}\",x", TableFormat.Csv));
        Assert.Equal(text, row.Fields[0].Text);
    }

    [Theory]
    [InlineData("text,label\na,1\n\"b,2\nc,3\n", 3)]
    [InlineData("text,label\n\"a\nb\",\"2\nc,3\n", 3)]
    [InlineData("text,label\n\"\"\"a\"\",b\n\",\"c", 3)]
    public void A_quote_that_is_never_closed_is_an_error_at_the_line_of_its_field(string content, long line)
    {
        AssertError("the quoted field that begins here is never closed", line, Error(content, TableFormat.Csv));
    }

    [Fact]
    public void Text_behind_a_closing_quote_is_an_error()
    {
        AssertError("goes on after its closing quote", 3, Error("text,label\n\"a\n1\",\"b\"c\n", TableFormat.Csv));
    }

    [Fact]
    public void A_quote_inside_an_unquoted_field_is_an_error()
    {
        AssertError("holds a quote but is not quoted", 2, Error("text,label\n5\" pipe,1\n", TableFormat.Csv));
    }

    [Fact]
    public void A_broken_quote_in_the_header_is_an_error()
    {
        AssertError("never closed", 1, Error("\"text,label\na,1\n", TableFormat.Csv));
    }

    [Theory]
    [InlineData("text,label\na,1\nb\n", "the row has 1 fields, the header 2")]
    [InlineData("text,label\na,1\nb,c,2\n", "the row has 3 fields, the header 2")]
    public void A_row_with_too_few_or_too_many_fields_is_an_error(string content, string expected)
    {
        AssertError(expected, 3, Error(content, TableFormat.Csv));
    }

    [Theory]
    [InlineData("")]
    [InlineData("\uFEFF")]
    [InlineData("\n\n")]
    public void An_empty_file_is_an_error(string content)
    {
        AssertError("the file is empty", null, Error(content, TableFormat.Csv));
    }

    [Fact]
    public void A_header_without_rows_is_an_error()
    {
        AssertError("there are no rows", null, Error("text,label\n", TableFormat.Csv));
    }

    [Fact]
    public void Two_columns_of_one_name_are_an_error()
    {
        AssertError("columns 1 and 3 are both called 'text'", 1, Error("text,label,text\na,b,c\n", TableFormat.Csv));
    }

    [Fact]
    public void A_column_without_a_name_is_called_by_its_number()
    {
        using TableReader table = Open("\n,text, ,2,\"\"\n0,a,b,c,d\n", TableFormat.Csv);
        Assert.Equal(["1", "text", "3", "2", "5"], table.Columns);
        Assert.Equal(["0", "a", "b", "c", "d"], table.Rows().Single().Fields.Select(field => field.Text));
        using TableReader taken = Open("2,,text\na,b,c\n", TableFormat.Csv);
        Assert.Equal(["2", "2_", "text"], taken.Columns);
    }

    [Theory]
    [InlineData(3)]
    [InlineData(40_000)]
    public void A_byte_that_is_not_utf8_is_an_error_with_its_line(int rows)
    {
        IEnumerable<byte> lines = Enumerable.Repeat("größer\r\n"u8.ToArray(), rows).SelectMany(line => line);
        byte[] content = [.. "text\r\n"u8, .. lines, .. "caf"u8, 0xE9, .. "\r\n"u8];
        AssertError("the byte 0xE9 is not UTF-8 text", rows + 2, Error(content, TableFormat.Csv));
    }

    [Fact]
    public void A_character_cut_off_by_the_end_of_the_file_is_an_error()
    {
        AssertError("the byte 0xE2 is not UTF-8 text", 2, Error([.. "text\na"u8, 0xE2, 0x82], TableFormat.Csv));
    }

    [Fact]
    public void Utf16_is_an_error_with_and_without_byte_order_mark()
    {
        byte[] marked = [0xFF, 0xFE, .. Encoding.Unicode.GetBytes("text\na")];
        AssertError("this is UTF-16 text (it begins with the byte 0xFF)", null, Error(marked, TableFormat.Csv));
        AssertError("the byte 0x00", 1, Error(Encoding.Unicode.GetBytes("text\na"), TableFormat.Csv));
    }

    [Fact]
    public void A_row_without_end_is_an_error_before_memory_is_full()
    {
        using TableReader table = TableReader.Open(new EndlessStream("text\na\n\""u8.ToArray(), "word word\n"u8.ToArray()), TableFormat.Csv);
        AssertError("longer than 64 MiB", 3, Assert.Throws<LlmEmbedException>(() => table.Rows().Count()));
    }

    [Fact]
    public void A_line_without_end_is_an_error_before_memory_is_full()
    {
        using TableReader table = TableReader.Open(new EndlessStream("a\r\n"u8.ToArray(), "word "u8.ToArray()), TableFormat.Lines);
        AssertError("longer than 64 MiB", 2, Assert.Throws<LlmEmbedException>(() => table.Rows().Count()));
    }

    [Fact]
    public void Reading_that_breaks_off_is_an_error_with_the_line_it_came_to()
    {
        EndlessStream breaking = new("text\na\n"u8.ToArray(), []);
        AssertError(
            "reading failed after line 3: the disk is gone",
            null,
            Assert.Throws<LlmEmbedException>(() => TableReader.Open(breaking, TableFormat.Csv)));
    }

    /// <summary>Gives <paramref name="start"/> and then <paramref name="body"/> without end. With an empty body, reading it fails.</summary>
    private sealed class EndlessStream(byte[] start, byte[] body) : MemoryStream(start)
    {
        public override int Read(Span<byte> buffer)
        {
            int count = base.Read(buffer);
            if (count > 0) return count;
            if (body.Length == 0) throw new IOException("the disk is gone");
            for (int index = 0; index < buffer.Length; index++) buffer[index] = body[index % body.Length];
            return buffer.Length - (buffer.Length % body.Length);
        }
    }
}
