using System.IO.Compression;
using System.IO.Pipes;
using LlmEmbed.Data;
using Parquet;
using Parquet.Schema;
using Xunit;
using static LlmEmbed.Tests.Data.Tables;

namespace LlmEmbed.Tests.Data;

public sealed class ParquetTableReaderTests
{
    [Fact]
    public async Task Every_flat_type_is_read_as_its_text()
    {
        ParquetSchema schema = new(
            new DataField<string>("text"),
            new DataField<int>("i"),
            new DataField<long?>("l"),
            new DataField<bool>("b"),
            new DataField<double>("d"),
            new DataField<float>("f"),
            new DataField<decimal>("m"),
            new DataField<byte[]>("bytes"),
            new DataField<Guid>("id"),
            new DataField<DateTime>("time"),
            new DataField<DateOnly>("day"),
            new DataField<ulong>("ul"),
            new DataField<uint>("ui"),
            new DataField<short>("s"),
            new DataField<ushort>("us"),
            new DataField<byte>("u8"),
            new DataField<sbyte>("i8"));
        DateTime time = new(2026, 5, 4, 3, 2, 1, DateTimeKind.Utc);
        Guid id = Guid.Parse("0f8fad5b-d9cb-469f-a165-70867728950e");
        byte[] content = await Write(schema, async group =>
        {
            DataField[] fields = schema.DataFields;
            await group.WriteAsync(fields[0], new[] { "01\n😀", null! });
            await group.WriteAsync<int>(fields[1], new[] { 1, -2 });
            await group.WriteAsync<long>(fields[2], new long?[] { long.MaxValue, null });
            await group.WriteAsync<bool>(fields[3], new[] { true, false });
            await group.WriteAsync<double>(fields[4], new[] { 1.5, double.NaN });
            await group.WriteAsync<float>(fields[5], new[] { 0.1f, float.PositiveInfinity });
            await group.WriteAsync<decimal>(fields[6], new[] { 1.5m, 2m });
            await group.WriteAsync(fields[7], new[] { "ü"u8.ToArray(), null! });
            await group.WriteAsync<Guid>(fields[8], new[] { id, id });
            await group.WriteAsync<DateTime>(fields[9], new[] { time, time });
            await group.WriteAsync<DateOnly>(fields[10], new[] { DateOnly.FromDateTime(time), DateOnly.FromDateTime(time) });
            await group.WriteAsync<ulong>(fields[11], new[] { ulong.MaxValue, 0ul });
            await group.WriteAsync<uint>(fields[12], new[] { uint.MaxValue, 0u });
            await group.WriteAsync<short>(fields[13], new[] { short.MinValue, (short)0 });
            await group.WriteAsync<ushort>(fields[14], new[] { ushort.MaxValue, (ushort)0 });
            await group.WriteAsync<byte>(fields[15], new[] { byte.MaxValue, (byte)0 });
            await group.WriteAsync<sbyte>(fields[16], new[] { sbyte.MinValue, (sbyte)0 });
        });

        using TableReader table = Open(content, TableFormat.Parquet);
        List<TableRow> rows = table.Rows().ToList();
        Assert.Equal([1, 2], rows.Select(row => row.LineNumber));
        Assert.Equal(
            ["01\n😀", "1", "9223372036854775807", "true", "1.5", "0.1", "1.5", "ü", id.ToString(), "2026-05-04T03:02:01.0000000", "2026-05-04",
                "18446744073709551615", "4294967295", "-32768", "65535", "255", "-128"],
            rows[0].Fields.Select((field, column) => table.Columns[column] == "m" ? field.Text!.TrimEnd('0') : field.Text));
        Assert.Equal([null, "-2", null, "false", "NaN", "Infinity"], rows[1].Fields.Take(6).Select(field => field.Text));
        Assert.Equal([false, true, false, true, false, false], rows[1].Fields.Take(6).Select(field => field.IsJson));
    }

