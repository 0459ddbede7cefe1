using CsCheck;
using LlmEmbed.Files;
using Xunit;

namespace LlmEmbed.Tests.Files;

public sealed class SafetensorsWriterTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Rows_appended_one_by_one_are_read_back()
    {
        string path = _folder.File("rows.safetensors");
        Gen.Select(Gen.Int[0, 20], Gen.Int[1, 5], Gen.Int[1, 5]).Sample((rows, views, size) =>
        {
            float[] values = [.. Enumerable.Range(0, rows * views * size).Select(i => i * 0.5f)];
            using (SafetensorsWriter writer = SafetensorsWriter.Create(path, [], new("embedding", "F32", views, size), new("id", "U8")))
            {
                foreach (float[] row in values.Chunk(views * size)) writer.Append<float>("embedding", row);
                writer.Append<byte>("id", new byte[rows]);
                writer.Commit();
            }
            using SafetensorsFile file = SafetensorsFile.Open(path);
            return file.ReadFloat32(
                "embedding",
                rows,
                views,
                size).SequenceEqual(values) && file.Require("id", [rows], "U8").Span<byte>().Length == rows;
        }, iter: 50, threads: 1);
    }

    [Fact]
    public void Equal_input_gives_equal_bytes_and_aligned_data()
    {
        byte[][] files = [.. new[] { "b", "a" }.Select(first =>
        {
            string path = _folder.File(first);
            Dictionary<string, string> metadata = new(StringComparer.Ordinal) { [first] = "1", [first == "a" ? "b" : "a"] = "1" };
            using SafetensorsWriter writer = SafetensorsWriter.Create(path, metadata, new SafetensorsLayout("w", "F32", 2));
            writer.Append<float>("w", [1, 2, 3, 4]);
            writer.Commit();
            return File.ReadAllBytes(path);
        })];
        Assert.Equal(files[0], files[1]);
        Assert.Equal(0, BitConverter.ToInt64(files[0]) % 8);
    }

    [Fact]
    public void Nothing_is_seen_before_the_commit_and_nothing_is_left_without_it()
    {
        string path = _folder.Write("file.safetensors", "the old file");
        using (SafetensorsWriter writer = SafetensorsWriter.Create(path, [], new SafetensorsLayout("w", "F32")))
        {
            writer.Append<float>("w", [1]);
            Assert.Equal("the old file", File.ReadAllText(path));
        }
        Assert.Equal([path], Directory.GetFiles(_folder.Path));
        Assert.Equal("the old file", File.ReadAllText(path));
    }

    [Fact]
    public void A_folder_that_does_not_exist_is_named()
    {
        string path = Path.Combine(_folder.Path, "none", "file.safetensors");
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => SafetensorsWriter.Create(path, [], new SafetensorsLayout("w", "F32")));
        Assert.Equal(path, error.FilePath);
        Assert.Contains("cannot be written", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Misuse_is_an_ordinary_exception()
    {
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Create(_folder.File("f"), [], new SafetensorsLayout("w", "F33")));
        Assert.Throws<ArgumentException>(() => SafetensorsWriter.Create(_folder.File("f"), [], new SafetensorsLayout("w", "F32", 0)));
        using SafetensorsWriter writer = SafetensorsWriter.Create(
            _folder.File("f"),
            [],
            new SafetensorsLayout("a", "U8"),
            new SafetensorsLayout("b", "F32", 2));
        writer.Append<byte>("a", [1]);
        Assert.Throws<InvalidOperationException>(writer.Commit); // tensor b would not begin at a multiple of 4 bytes
        writer.Append<byte>("a", [2, 3, 4]);
        writer.Append<float>("b", [1]);
        Assert.Throws<InvalidOperationException>(writer.Commit); // tensor b has half a row
        Assert.Throws<InvalidOperationException>(() => writer.Append<byte>("a", [1]));
    }
}
