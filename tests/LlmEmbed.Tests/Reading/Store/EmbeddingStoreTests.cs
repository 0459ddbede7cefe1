using System.Diagnostics;
using LlmEmbed.Files;
using LlmEmbed.Reading;
using Xunit;

namespace LlmEmbed.Tests.Reading;

public sealed class EmbeddingStoreTests : IDisposable
{
    private const int D = 2;
    private const int H = 3;
    private static readonly EncoderFingerprint Encoder = new(("weights", "abc"), ("depths", "1,2"));
    private readonly TemporaryFolder _cache = new();

    public void Dispose() => _cache.Dispose();

    [Fact]
    public void What_is_appended_is_read_back_before_and_after_reopening()
    {
        using (EmbeddingStore store = Open())
        {
            Append(store, "a", "b");
            AssertHolds(store, "a", "b");
        }
        using EmbeddingStore reopened = Open();
        Append(reopened, "c");
        Assert.Equal(3, reopened.Count);
        AssertHolds(reopened, "a", "b", "c");
        Assert.False(reopened.Contains(TextKey.Of("d")));
        Assert.False(reopened.TryRead(TextKey.Of("d"), new float[D * H]));
        Assert.Empty(reopened.Warnings);
    }

    [Fact]
    public void A_shard_is_a_safetensors_file_with_keys_embeddings_and_a_checksum()
    {
        using EmbeddingStore store = Open();
        Append(store, "a", "b");
        using SafetensorsFile shard = SafetensorsFile.Open(Assert.Single(Shards()));
        byte[] keys = shard.Require("key", [2, 16], "U8").Span<byte>().ToArray();
        Assert.Equal(System.IO.Hashing.XxHash128.Hash("a"u8), keys[..16]);
        Assert.Equal([.. Embedding("a"), .. Embedding("b")], shard.ReadFloat32("embedding", 2, D, H));
        Assert.Equal(32, shard.Metadata["xxh128"].Length);
    }

    [Fact]
    public void Half_precision_shards_are_read()
    {
        using (EmbeddingStore store = Open()) Append(store, "a");
        string path = Assert.Single(Shards());
        Half[] halves = [.. Embedding("a").Select(value => (Half)value)];
        byte[] key = new byte[TextKey.ByteCount];
        TextKey.Of("a").Write(key);
        byte[] checksum = System.IO.Hashing.XxHash128.Hash([.. key, .. System.Runtime.InteropServices.MemoryMarshal.AsBytes<Half>(halves)]);
        using (
            SafetensorsWriter writer = SafetensorsWriter.Create(
                path, [new("xxh128", Convert.ToHexStringLower(checksum))], new("key", "U8", 16), new("embedding", "F16", D, H)))
        {
            writer.Append<byte>("key", key);
            writer.Append<Half>("embedding", halves);
            writer.Commit();
        }
        using EmbeddingStore reopened = Open();
        AssertHolds(reopened, "a");
    }

    [Fact]
    public void The_first_of_two_embeddings_of_a_text_wins()
    {
        using (EmbeddingStore store = Open())
        {
            TextKey key = TextKey.Of("a");
            store.Append([key, key], [.. Embedding("a"), .. Embedding("other")]);
            store.Append([key], Embedding("another"));
            Assert.Equal(1, store.Count);
            AssertHolds(store, "a");
        }
        using EmbeddingStore reopened = Open();
        AssertHolds(reopened, "a");
    }

    [Fact]
    public void Encoders_do_not_see_each_other()
    {
        using EmbeddingStore store = Open();
        Append(store, "a");
        using EmbeddingStore other = EmbeddingStore.Open(_cache.Path, new EncoderFingerprint(("weights", "abc"), ("depths", "1,3")), D, H);
        Assert.Equal(0, other.Count);
        Assert.NotEqual(store.Folder, other.Folder);
    }

