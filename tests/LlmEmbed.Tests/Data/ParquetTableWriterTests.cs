using System.IO.Pipes;
using System.Text.Json.Nodes;
using LlmEmbed.Data;
using Parquet;
using Xunit;

namespace LlmEmbed.Tests.Data;

public sealed class ParquetTableWriterTests
{
    private static readonly string[] Columns = ["text", "p(a.b, \"c\")", "id"];

    private static readonly string[] Numbers = [Columns[1]];

    private static readonly TableValue[][] Rows =
    [
        ["a fine\r\nstory 😀", TableValue.Number(0.1), new TableValue("9007199254740993", isJson: true)],
        ["", default, default],
        [default(string), TableValue.Number(double.NaN), "\0"],
        ["01", TableValue.Number(-1.5e-300), new TableValue("{\"a\": [1]}", isJson: true)],
    ];

    [Fact]
    public async Task Columns_of_numbers_are_doubles_and_all_others_texts()
    {
        byte[] content = Written(Rows);
        await using ParquetReader parquet = await ParquetReader.CreateAsync(
            new MemoryStream(content), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(Columns, parquet.Schema.DataFields.Select(field => field.Name));
        Type text = typeof(ReadOnlyMemory<char>);
        Assert.Equal([text, typeof(double), text], parquet.Schema.DataFields.Select(field => field.ClrType));
        Assert.All(parquet.Schema.DataFields, field => Assert.True(field.IsNullable));

        using TableReader table = Tables.Open(content, TableFormat.Parquet);
        List<TableRow> rows = [.. table.Rows()];
        Assert.Equal(Rows.Select(row => row.Select(value => value.Text)), rows.Select(row => row.Fields.Select(value => value.Text)));
        Assert.Equal([false, true, false], rows[3].Fields.Select(value => value.IsJson));
    }

    [Fact]
    public async Task Rows_go_to_groups_of_bounded_size()
    {
        TableValue[][] many = [.. Enumerable.Range(0, 200_001).Select(row => new TableValue[] { $"row {row}", TableValue.Number(row), "x" })];
        byte[] content = Written(many);
        Assert.Equal(new List<long> { 100_000, 100_000, 1 }, await GroupRows(content));
        using TableReader table = Tables.Open(content, TableFormat.Parquet);
        Assert.Equal(many.Select(row => (row[0], row[1])), table.Rows().Select(row => (row.Fields[0], row.Fields[1])));

        string longText = new('x', 12 << 20); // characters
        Assert.Equal(new List<long> { 3, 1 }, await GroupRows(Written([.. Enumerable.Repeat<TableValue[]>([longText, default, default], 4)])));
    }

    [Fact]
    public void The_same_rows_are_the_same_bytes() => Assert.Equal(Written(Rows), Written(Rows));

    [Fact]
    public void A_table_without_rows_has_its_columns()
    {
        using TableReader table = Tables.Open(Written(), TableFormat.Parquet);
        Assert.Equal(Columns, table.Columns);
        Assert.Empty(table.AllRowsFrom(default));
    }

    [Fact]
    public void It_can_be_written_to_a_pipe()
    {
        using AnonymousPipeServerStream pipe = new();
        using AnonymousPipeClientStream reader = new(PipeDirection.In, pipe.ClientSafePipeHandle);
        using (TableWriter writer = TableWriter.Create(pipe, Columns, TableFormat.Parquet, Numbers))
        {
            foreach (TableValue[] row in Rows) writer.Write(row);
            writer.Flush();
            writer.Commit();
        }
        MemoryStream content = new();
        reader.CopyTo(content);
        Assert.Equal(Written(Rows), content.ToArray());
    }

    [Fact]
    public void A_table_that_is_given_up_does_not_look_whole()
    {
        MemoryStream output = new();
        using (TableWriter writer = TableWriter.Create(output, Columns, TableFormat.Parquet))
        {
            writer.Write(Rows[0]);
            writer.Flush();
        }
        Tables.AssertError("too short for a Parquet file", null, Tables.Error(output.ToArray(), TableFormat.Parquet));
    }

    [Fact]
    public void A_value_that_is_no_number_is_refused_where_numbers_are_said_to_be()
    {
        using TableWriter writer = TableWriter.Create(new MemoryStream(), Columns, TableFormat.Parquet, Numbers);
        Assert.Contains(
            "holds numbers; 'high' is none",
            Assert.Throws<ArgumentException>(() => writer.Write("a", "high", "b")).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "no column 'other'",
            Assert.Throws<ArgumentException>(() => TableWriter.Create(new MemoryStream(), Columns, TableFormat.Parquet, ["other"])).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void Another_reader_sees_the_same_rows()
    {
        Witness.Require("hyparquet");
        using TemporaryFolder folder = new();
        string[] printed = Witness.Run("parquet.mjs", folder.Write("t.parquet", Written(Rows))).Succeeded().Lines;
        JsonNode[] expected =
        [
            new JsonArray(4),
            new JsonArray(
                new JsonArray("text", "BYTE_ARRAY", "UTF8", "OPTIONAL"),
                new JsonArray(Columns[1], "DOUBLE", "", "OPTIONAL"),
                new JsonArray("id", "BYTE_ARRAY", "UTF8", "OPTIONAL")),
            new JsonObject { ["text"] = Rows[0][0].Text, [Columns[1]] = 0.1, ["id"] = "9007199254740993" },
            new JsonObject { ["text"] = "", [Columns[1]] = null, ["id"] = null },
            new JsonObject { ["text"] = null, [Columns[1]] = null, ["id"] = "\0" }, // JSON has no NaN
            new JsonObject { ["text"] = "01", [Columns[1]] = -1.5e-300, ["id"] = "{\"a\": [1]}" },
        ];
        Assert.Equal(expected.Length, printed.Length);
        Assert.All(expected.Zip(printed), line => Assert.True(JsonNode.DeepEquals(line.First, JsonNode.Parse(line.Second)), line.Second));
    }

    /// <summary>The rows of each group.</summary>
    private static async Task<List<long>> GroupRows(byte[] content)
    {
        await using ParquetReader parquet = await ParquetReader.CreateAsync(
            new MemoryStream(content), cancellationToken: TestContext.Current.CancellationToken);
        List<long> rows = [];
        for (int index = 0; index < parquet.RowGroupCount; index++)
        {
            using ParquetRowGroupReader group = parquet.OpenRowGroupReader(index);
            rows.Add(group.RowCount);
        }
        return rows;
    }

    private static byte[] Written(params TableValue[][] rows)
    {
        MemoryStream output = new();
        using TableWriter writer = TableWriter.Create(output, Columns, TableFormat.Parquet, Numbers);
        foreach (TableValue[] row in rows) writer.Write(row);
        writer.Commit();
        return output.ToArray();
    }
}