    [Fact]
    public async Task Row_groups_are_read_one_after_the_other_and_rows_counted_through()
    {
        ParquetSchema schema = new(new DataField<string>("text"), new DataField<int>("label"));
        byte[] content = await Write(schema, groups: 3, write: async group =>
        {
            await group.WriteAsync(schema.DataFields[0], new[] { "a", "b" });
            await group.WriteAsync<int>(schema.DataFields[1], new[] { 0, 1 });
        });
        using TemporaryFile file = new("t.parquet");
        await File.WriteAllBytesAsync(file.Path, content, TestContext.Current.CancellationToken);
        LabeledTable table = LabeledTable.ReadForTraining(file.Path, cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(6, table.Examples.Count);
        Assert.Equal(["0", "1"], table.Labels);
        using TableReader rows = TableReader.Open(file.Path);
        Assert.Equal([1, 2, 3, 4, 5, 6], rows.Rows().Select(row => row.LineNumber));
    }

    [Fact]
    public async Task An_empty_text_is_an_error_with_its_row()
    {
        ParquetSchema schema = new(new DataField<string>("text"), new DataField<string>("label"));
        byte[] content = await Write(schema, async group =>
        {
            await group.WriteAsync(schema.DataFields[0], new[] { "a", null! });
            await group.WriteAsync(schema.DataFields[1], new[] { "x", "y" });
        });
        using TableReader table = Open(content, TableFormat.Parquet);
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(
            () => LabeledTable.Read(table, cancellationToken: TestContext.Current.CancellationToken));
        Assert.Contains("row 2: the text ('text') is empty", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Columns_that_nobody_needs_are_left_alone_and_named()
    {
        ParquetSchema schema = new(
            new DataField<string>("text"),
            new ListField("tags", new DataField<string>("item")),
            new StructField("place", new DataField<int>("x")),
            new DataField<Parquet.File.Values.Primitives.Interval>("span"));
        using TableReader table = Open(await Write(schema, groups: 0, write: _ => Task.CompletedTask), TableFormat.Parquet);
        Assert.Equal(["text"], table.Columns);
        string note = Assert.Single(table.Notes).Message;
        Assert.Equal("Columns that were left alone: 'tags' (nested values), 'place' (nested values), 'span' (interval values).", note);
        AssertError(
            "the column 'tags' cannot be read: it holds nested values", null, Assert.Throws<LlmEmbedException>(() => table.ColumnIndex("tags")));
    }

    [Fact]
    public async Task A_file_of_which_no_column_can_be_read_is_refused()
    {
        ParquetSchema schema = new(new ListField("tags", new DataField<string>("item")));
        byte[] content = await Write(schema, groups: 0, write: _ => Task.CompletedTask);
        AssertError("no column can be read. Columns that were left alone: 'tags'", null, Error(content, TableFormat.Parquet));
    }

    [Fact]
    public void A_map_beside_the_texts_is_left_alone()
    {
        LabeledTable table = LabeledTable.ReadForTraining(
            Repository.Fixture("Tables", "unused-map-column.parquet"), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(TableNoteKind.UnreadColumns, Assert.Single(table.Notes).Kind);
        Assert.StartsWith("text number 0", table.Examples[0].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bytes_that_are_not_utf8_are_refused_where_they_are_needed_and_left_alone_elsewhere()
    {
        ParquetSchema schema = new(new DataField<byte[]>("image"), new DataField<string>("text"));
        byte[] content = await Write(schema, async group =>
        {
            await group.WriteAsync(schema.DataFields[0], new[] { new byte[] { 0x89, 0xFF }, "jpg"u8.ToArray() });
            await group.WriteAsync(schema.DataFields[1], new[] { "a", "b" });
        });
        using TableReader table = Open(content, TableFormat.Parquet);
        List<TableRow> rows = [.. table.Rows()];
        Assert.Equal([null, "jpg"], rows.Select(row => row.Fields[0].Text));
        Assert.Equal(["a", "b"], rows.Select(row => table.Text(row, 1)));
        Assert.Contains("'image' (bytes that are not UTF-8 text)", Assert.Single(table.Notes).Message, StringComparison.Ordinal);
        AssertError(
            "the column 'image' holds bytes that are not UTF-8 text", 1, Assert.Throws<LlmEmbedException>(() => table.Text(rows[0], 0)));
    }

    [Fact]
    public async Task A_file_without_rows_is_an_error()
    {
        byte[] content = await Write(new ParquetSchema(new DataField<string>("text")), groups: 0, write: _ => Task.CompletedTask);
        AssertError("there are no rows", null, Error(content, TableFormat.Parquet));
    }

    [Theory]
    [InlineData("", "the file is 0 bytes long")]
    [InlineData("text,label\na,1\nb,2\n", "it does not end with PAR1")]
    [InlineData("PAR1xxxxxxxx\0\u0009\0\0\0PAR1", "this is not a Parquet file that can be read")]
    [InlineData("PAR1xxxxxxxxx\u0009\0\0\0PAR1", "its description does not end where it should")]
    [InlineData("PAR1xxxxxxxx\0\u000a\0\0\0PAR1", "its description is said to be 10 of 21 bytes")]
    [InlineData("PAR1xxxxxxxx\0\0\0\0\0PAR1", "its description is said to be 0 of 21 bytes")]
    public void Another_or_a_damaged_file_is_an_error(string content, string expected)
    {
        AssertError(expected, null, Error(content, TableFormat.Parquet));
    }

    [Fact]
    public void A_compressed_file_is_said_to_be_one()
    {
        byte[] gzip = [0x1F, 0x8B, 8, 0, .. new byte[20]], zstd = [0x28, 0xB5, 0x2F, 0xFD, .. new byte[20]];
        AssertError("this is gzip data. Unpack it", null, Error(gzip, TableFormat.Parquet));
        AssertError("this is zstd data. Unpack it", null, Error(zstd, TableFormat.Parquet));
    }

    [Fact]
    public async Task A_damaged_file_is_an_error_whatever_byte_is_wrong()
    {
        ParquetSchema schema = new(new DataField<string>("text"), new DataField<int?>("n"));
        byte[] content = await Write(schema, async group =>
        {
            await group.WriteAsync(schema.DataFields[0], Enumerable.Range(0, 50).Select(item => $"text {item}").ToArray());
            await group.WriteAsync<int>(schema.DataFields[1], Enumerable.Range(0, 50).Select(item => (int?)item).ToArray());
        });
        int failed = 0;
        for (int index = 4; index < content.Length; index++)
        {
            byte[] damaged = (byte[])content.Clone();
            damaged[index] ^= 0x55;
            try
            {
                using TableReader table = Open(damaged, TableFormat.Parquet);
                Assert.True(table.Rows().Count() <= 1 << 24);
            }
            catch (LlmEmbedException)
            {
                failed++;
            }
        }

        Assert.True(failed > content.Length / 4, $"{failed} of {content.Length} damaged files were refused");
    }

    [Fact]
    public void A_pipe_is_refused()
    {
        using AnonymousPipeServerStream pipe = new();
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => TableReader.Open(pipe, TableFormat.Parquet));
        Assert.Contains("cannot come through a pipe", error.Message, StringComparison.Ordinal);
    }

    private static Task<byte[]> Write(ParquetSchema schema, Func<ParquetRowGroupWriter, Task> write) => Write(schema, groups: 1, write);

    private static async Task<byte[]> Write(ParquetSchema schema, int groups, Func<ParquetRowGroupWriter, Task> write)
    {
        MemoryStream output = new();
        ParquetOptions options = new() { CompressionLevel = CompressionLevel.Fastest };
        await using (ParquetWriter writer = await ParquetWriter.CreateAsync(schema, output, options))
        {
            for (int index = 0; index < groups; index++)
            {
                using ParquetRowGroupWriter group = writer.CreateRowGroup();
                await write(group);
            }
        }

        return output.ToArray();
    }
}
