using System.Text;
using CsCheck;
using LlmEmbed.Data;
using Xunit;

namespace LlmEmbed.Tests.Data;

public sealed class TableWriterTests
{
    private static readonly string[] Columns = ["text", "label", "confidence"];

    [Fact]
    public void Csv_quotes_where_it_must_and_ends_lines_with_lf()
    {
        string content = Written(TableFormat.Csv, ["a,\"b\"", "x", TableValue.Number(0.5)], ["two\nlines", null, "ü"]);
        Assert.Equal("text,label,confidence\n\"a,\"\"b\"\"\",x,0.5\n\"two\nlines\",,ü\n", content);
    }

    [Fact]
    public void Tsv_separates_with_tabs()
    {
        Assert.Equal("text\tlabel\tconfidence\na,b\t\"\t\"\t1\n", Written(TableFormat.Tsv, ["a,b", "\t", "1"]));
    }

    [Fact]
    public void Json_lines_keep_numbers_nested_values_and_readable_characters()
    {
        string content = Written(
            TableFormat.JsonLines,
            ["say \"ü😀\"\n\\ \u0001", null, TableValue.Number(0.25)],
            ["1", new TableValue("[1, {}]", isJson: true), TableValue.Number(double.NaN)]);
        Assert.Equal(
            """
            {"text":"say \"ü😀\"\n\\ \u0001","label":null,"confidence":0.25}
            {"text":"1","label":[1, {}],"confidence":"NaN"}

            """,
            content);
    }

    [Fact]
    public void Half_a_surrogate_pair_is_written_as_the_replacement_character()
    {
        Assert.Equal("text,label,confidence\na\uFFFDb,,\n", Written(TableFormat.Csv, ["a\uD83Db", null, null]));
        Assert.Equal("{\"text\":\"a\uFFFDb\",\"label\":null,\"confidence\":null}\n", Written(TableFormat.JsonLines, ["a\uD83Db", null, null]));
    }

    [Theory]
    [InlineData("csv")]
    [InlineData("tsv")]
    [InlineData("jsonl")]
    [InlineData("parquet")]
    public void What_is_written_is_read_back_equal(string formatName)
    {
        TableFormat format = TableFormat.Parse(formatName);
        string[] pieces =
        [
            "", "\"", "\"\"", ",", "\t", "\n", "\r\n", "\r", " ", "'", "\\", "\uFEFF", "\u2028", "😀", "ü",
            "null", "01", "=1+1", "#", "{}", "sep=;", "word",
        ];
        Gen<string> nasty = Gen.Int[0, pieces.Length - 1].Select(piece => pieces[piece]).Array[0, 6].Select(string.Concat);
        nasty.Array[3].Array[1, 20].Sample(rows =>
        {
            byte[] content = Bytes(format, rows.Select(row => Array.ConvertAll(row, text => (TableValue)text)).ToArray());
            using TableReader table = Tables.Open(content, format);
            Assert.Equal(Columns, table.Columns);
            Assert.Equal(rows, table.Rows().Select(row => row.Fields.Select(field => field.Text!).ToArray()));
        });
    }

    [Fact]
    public void A_single_empty_column_survives()
    {
        MemoryStream output = new();
        using (TableWriter writer = TableWriter.Create(output, ["text"], TableFormat.Csv))
        {
            writer.Write("");
            writer.Write("a");
        }

        Assert.Equal("text\n\"\"\na\n", Encoding.UTF8.GetString(output.ToArray()));
    }

    [Fact]
    public void A_flush_brings_the_rows_to_a_stream()
    {
        foreach ((TableFormat format, string expected) in new[] { (TableFormat.Csv, "text\na\n"), (TableFormat.JsonLines, "{\"text\":\"a\"}\n") })
        {
            MemoryStream output = new();
            using TableWriter writer = TableWriter.Create(output, ["text"], format);
            writer.Write("a");
            writer.Flush();
            Assert.Equal(expected, Encoding.UTF8.GetString(output.ToArray()));
        }
    }

    [Theory]
    [InlineData("out.csv", "text\na\n")]
    [InlineData("out.jsonl", "{\"text\":\"a\"}\n")]
    public void A_file_appears_when_it_is_committed_and_not_before(string name, string expected)
    {
        using TemporaryFile file = new(name, "old");
        using (TableWriter writer = TableWriter.Create(file.Path, ["text"]))
        {
            writer.Write("a");
            writer.Flush();
            Assert.Equal("old", File.ReadAllText(file.Path));
            writer.Commit();
            Assert.Equal(expected, File.ReadAllText(file.Path));
        }
        Assert.Equal(expected, File.ReadAllText(file.Path));
    }

    [Fact]
    public void A_table_that_is_given_up_leaves_the_old_file_and_nothing_else()
    {
        using TemporaryFolder folder = new();
        string path = folder.Write("out.csv", "old");
        using (TableWriter writer = TableWriter.Create(path, ["text"])) writer.Write("a");
        Assert.Equal("old", File.ReadAllText(path));
        Assert.Equal([path], Directory.GetFileSystemEntries(folder.Path));
    }

    [Fact]
    public void Many_rows_are_written_before_the_first_flush()
    {
        TableValue[][] rows =
            [.. Enumerable.Range(0, 5_000).Select(row => new TableValue[] { $"text number {row}", "x", TableValue.Number(row) })];
        foreach (TableFormat format in new[] { TableFormat.Csv, TableFormat.JsonLines })
        {
            using TableReader table = Tables.Open(Bytes(format, rows), format);
            Assert.Equal(rows.Select(row => row[0].Text), table.Rows().Select(row => row.Fields[0].Text));
        }
    }

    [Fact]
    public void A_format_that_cannot_be_written_is_refused_by_name()
    {
        using TemporaryFile file = new("out.txt");
        Assert.Contains(
            "the format lines cannot be written; csv, tsv, jsonl and parquet can",
            Assert.Throws<LlmEmbedException>(() => TableWriter.Create(file.Path, ["text"])).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_refused_does_not_empty_a_file()
    {
        using TemporaryFile file = new("out.csv", "kept");
        Assert.Throws<LlmEmbedException>(() => TableWriter.Create(file.Path, ["text"], TableFormat.Lines));
        Assert.Throws<LlmEmbedException>(() => TableWriter.Create(file.Path, ["text", ""]));
        Assert.Equal("kept", File.ReadAllText(file.Path));
    }

    [Fact]
    public void Two_columns_of_one_name_are_refused()
    {
        Assert.Contains(
            "columns 1 and 2 are both called 'label'",
            Assert.Throws<LlmEmbedException>(() => TableWriter.Create(new MemoryStream(), ["label", "label"], TableFormat.Csv)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_cannot_be_written_is_an_error()
    {
        string path = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"), "out.csv");
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => TableWriter.Create(path, ["text"]));
        Assert.Contains("the file cannot be written", error.Message, StringComparison.Ordinal);
        Assert.Equal(path, error.FilePath);
    }

    [Fact]
    public void A_row_must_have_a_value_for_every_column()
    {
        using TableWriter writer = TableWriter.Create(new MemoryStream(), Columns, TableFormat.Csv);
        Assert.Throws<ArgumentException>(() => writer.Write("a", "b"));
    }

    private static string Written(TableFormat format, params TableValue[][] rows) => Encoding.UTF8.GetString(Bytes(format, rows));

    private static byte[] Bytes(TableFormat format, TableValue[][] rows)
    {
        MemoryStream output = new();
        using TableWriter writer = TableWriter.Create(output, Columns, format);
        foreach (TableValue[] row in rows) writer.Write(row);
        writer.Commit();
        return output.ToArray();
    }
}
