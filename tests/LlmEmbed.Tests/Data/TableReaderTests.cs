using LlmEmbed.Data;
using Xunit;
using static LlmEmbed.Tests.Data.Tables;

namespace LlmEmbed.Tests.Data;

public sealed class TableReaderTests
{
    [Theory]
    [InlineData("t.csv", "text\nx\n", "csv")]
    [InlineData("t.TSV", "text\nx\n", "tsv")]
    [InlineData("t.jsonl", "{\"text\":\"x\"}", "jsonl")]
    [InlineData("t.ndjson", "{\"text\":\"x\"}", "jsonl")]
    [InlineData("t.txt", "x", "lines")]
    public void The_extension_tells_the_format(string name, string content, string format)
    {
        using TemporaryFile file = new(name, content);
        using TableReader table = TableReader.Open(file.Path);
        Assert.Equal(TableFormat.Parse(format), table.Layout.Format);
        Assert.Equal(["text"], table.Columns);
        Assert.Equal("x", table.Rows().Single().Fields[0].Text);
    }

    [Fact]
    public void A_format_that_is_given_overrides_the_extension()
    {
        using TemporaryFile file = new("t.txt", "a,b\n1,2\n");
        using TableReader table = TableReader.Open(file.Path, TableFormat.Parse("CSV"));
        Assert.Equal(["a", "b"], table.Columns);
    }

    [Fact]
    public void An_unknown_extension_lists_the_known_ones_and_names_the_option()
    {
        using TemporaryFile file = new("data.xlsx", "no table");
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => TableReader.Open(file.Path));
        Assert.Equal(file.Path, error.FilePath);
        Assert.Contains(
            "'.xlsx' does not tell the format. Known are .csv, .tsv, .jsonl, .ndjson, .json, .parquet and .txt; give --format",
            error.Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "'xlsx' is not known. Known are csv, tsv,",
            Assert.Throws<LlmEmbedException>(() => TableFormat.Parse("xlsx")).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Every_format_is_found_by_its_name_and_its_extensions()
    {
        Assert.All(TableFormat.All, format => Assert.Same(format, TableFormat.Parse(format.Name.ToUpperInvariant())));
        foreach (TableFormat format in TableFormat.All)
            Assert.All(format.Extensions, extension => Assert.Same(format, TableFormat.FromPath("folder/file" + extension)));
        Assert.Equal(["csv", "tsv", "jsonl", "parquet"], TableFormat.All.Where(format => format.CanWrite).Select(format => format.ToString()));
    }

    [Fact]
    public void A_missing_file_is_an_error()
    {
        string path = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"), "missing.csv");
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => TableReader.Open(path));
        Assert.Equal($"{path}: there is no such file.", error.Message);
        Assert.Equal(path, error.FilePath);
    }

    [Fact]
    public void A_folder_is_an_error()
    {
        Assert.Contains(
            "this is a folder, expected a file",
            Assert.Throws<LlmEmbedException>(() => TableReader.Open(Path.GetTempPath(), TableFormat.Csv)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_another_program_writes_or_the_user_may_not_read_is_an_error()
    {
        using TemporaryFile file = new("t.csv", "text\nx\n");
        using FileStream locked = new(file.Path, FileMode.Open, FileAccess.ReadWrite, FileShare.None);
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => TableReader.Open(file.Path));
        Assert.Contains("the file cannot be opened", error.Message, StringComparison.Ordinal);
        Assert.Equal(file.Path, error.FilePath);
    }

    [Fact]
    public void A_stream_is_called_standard_input_in_errors()
    {
        LlmEmbedException error = Error("text,label\nx\n", TableFormat.Csv);
        Assert.StartsWith("standard input, line 2: ", error.Message, StringComparison.Ordinal);
        Assert.Null(error.FilePath);
    }

    [Fact]
    public void A_blank_line_among_plain_lines_is_a_row()
    {
        Assert.Equal(["1: a", "2: ", "3: \"b,"], Joined("a\r\n\n\"b,\n", TableFormat.Lines));
        AssertError("there are no rows", null, Error("", TableFormat.Lines));
    }

    [Fact]
    public void Columns_are_found_by_exact_name_and_else_by_any_case()
    {
        using TableReader table = Open("Text,TEXT,label\na,b,c\n", TableFormat.Csv);
        Assert.Equal(1, table.ColumnIndex("TEXT"));
        Assert.Equal(2, table.ColumnIndex("Label"));
        AssertError("'Text' and 'TEXT' differ only by case", null, Assert.Throws<LlmEmbedException>(() => table.ColumnIndex("text")));
        AssertError(
            "there is no column 'id'. The columns are: 'Text', 'TEXT', 'label' (csv, commas,",
            null,
            Assert.Throws<LlmEmbedException>(() => table.ColumnIndex("id")));
    }

    [Fact]
    public void Rows_are_read_lazily_and_once()
    {
        using TableReader table = Open("text\na\nb\n\"c", TableFormat.Csv);
        Assert.Equal("a", table.Rows().First().Fields[0].Text);
        Assert.Throws<InvalidOperationException>(() => table.Rows());
    }
}
