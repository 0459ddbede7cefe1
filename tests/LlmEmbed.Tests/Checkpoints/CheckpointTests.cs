using LlmEmbed.Checkpoints;
using LlmEmbed.Files;
using LlmEmbed.Tokenization;
using Xunit;

namespace LlmEmbed.Tests.Checkpoints;

public sealed class CheckpointTests : IDisposable
{
    private const string Pointer =
        "version https://git-lfs.github.com/spec/v1\noid sha256:53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db\nsize 90868376\n";

    private readonly TemporaryFolder _folder = new();

    private static CancellationToken Cancellation => TestContext.Current.CancellationToken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_sharded_folder_opens_with_all_its_tensors()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture("llama-mha"));
        Assert.Equal("safetensors", checkpoint.Format);
        Assert.Equal("llama", checkpoint.Config.ModelType);
        Assert.Equal([480, 32], checkpoint.Require("model.embed_tokens.weight", 480, 32).Shape);
        Assert.Equal(3 * 9 + 3, checkpoint.Weights.Count);
        Assert.Equal(
            ["config.json", "model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
            checkpoint.Files.Select(Path.GetFileName));
    }

    [Theory]
    [InlineData("llama-gqa", "BF16")]
    [InlineData("llama3-rope", "F16")]
    [InlineData("bert", "F32")]
    public void A_folder_with_one_file_opens_and_every_row_equals_the_whole(string fixture, string type)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture(fixture));
        foreach (Weight weight in checkpoint.Weights.Values)
        {
            Assert.Equal(type, weight.Type);
            float[] whole = new float[weight.ElementCount];
            weight.CopyTo(whole);
            float[] row = new float[weight.RowLength];
            for (long i = 0; i < whole.Length / row.Length; i++)
            {
                weight.CopyRow(i, row);
                Assert.Equal(whole[((int)i * row.Length)..(((int)i + 1) * row.Length)], row);
            }
            Assert.Throws<ArgumentOutOfRangeException>(() => weight.CopyRow(whole.Length / weight.RowLength, new float[weight.RowLength]));
        }
    }

    [Fact]
    public unsafe void Stored_fp32_is_given_out_without_a_copy()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture("bert"));
        Weight weight = checkpoint.Weights["embeddings.word_embeddings.weight"];
        float[] copy = new float[weight.ElementCount];
        weight.CopyTo(copy);
        Assert.True(weight.TryGetMappedFloat32(out nint address));
        Assert.Equal(copy, new ReadOnlySpan<float>((float*)address, copy.Length).ToArray());
        using Checkpoint halves = Checkpoint.Open(Repository.Fixture("llama-gqa"));
        Assert.False(halves.Weights["model.norm.weight"].TryGetMappedFloat32(out _));
    }

    [Fact]
    public void A_weight_that_is_not_finite_is_refused_however_it_is_read()
    {
        WriteModel("model.safetensors", ("w", [1f, 2f, float.NaN, 4f]));
        using Checkpoint checkpoint = Open();
        Weight weight = checkpoint.Require("w", 2, 2);
        weight.CopyRow(0, new float[2]);
        Action[] reads = [() => weight.CopyRow(1, new float[2]), () => weight.CopyTo(new float[4]), () => weight.TryGetMappedFloat32(out _)];
        foreach (Action read in reads)
        {
            string message = Assert.Throws<LlmEmbedException>(read).Message;
            Assert.Contains("model.safetensors: the tensor 'w' (F32) holds NaN or infinity in row 1", message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_tensor_of_whole_numbers_is_no_weight_and_asking_for_it_says_so()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture("bert-old-names"));
        Assert.DoesNotContain("bert.embeddings.position_ids", checkpoint.Weights.Keys);
        Assert.Contains(
            "is stored as I64",
            Assert.Throws<LlmEmbedException>(() => checkpoint.Require("bert.embeddings.position_ids", 1, 40)).Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_weight_is_named_with_its_shape_and_the_nearest_names()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture("bert-old-names"));
        string message = Assert.Throws<LlmEmbedException>(() => checkpoint.Require("embeddings.LayerNorm.gamma", 32)).Message;
        Assert.Contains(
            "'embeddings.LayerNorm.gamma' of shape [32] is missing. The nearest names in the file are 'bert.embeddings.LayerNorm.gamma'",
            message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_weight_of_another_shape_is_refused_with_both_shapes()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture("llama-mha"));
        string message = Assert.Throws<LlmEmbedException>(() => checkpoint.Require("model.norm.weight", 48)).Message;
        Assert.Contains("'model.norm.weight' has the shape [32], expected [48]", message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_hash_follows_the_content_and_not_the_names()
    {
        WriteModel("model.safetensors", ("w", [1f, 2f]));
        using Checkpoint checkpoint = Open();
        string hash = checkpoint.Sha256(cancellationToken: Cancellation);
        Assert.Equal(64, hash.Length);
        using TemporaryFolder elsewhere = new();
        foreach (string name in (string[])["config.json", "model.safetensors"]) File.Copy(_folder.File(name), elsewhere.File(name));
        using (Checkpoint moved = Checkpoint.Open(elsewhere.Path)) Assert.Equal(hash, moved.Sha256(cancellationToken: Cancellation));
        elsewhere.Write("config.json", """{"model_type":"llama","hidden_size":9}""");
        using (Checkpoint changed = Checkpoint.Open(elsewhere.Path)) Assert.NotEqual(hash, changed.Sha256(cancellationToken: Cancellation));
    }

    [Fact]
    public void The_hash_is_computed_once_and_anew_only_if_it_was_cancelled()
    {
        WriteModel("model.safetensors", ("w", [1f, 2f]));
        using Checkpoint checkpoint = Open();
        Assert.ThrowsAny<OperationCanceledException>(() => checkpoint.Sha256(cancellationToken: new CancellationToken(canceled: true)));
        string[] hashes = new string[8];
        Parallel.For(0, hashes.Length, i => hashes[i] = checkpoint.Sha256(cancellationToken: Cancellation));
        Assert.Single(hashes.Distinct());
        _folder.Write("config.json", """{"model_type":"llama","hidden_size":9}""");
        Assert.Equal(hashes[0], checkpoint.Sha256(cancellationToken: Cancellation));
    }

    [Fact]
    public void A_path_that_does_not_exist_is_named() => AssertRefused("there is no such checkpoint", _folder.File("none"));

    [Fact]
    public void A_folder_without_configuration_is_refused() => AssertRefused("config.json: there is no such file");

    [Fact]
    public void A_configuration_that_is_not_JSON_is_refused()
    {
        _folder.Write("config.json", "model_type: llama");
        AssertRefused("config.json: the file is not JSON");
    }

    [Fact]
    public void A_configuration_that_is_not_an_object_is_refused()
    {
        _folder.Write("config.json", "[]");
        AssertRefused("config.json: the file is [], expected an object");
    }

    [Theory]
    [InlineData("""{"model_type":"llama","model_type":"bert"}""")]
    [InlineData("""{"model_type":"llama","rope_scaling":{"\udc00":1}}""")]
    public void A_configuration_with_a_name_twice_or_no_Unicode_is_refused(string config)
    {
        _folder.Write("config.json", config);
        AssertRefused("config.json: the file is not JSON");
    }

    [Fact]
    public void A_pickle_is_refused_with_the_way_to_convert_it()
    {
        WriteConfig();
        _folder.Write("pytorch_model.bin", "pickle");
        AssertRefused(
            "expected model.safetensors or model.safetensors.index.json in the folder, found config.json, pytorch_model.bin. " +
            "pytorch_model.bin is a pickle");
    }

    [Fact]
    public void An_index_without_a_map_is_refused() => AssertIndexRefused("'weight_map' is missing", """{"metadata":{}}""");

    [Fact]
    public void A_shard_that_is_missing_is_named() =>
        AssertIndexRefused("shard-2.safetensors: the file cannot be read", """{"weight_map":{"w":"shard-2.safetensors"}}""");

    [Fact]
    public void A_tensor_that_is_missing_from_its_shard_is_named() =>
        AssertIndexRefused(
            "shard-1.safetensors: the tensor 'v' is missing, though",
            """{"weight_map":{"w":"shard-1.safetensors","v":"shard-1.safetensors"}}""");

    [Theory]
    [InlineData("\"../outside.safetensors\"")]
    [InlineData("\"/etc/passwd\"")]
    [InlineData("\"a\\\\b\"")]
    [InlineData("\"..\"")]
    [InlineData("\"\"")]
    [InlineData("1")]
    public void A_shard_outside_the_folder_is_refused(string file) =>
        AssertIndexRefused("expected the name of a file in the same folder", "{\"weight_map\":{\"w\":" + file + "}}");

    [Theory]
    [InlineData("model.safetensors")]
    [InlineData("config.json")]
    [InlineData("tokenizer.json")]
    [InlineData("tokenizer_config.json")]
    public void A_git_lfs_pointer_is_said_to_be_one_with_the_real_size_and_the_remedy(string name)
    {
        string folder = _folder.CopyFixture("bert");
        File.WriteAllText(Path.Combine(folder, name), Pointer);
        AssertPointer(Path.Combine(folder, name), () => TextEncoder.Load(folder).Dispose());
    }

    [Theory]
    [InlineData("model.gguf")]
    [InlineData("tokenizer.model")]
    [InlineData("vocab.txt")]
    [InlineData("vocab.json")]
    [InlineData("merges.txt")]
    public void A_pointer_in_place_of_a_file_of_its_own_is_said_to_be_one(string name)
    {
        _folder.Write("vocab.json", """{"a":0}""");
        _folder.Write("merges.txt", "");
        string file = _folder.Write(name, Pointer);
        string opened = name == "merges.txt" ? _folder.File("vocab.json") : file;
        AssertPointer(file, () => Tokenizer.Load(opened));
    }

    [Fact]
    public void A_pointer_in_place_of_a_shard_is_said_to_be_one()
    {
        string folder = _folder.CopyFixture("llama-mha");
        string shard = Path.Combine(folder, "model-00002-of-00002.safetensors");
        File.WriteAllText(shard, Pointer);
        AssertPointer(shard, () => Checkpoint.Open(folder).Dispose());
    }

    [Fact]
    public void A_folder_with_one_GGUF_file_opens_as_that_file()
    {
        File.Copy(Repository.Fixture("gguf", "llama-gqa-F16.gguf"), _folder.File("model.gguf"));
        using (Checkpoint checkpoint = Open())
        {
            Assert.Equal(_folder.File("model.gguf"), checkpoint.Path);
            Assert.Equal([checkpoint.Path], checkpoint.Files);
            Assert.Equal("GGUF v3, F16", checkpoint.Format);
        }
        File.Copy(_folder.File("model.gguf"), _folder.File("second.gguf"));
        AssertRefused("holds 2 GGUF files");
    }

    private Checkpoint Open() => Checkpoint.Open(_folder.Path);

    private static void AssertPointer(string file, Action open)
    {
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(open);
        Assert.Contains("this is a Git LFS pointer and not the file itself, which has 90,868,376 bytes", error.Message, StringComparison.Ordinal);
        Assert.Contains("git lfs pull", error.Message, StringComparison.Ordinal);
        Assert.Equal(file, error.FilePath);
    }

    private void WriteConfig() => _folder.Write("config.json", """{"model_type":"llama"}""");

    private void WriteModel(string fileName, (string Name, float[] Values) tensor)
    {
        WriteConfig();
        using SafetensorsWriter writer = SafetensorsWriter.Create(_folder.File(fileName), [], new SafetensorsLayout(tensor.Name, "F32", 2));
        writer.Append<float>(tensor.Name, tensor.Values);
        writer.Commit();
    }

    private void AssertIndexRefused(string message, string index)
    {
        WriteModel("shard-1.safetensors", ("w", [1f, 2f]));
        _folder.Write("model.safetensors.index.json", index);
        AssertRefused(message);
    }

    private void AssertRefused(string message, string? path = null) =>
        Assert.Contains(message, Assert.Throws<LlmEmbedException>(() => Checkpoint.Open(path ?? _folder.Path)).Message, StringComparison.Ordinal);
}
