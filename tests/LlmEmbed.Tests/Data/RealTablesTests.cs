using System.IO.Compression;
using System.Text;
using LlmEmbed.Data;
using Xunit;
using static LlmEmbed.Tests.Data.Tables;

namespace LlmEmbed.Tests.Data;

/// <summary>Tables as programs write them: Excel, pandas, databases, and people.</summary>
public sealed class RealTablesTests
{
    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("blanks-in-header.csv", 24, "text in 'text', label in 'label' (csv, commas, fields quoted as in RFC 4180)")]
    [InlineData("index-column.csv", 24, "text in 'text', label in 'label' (csv, commas, fields quoted as in RFC 4180)")]
    [InlineData("semicolon.csv", 24, "text in 'text', label in 'label' (csv, semicolons, fields quoted as in RFC 4180)")]
    [InlineData("sep-line.csv", 24, "text in 'text', label in 'label' (csv, commas, fields quoted as in RFC 4180)")]
    [InlineData("sentence-and-text.csv", 24, "text in 'text', label in 'label' (csv, commas, fields quoted as in RFC 4180)")]
    [InlineData("inch-sign.tsv", 24, "text in 'text', label in 'label' (tsv, tabs, quotes are characters)")]
    [InlineData("two-stray-quotes.tsv", 24, "text in 'text', label in 'label' (tsv, tabs, quotes are characters)")]
    [InlineData("key-appears-later.jsonl", 24, "text in 'text', label in 'label' (jsonl)")]
    public void A_table_is_read_and_says_how(string file, int examples, string expected)
    {
        LabeledTable table = LabeledTable.ReadForTraining(Repository.Fixture("Tables", file), cancellationToken: Cancellation);
        Assert.Equal(examples, table.Examples.Count);
        Assert.Equal(["billing", "delivery"], table.Labels);
        Assert.Equal(expected, table.Description.ToString());
        Assert.Empty(table.Notes);
    }

    [Theory]
    [InlineData("text;label\na, b;x\n", ';', "a, b|x")]
    [InlineData("text|label\na;b|x\n", '|', "a;b|x")]
    [InlineData("text\tlabel\na,b\tx\n", '\t', "a,b|x")]
    [InlineData("sep=;\r\ntext;label\r\na;x\r\n", ';', "a|x")]
    [InlineData("SEP=|\ntext|label\na|x\n", '|', "a|x")]
    [InlineData("\"sep=;\"\ntext;label\na;x\n", ';', "a|x")]
    [InlineData("\uFEFFsep=\t\ntext\tlabel\na\tx\n", '\t', "a|x")]
    [InlineData("\"a;b;c\",label\nx,y\n", ',', "x|y")]
    [InlineData("a;b;c,label\nx,y\n", ',', "x|y")]
    [InlineData("text\na;b\n", ',', "a;b")]
    public void The_separator_is_recognized_from_the_header(string content, char separator, string fields)
    {
        using TableReader table = Open(content, TableFormat.Csv);
        Assert.Equal(separator, table.Layout.Separator);
        Assert.Equal(fields, string.Join('|', table.Rows().Single().Fields.Select(field => field.Text)));
    }

    [Fact]
    public void Lines_are_counted_from_the_top_of_a_file_that_tells_its_separator()
    {
        AssertError("the row has 1 fields, the header 2", 3, Error("sep=;\ntext;label\na\n", TableFormat.Csv));
        AssertError("never closed", 4, Error("sep=;\ntext;label\na;x\n\"b;x\n", TableFormat.Csv));
        AssertError("both called 'text'", 2, Error("sep=;\ntext;text\na;x\n", TableFormat.Csv));
    }

    [Fact]
    public void A_separator_can_be_given_and_a_wrong_one_is_hinted_at()
    {
        const string Content = "Text (de, fr);Label\na;x\n";
        using TableReader wrong = Open(Content, TableFormat.Csv);
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => wrong.ColumnIndex("Label"));
        Assert.Contains("If another character separates the fields, give --separator.", error.Message, StringComparison.Ordinal);
        using TableReader right = Tables.Open(Content, new() { Format = TableFormat.Csv, Separator = ';' });
        Assert.Equal(["Text (de, fr)", "Label"], right.Columns);
    }

    [Theory]
    [InlineData("jsonl", "{}")]
    [InlineData("lines", "a")]
    public void Separator_quotes_and_header_belong_to_csv_and_tsv(string format, string content)
    {
        TableOptions options = new() { Format = TableFormat.Parse(format) };
        foreach (TableOptions wrong in (TableOptions[])[options with { Separator = ';' }, options with { Quotes = Quotes.None },
            options with { HasHeader = false }])
        {
            Assert.Contains(
                $"belong to csv and tsv; the format here is {format}",
                Assert.Throws<LlmEmbedException>(() => Tables.Open(content, wrong)).Message,
                StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("text\tlabel\nthe 5\" box\tx\n", false, "2: the 5\" box|x")]
    [InlineData("text\tlabel\n\"great\" film\tx\n", false, "2: \"great\" film|x")]
    [InlineData("text\tlabel\n\"open\tx\nb\tx\n", false, "2: \"open|x", "3: b|x")]
    [InlineData("text\tlabel\n\"a\tx\nb\tx\nc\"\tx\n", false, "2: \"a|x", "3: b|x", "4: c\"|x")]
    [InlineData("text\tlabel\n\"a\tb\"\tx\n", true, "2: a\tb|x")]
    [InlineData("text\tlabel\n\"two\nlines\"\tx\n", true, "2: two\nlines|x")]
    [InlineData("text\tlabel\n\"say \"\"hi\"\"\"\tx\n", true, "2: say \"hi\"|x")]
    public void Tabs_without_quoting_are_recognized_where_the_quotes_make_no_sound_table(string content, bool hasQuotes, params string[] rows)
    {
        foreach (TableFormat format in (TableFormat[])[TableFormat.Tsv, TableFormat.Csv])
        {
            using TableReader table = Open(content, format);
            Assert.Equal(hasQuotes, table.Layout.HasQuotes);
            Assert.Equal(rows, Joined(content, format));
        }
    }

    [Fact]
    public void A_table_that_is_sound_in_no_way_is_refused_with_the_option()
    {
        AssertError("--quotes none", 2, Error("text\tlabel\na \"b\tx\nc\n", TableFormat.Tsv));
        AssertError("--quotes none", 2, Error("text,label\nthe 5\" box,x\n", TableFormat.Csv));
        Assert.Equal(["2: the 5\" box|x"], Joined("text,label\nthe 5\" box,x\n", new() { Format = TableFormat.Csv, Quotes = Quotes.None }));
    }

    [Fact]
    public void Quotes_that_are_asked_for_are_not_reconsidered()
    {
        AssertError("holds a quote but is not quoted", 2,
            Error("text\tlabel\nthe 5\" box\tx\n", new() { Format = TableFormat.Tsv, Quotes = Quotes.Rfc4180 }));
    }

    [Theory]
    [InlineData("text,label\n\"a,x\nb,y\nc\",x\nd,y\n", "Lines 2 to 4 were read as one row")]
    [InlineData("id,text,label\n1,\"a,x\n2,b\",y\n", "Lines 2 to 3 were read as one row")]
    [InlineData("id,text,label\n1,\"a,x\n2,b\",y\n3,c,x\n4,\"d,x\n5,e\",y\n", "The same holds for 1 further rows.")]
    public void Rows_that_stray_quotes_swallow_are_noted_with_their_lines(string content, string expected)
    {
        using TableReader table = Open(content, TableFormat.Csv);
        Assert.NotEmpty(table.Rows().ToList());
        TableNote note = Assert.Single(table.Notes);
        Assert.Equal(TableNoteKind.SwallowedRows, note.Kind);
        Assert.Contains(expected, note.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("text,label\n\"Dear all,\nwe met.\nBest, Ann\",x\n")]
    [InlineData("text,label\n\"One, two\nthree\",x\n")]
    [InlineData("text\n\"a\nb\nc\"\n")]
    public void A_text_of_several_lines_is_not_taken_for_swallowed_rows(string content)
    {
        using TableReader table = Open(content, TableFormat.Csv);
        Assert.Single(table.Rows());
        Assert.Empty(table.Notes);
    }

    [Fact]
    public void Two_stray_quotes_in_a_csv_file_are_noted()
    {
        LabeledTable table = LabeledTable.ReadForTraining(Repository.Fixture("Tables", "two-stray-quotes.csv"), cancellationToken: Cancellation);
        Assert.Equal(15, table.Examples.Count);
        Assert.Contains("Lines 5 to 14 were read as one row", Assert.Single(table.Notes).Message, StringComparison.Ordinal);
        LabeledTableOptions options = new() { Table = new() { Quotes = Quotes.None } };
        Assert.Equal(24, LabeledTable.ReadForTraining(Repository.Fixture("Tables", "two-stray-quotes.csv"), options, Cancellation).Examples.Count);
    }

    [Fact]
    public void Trailing_columns_without_names_are_carried_under_their_numbers()
    {
        using TableReader table = TableReader.Open(Repository.Fixture("Tables", "trailing-unnamed-columns.csv"));
        Assert.Equal(["v1", "v2", "3", "4", "5"], table.Columns);
        Assert.Equal(24, table.Rows().Count());
    }

    [Theory]
    [InlineData(" text ,\tlabel")]
    [InlineData("\"text \",\u00A0label")]
    [InlineData("\u200Btext,label\uFEFF")]
    public void Names_of_columns_lose_what_is_invisible_around_them(string header)
    {
        using TableReader table = Open(header + "\na,x\n", TableFormat.Csv);
        Assert.Equal(["text", "label"], table.Columns);
        Assert.Equal(0, table.ColumnIndex(" text "));
    }

    [Theory]
    [InlineData("my parcel is late,delivery\nb,billing\n", "'my parcel is late' reads like data")]
    [InlineData("1234.5,good\na,bad\n", "'1234.5' reads like data")]
    public void A_header_like_data_gets_a_hint_that_names_the_option(string content, string expected)
    {
        using TableReader table = Open(content, TableFormat.Csv);
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => table.TextColumn());
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Contains("give --no-header", error.Message, StringComparison.Ordinal);
        Assert.Equal(TableNoteKind.HeaderLikeData, Assert.Single(table.Notes).Kind);
    }

    [Fact]
    public void A_label_that_names_its_own_column_is_noted()
    {
        LabeledTableOptions options = new() { TextColumn = "late", LabelColumn = "delivery" };
        using TableReader table = Open("late,delivery\na,delivery\nb,delivery\nc,x\nd,x\n", TableFormat.Csv);
        TableNote note = Assert.Single(LabeledTable.ReadForTraining(table, options, Cancellation).Notes);
        Assert.Contains("The column of the labels is called 'delivery', which is one of the labels", note.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_table_without_header_has_numbered_columns()
    {
        LabeledTableOptions options = new() { Table = new() { HasHeader = false }, TextColumn = "1", LabelColumn = "2" };
        LabeledTable table = LabeledTable.ReadForTraining(Repository.Fixture("Tables", "no-header.csv"), options, Cancellation);
        Assert.Equal(new LabeledText("my parcel is late", "delivery"), table.Examples[0]);
        Assert.Equal(1, table.Lines[0]);
        Assert.Empty(table.Notes);
    }

    [Theory]
    [InlineData("csv", "sep=;\ntext;label\na;x\n", "a|x")]
    [InlineData("tsv", "text\tlabel\n\"a\"\tx\n", "a|x")]
    [InlineData("jsonl", "{\"text\":\"a\",\"label\":\"x\"}\n", "a|x")]
    [InlineData("lines", "a\n", "a")]
    public void A_pipe_which_can_be_read_only_once_loses_nothing(string format, string content, string fields)
    {
        foreach (byte[] bytes in (byte[][])[Encoding.UTF8.GetBytes(content), Gzip(content)])
        {
            using GZipStream pipe = new(new MemoryStream(Gzip(bytes)), CompressionMode.Decompress);
            using TableReader table = TableReader.Open(pipe, TableFormat.Parse(format));
            Assert.Equal(fields, string.Join('|', table.Rows().Single().Fields.Select(field => field.Text)));
        }
    }

    [Fact]
    public void A_carriage_return_inside_a_line_is_a_character_in_every_text_format()
    {
        using TableReader lines = TableReader.Open(Repository.Fixture("Tables", "lone-carriage-return.txt"));
        string?[] texts = [.. lines.Rows().Select(row => row.Fields[0].Text)];
        Assert.Equal(8, texts.Length);
        Assert.Contains("carriage\rreturn inside", texts);
        Assert.Equal(["2: a\rb|x", "3: c|y"], Joined("text,label\na\rb,x\nc,y\n", TableFormat.Csv));
        Assert.Equal(["2: a\rb|x"], Joined("text\tlabel\r\na\rb\tx\r\n", TableFormat.Tsv));
        Assert.Equal(["1: a", "2: b"], Joined("{\"text\":\r\"a\"}\n{\"text\":\"b\"}\n", TableFormat.JsonLines));
    }

    [Fact]
    public void A_file_without_line_feeds_ends_its_lines_with_carriage_returns()
    {
        Assert.Equal(["1: a", "2: b", "3: c"], Joined("a\rb\rc", TableFormat.Lines));
        Assert.Equal(["1: a", "2: b"], Joined("a\r\nb\r", TableFormat.Lines));
        string many = string.Concat(Enumerable.Repeat("größer\r\n", 30_000)) + "a\rb\r\n";
        string[] rows = Joined(many, TableFormat.Lines);
        Assert.Equal((30_001, "30001: a\rb"), (rows.Length, rows[^1]));
    }

    [Theory]
    [InlineData("t.csv.gz", "csv")]
    [InlineData("t.jsonl.zst", "jsonl")]
    [InlineData("t.TSV.GZ", "tsv")]
    [InlineData("t.csv", "csv")]
    public void Compressed_text_is_read_whatever_it_is_called(string name, string format)
    {
        string content = format == "jsonl" ? "{\"text\":\"a\"}\n" : "text\na\n";
        foreach (Func<string, byte[]> pack in (Func<string, byte[]>[])[Gzip, Zstd])
        {
            using TemporaryFile file = new(name);
            File.WriteAllBytes(file.Path, pack(content));
            using TableReader table = TableReader.Open(file.Path);
            Assert.Equal(format, table.Layout.Format.Name);
            Assert.Equal(pack == Gzip ? "gzip" : "zstd", table.Layout.Compression);
            Assert.Equal("a", table.Rows().Single().Fields[0].Text);
        }
    }

    [Fact]
    public void Several_gzip_members_are_one_text_and_tabs_are_probed_in_compressed_files_too()
    {
        byte[] content = [.. Gzip("text\tlabel\nthe 5\" box\tx\n"), .. Gzip("b\ty\n")];
        using TableReader table = Open(content, TableFormat.Tsv);
        Assert.Equal((false, "gzip"), (table.Layout.HasQuotes, table.Layout.Compression));
        Assert.Equal(["the 5\" box", "b"], table.Rows().Select(row => row.Fields[0].Text));
    }

    [Fact]
    public void Compressed_text_that_is_cut_off_is_an_error()
    {
        string content = "text\n" + string.Concat(Enumerable.Range(0, 5000).Select(row => $"{row * 7919 % 104729}\n"));
        foreach (byte[] packed in (byte[][])[Gzip(content), Zstd(content)])
        {
            LlmEmbedException error = Error(packed[..(packed.Length / 2)], TableFormat.Csv);
            Assert.Matches("(damaged or cut off|reading failed) after line", error.Message);
        }
    }

    [Theory]
    [InlineData("PK\u0003\u0004rest", "this is an Excel workbook or a ZIP archive")]
    [InlineData("PAR1rest", "this is a Parquet file")]
    [InlineData("%PDF-1.7", "this is a PDF document")]
    [InlineData("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "this is a Git LFS pointer")]
    [InlineData("text\na\0b\n", "the byte 0x00 (NUL) is no character of a text")]
    public void A_file_that_is_no_text_is_said_to_be_what_it_is(string content, string expected)
    {
        foreach (TableFormat format in (TableFormat[])[TableFormat.Csv, TableFormat.JsonLines, TableFormat.Lines])
            Assert.Contains(expected, Error(content, format).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Invisible_characters_of_a_path_are_shown()
    {
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => TableReader.Open("data.csv\r", TableFormat.Csv));
        Assert.StartsWith("data.csv\\u000d: there is no such file.", error.Message, StringComparison.Ordinal);
        Assert.Contains("begins or ends in an invisible character", error.Message, StringComparison.Ordinal);
        Assert.Equal("data.csv\r", error.FilePath);
    }

    [Fact]
    public void What_csv_cannot_hold_is_written_so_that_it_can_be_read_again()
    {
        foreach (TableFormat format in TableFormat.All.Where(format => format is { CanWrite: true, IsText: true }))
        {
            using MemoryStream written = new();
            using (TableWriter writer = TableWriter.Create(written, ["text"], format))
            {
                writer.Write("a\0b");
                writer.Write("a\rb");
                writer.Write(" \"x\",\t;\n");
                Assert.Equal(format == TableFormat.JsonLines ? 0 : 1, writer.ReplacedCharacters);
            }
            using TableReader table = Open(written.ToArray(), format);
            string nul = format == TableFormat.JsonLines ? "a\0b" : "a\uFFFDb";
            Assert.Equal([nul, "a\rb", " \"x\",\t;\n"], table.Rows().Select(row => row.Fields[0].Text));
        }
    }

    [Fact]
    public void Labels_lose_invisible_characters_and_nearly_equal_ones_are_noted_with_counts()
    {
        LabeledTable table = LabeledTable.ReadForTraining(Repository.Fixture("Tables", "label-variants.csv"), cancellationToken: Cancellation);
        Assert.Equal(["BILLING", "Billing", "DELIVERY", "Delivery", "billing", "delivery"], table.Labels);
        TableNote note = Assert.Single(table.Notes);
        Assert.Equal(TableNoteKind.SimilarLabels, note.Kind);
        Assert.Contains("'BILLING' (2), 'Billing' (2), 'billing' (8); 'DELIVERY' (2)", note.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("no reply", "no  reply", "'no  reply' (2), 'no reply' (2)")]
    [InlineData("a\u200Bb", "ab", "'ab' (2), 'a\\u200bb' (2)")]
    [InlineData("1", "1.0", "'1' (2), '1.0' (2)")]
    public void Labels_that_look_alike_are_noted(string one, string other, string expected)
    {
        TableNote note = Assert.Single(Train($"text,label\na,{one}\nb,{one}\nc,{other}\nd,{other}\n").Notes);
        Assert.Contains(expected, note.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("01", "1")]
    [InlineData("1.5", "1.50")]
    [InlineData("a-b", "a_b")]
    public void Labels_that_may_well_differ_are_not_noted(string one, string other) =>
        Assert.Empty(Train($"text,label\na,{one}\nb,{one}\nc,{other}\nd,{other}\n").Notes);

    [Fact]
    public void Labels_of_test_texts_that_training_never_saw_are_named_with_the_nearest_class()
    {
        LabeledTable train = LabeledTable.Read(Repository.Fixture("Tables", "labels-int.csv"), cancellationToken: Cancellation);
        LabeledTable test = LabeledTable.Read(Repository.Fixture("Tables", "labels-float.csv"), cancellationToken: Cancellation);
        string message = test.NoteOnUnknownLabels(train.Labels)!.Message;
        Assert.Contains("24 of 24 texts", message, StringComparison.Ordinal);
        Assert.Contains("'0.0' (12), '1.0' (12)", message, StringComparison.Ordinal);
        Assert.Contains("'0.0' and '0' by \".0\"", message, StringComparison.Ordinal);
        Assert.Null(train.NoteOnUnknownLabels(train.Labels));
        LabeledTable other = Train("text,label\na,New\nb,New\nc,0\nd,0\n");
        Assert.Contains("2 of 4 texts", other.NoteOnUnknownLabels(train.Labels)!.Message, StringComparison.Ordinal);
        Assert.Contains("'New' and 'new' by case", other.NoteOnUnknownLabels(["0", "new"])!.Message, StringComparison.Ordinal);
    }

    private static LabeledTable Train(string content)
    {
        using TableReader table = Open(content, TableFormat.Csv);
        return LabeledTable.ReadForTraining(table, cancellationToken: Cancellation);
    }

    private static byte[] Gzip(string content) => Gzip(Encoding.UTF8.GetBytes(content));

    private static byte[] Gzip(byte[] content)
    {
        using MemoryStream packed = new();
        using (GZipStream gzip = new(packed, CompressionMode.Compress)) gzip.Write(content);
        return packed.ToArray();
    }

    private static byte[] Zstd(string content)
    {
        using ZstdSharp.Compressor compressor = new();
        return compressor.Wrap(Encoding.UTF8.GetBytes(content)).ToArray();
    }
}