    [Fact]
    public void A_folder_of_another_encoder_under_the_same_name_is_refused()
    {
        string folder;
        using (EmbeddingStore store = Open()) folder = store.Folder;
        Assert.Equal(Encoder.ToJson(), File.ReadAllText(Path.Combine(folder, "encoder.json")));
        File.WriteAllText(Path.Combine(folder, "encoder.json"), "{}");
        Assert.Contains("describes another encoder", Assert.Throws<LlmEmbedException>(Open).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("cut to half")]
    [InlineData("emptied")]
    [InlineData("one bit of an embedding")]
    [InlineData("one bit of a key")]
    [InlineData("no checksum")]
    [InlineData("another shape")]
    public void A_damaged_shard_is_named_set_aside_and_its_texts_are_missing(string damage)
    {
        using (EmbeddingStore store = Open())
        {
            Append(store, "a", "b");
            Append(store, "c");
        }
        string path = Shards()[0];
        Damage(path, damage);

        using EmbeddingStore reopened = Open();
        Assert.False(reopened.Contains(TextKey.Of("b")));
        Assert.False(reopened.Contains(TextKey.Of("a")));
        string warning = Assert.Single(reopened.Warnings);
        Assert.StartsWith(path, warning, StringComparison.Ordinal);
        Assert.True(File.Exists(path + ".damaged"));
        AssertHolds(reopened, "c");

        Append(reopened, "a", "b");
        AssertHolds(reopened, "a", "b", "c");
        StoreInfo info = EmbeddingStore.Inspect(reopened.Folder);
        Assert.Equal((3, 2, path + ".damaged"), (info.Texts, info.Shards, Assert.Single(info.Damaged)));
    }

    [Fact]
    public void Inspection_counts_and_names_what_is_damaged_without_touching_it()
    {
        using EmbeddingStore store = Open();
        Append(store, "a");
        Append(store, "b", "c");
        Damage(Shards()[0], "one bit of an embedding");
        StoreInfo info = EmbeddingStore.Inspect(store.Folder);
        Assert.Equal(Encoder.ToJson(), info.Fingerprint);
        Assert.Equal((2, 1, new FileInfo(Shards()[1]).Length), (info.Texts, info.Shards, info.FileBytes));
        Assert.Equal([Shards()[0]], info.Damaged);
        Assert.Contains(
            "no folder of embeddings", Assert.Throws<LlmEmbedException>(() => EmbeddingStore.Inspect(_cache.Path)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Several_writers_at_once_lose_nothing()
    {
        const int Writers = 4;
        const int ShardsEach = 25;
        Parallel.For(0, Writers, writer =>
        {
            using EmbeddingStore store = Open();
            for (int i = 0; i < ShardsEach; i++) Append(store, $"{writer}.{i}", "shared");
        });
        using EmbeddingStore reopened = Open();
        Assert.Equal(Writers * ShardsEach, Shards().Length);
        Assert.Equal(Writers * ShardsEach + 1, reopened.Count);
        AssertHolds(reopened, [.. from writer in Enumerable.Range(0, Writers) from i in Enumerable.Range(0, ShardsEach) select $"{writer}.{i}"]);
        Assert.Empty(reopened.Warnings);
    }

    [Fact]
    public void One_store_serves_several_threads()
    {
        using EmbeddingStore store = Open();
        Parallel.For(0, 50, i =>
        {
            Append(store, $"{i}");
            AssertHolds(store, $"{i}");
        });
        Assert.Equal(50, store.Count);
    }

    [Fact]
    public void What_a_killed_writer_left_is_removed_and_a_living_writers_file_is_not()
    {
        string folder;
        using (EmbeddingStore store = Open()) folder = store.Folder;
        string left = Path.Combine(folder, "00000000.safetensors.1.tmp");
        string young = Path.Combine(folder, "00000000.safetensors.2.tmp");
        string held = Path.Combine(folder, "00000000.safetensors.3.tmp");
        foreach (string path in (string[])[left, young, held]) File.WriteAllText(path, "half a shard");
        foreach (string path in (string[])[left, held]) File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddHours(-2));
        using FileStream writer = new(held, FileMode.Open, FileAccess.Write, FileShare.None);
        using EmbeddingStore reopened = Open();
        Assert.Equal([young, held], Directory.GetFiles(folder, "*.tmp").Order(StringComparer.Ordinal));
    }

    [Fact]
    public void An_embedding_that_is_not_finite_is_refused()
    {
        using EmbeddingStore store = Open();
        float[] embedding = Embedding("a");
        embedding[4] = float.NaN;
        Assert.Contains("NaN", Assert.Throws<LlmEmbedException>(() => store.Append([TextKey.Of("a")], embedding)).Message, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => store.Append([TextKey.Of("a")], new float[5]));
        store.Append([], []);
        Assert.Empty(Shards());
    }

    [Fact]
    public void A_write_that_fails_says_what_is_kept_and_that_a_rerun_resumes()
    {
        using EmbeddingStore store = Open();
        Append(store, "a");
        Directory.Move(store.Folder, store.Folder + "-moved");
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => Append(store, "b", "c"));
        Assert.Equal(store.Folder, error.FilePath);
        Assert.StartsWith($"{store.Folder}: 2 embeddings cannot be stored", error.Message, StringComparison.Ordinal);
        Assert.EndsWith("What was stored before is kept (1 texts), and the same command resumes after it.", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_named()
    {
        string file = _cache.Write("file", "not a folder");
        Assert.StartsWith(file, Assert.Throws<LlmEmbedException>(() => EmbeddingStore.Open(file, Encoder, D, H)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_full_disk_leaves_nothing_half_written()
    {
        string disk = Directory.CreateDirectory(_cache.File("disk")).FullName;
        Assert.SkipUnless(
            OperatingSystem.IsLinux() && Environment.IsPrivilegedProcess && Run("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", disk),
            "needs root on Linux and the right to mount a tmpfs");
        try
        {
            string folder;
            using (EmbeddingStore store = EmbeddingStore.Open(disk, Encoder, 1, 1024))
            {
                folder = store.Folder;
                store.Append([TextKey.Of("a")], new float[1024]);
                TextKey[] keys = [.. Enumerable.Range(0, 100).Select(i => TextKey.Of($"{i}"))];
                LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => store.Append(keys, new float[100 * 1024]));
                Assert.Contains("No space left", error.Message, StringComparison.Ordinal);
                Assert.Empty(Directory.GetFiles(folder, "*.tmp"));
                store.Append([TextKey.Of("b")], new float[1024]);
            }
            using EmbeddingStore resumed = EmbeddingStore.Open(disk, Encoder, 1, 1024);
            Assert.Equal(2, resumed.Count);
        }
        finally
        {
            Assert.True(Run("umount", disk));
        }
    }

    private static bool Run(string command, params string[] arguments)
    {
        using Process process = Process.Start(new ProcessStartInfo(command, arguments) { UseShellExecute = false, RedirectStandardError = true })!;
        process.WaitForExit();
        return process.ExitCode == 0;
    }

    private static void Damage(string path, string damage)
    {
        byte[] bytes = File.ReadAllBytes(path);
        switch (damage)
        {
            case "cut to half": bytes = bytes[..(bytes.Length / 2)]; break;
            case "emptied": bytes = []; break;
            case "one bit of an embedding": bytes[^3] ^= 1; break;
            case "one bit of a key": bytes[8 + BitConverter.ToInt32(bytes)] ^= 1; break;
            case "no checksum": Replace(bytes, "xxh128"u8, "xxh127"u8); break;
            case "another shape": Replace(bytes, "[2,2,3]"u8, "[2,3,2]"u8); break;
            default: throw new ArgumentOutOfRangeException(nameof(damage));
        }
        // The old file may be mapped: it is replaced, as overwriting would change it under the store.
        File.WriteAllBytes(path + ".new", bytes);
        File.Move(path + ".new", path, overwrite: true);
    }

    private static void Replace(Span<byte> bytes, ReadOnlySpan<byte> old, ReadOnlySpan<byte> replacement) =>
        replacement.CopyTo(bytes[bytes.IndexOf(old)..]);

    private EmbeddingStore Open() => EmbeddingStore.Open(_cache.Path, Encoder, D, H);

    private string[] Shards() => [.. Directory.GetFiles(_cache.Path, "*.safetensors", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

    /// <summary>[D,H], exact in half precision.</summary>
    private static float[] Embedding(string text) => [.. Enumerable.Range(0, D * H).Select(i => text.Sum(c => c) + i / 4f)];

    private static void Append(EmbeddingStore store, params string[] texts) =>
        store.Append([.. texts.Select(TextKey.Of)], [.. texts.SelectMany(Embedding)]);

    private static void AssertHolds(EmbeddingStore store, params string[] texts)
    {
        float[] embedding = new float[D * H];
        foreach (string text in texts)
        {
            Assert.True(store.Contains(TextKey.Of(text)));
            Assert.True(store.TryRead(TextKey.Of(text), embedding));
            Assert.Equal(Embedding(text), embedding);
        }
    }
}
