using CsCheck;
using LlmEmbed.Checkpoints;
using LlmEmbed.Models;
using Xunit;

namespace LlmEmbed.Tests.Checkpoints;

public sealed class GgufCheckpointTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("llama-gqa", "F32")]
    [InlineData("llama-gqa", "BF16")]
    [InlineData("llama-mha", "F32")]
    public void Weights_equal_those_of_the_folder_the_file_was_made_from(string model, string type)
    {
        using Checkpoint folder = Checkpoint.Open(Repository.Fixture(model));
        using Checkpoint gguf = Checkpoint.Open(Repository.Fixture("gguf", $"{model}-{type}.gguf"));
        Assert.Equal(folder.Weights.Keys.Order(), gguf.Weights.Keys.Order());
        foreach ((string name, Weight expected) in folder.Weights)
        {
            Weight actual = gguf.Require(name, [.. expected.Shape]);
            Assert.Equal(Read(expected), Read(actual));
        }
    }

    [Fact]
    public void Configuration_equals_that_of_the_folder_the_file_was_made_from()
    {
        using Checkpoint folder = Checkpoint.Open(Repository.Fixture("llama-gqa"));
        using Checkpoint gguf = Checkpoint.Open(Repository.Fixture("gguf", "llama-gqa-Q4_1.gguf"));
        Assert.Equal("GGUF v3, Q4_1", gguf.Format);
        string[] sizes =
        [
            "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size", "vocab_size",
            "max_position_embeddings",
        ];
        foreach (string key in sizes)
            Assert.Equal(folder.Config.Int(key), gguf.Config.Int(key));
        foreach (string key in (string[])["rms_norm_eps", "rope_theta"]) Assert.Equal(folder.Config.Number(key), gguf.Config.Number(key));
        Assert.True(gguf.Config.Flag("tie_word_embeddings", false));
        Assert.Equal("silu", gguf.Config.Text("hidden_act"));
    }

    [Fact]
    public void Quantized_models_open_and_all_their_weights_are_finite()
    {
        (string Path, string Format, int Weights)[] models =
        [
            (Repository.Fixture("gguf", "kquants.gguf"), "GGUF v3, Q4_K", 11),
            (Path.Combine(Repository.Models, "smollm2-135m-instruct"), "GGUF v3, Q4_1", 2 + 30 * 9),
        ];
        foreach ((string path, string format, int weights) in models)
        {
            using Checkpoint checkpoint = Checkpoint.Open(path);
            Assert.Equal((format, weights), (checkpoint.Format, checkpoint.Weights.Count));
            Assert.All(checkpoint.Weights.Values, weight => Read(weight));
        }
    }

    [Fact]
    public void Rows_of_queries_are_put_back_in_order_one_by_one_too()
    {
        using Checkpoint folder = Checkpoint.Open(Repository.Fixture("llama-mha"));
        using Checkpoint gguf = Checkpoint.Open(Repository.Fixture("gguf", "llama-mha-F32.gguf"));
        (Weight expected, Weight actual) = (
            folder.Weights["model.layers.1.self_attn.q_proj.weight"],
            gguf.Weights["model.layers.1.self_attn.q_proj.weight"]);
        float[] row = new float[32];
        for (int i = 0; i < 32; i++)
        {
            actual.CopyRow(i, row);
            Assert.Equal(Read(expected)[(i * 32)..((i + 1) * 32)], row);
        }
        Assert.False(actual.TryGetMappedFloat32(out _));
        Assert.True(gguf.Weights["model.layers.1.self_attn.v_proj.weight"].TryGetMappedFloat32(out _));
    }

    [Fact]
    public void Biases_of_queries_are_put_back_in_order_for_llama_alone()
    {
        Assert.Equal([0, 2, 1, 3, 4, 6, 5, 7], QueryBias("llama"));
        Assert.Equal([0, 1, 2, 3, 4, 5, 6, 7], QueryBias("qwen2"));
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("qwen2")]
    [InlineData("qwen3")]
    public void Every_architecture_is_described_by_its_own_keys(string architecture)
    {
        using Checkpoint checkpoint = Open(GgufBuilder.TinyModel(architecture)
            .Float32($"{architecture}.rope.freq_base", 1e6f)
            .UInt32($"{architecture}.attention.value_length", 4)
            .UInt32($"{architecture}.rope.dimension_count", 4)
            .Bool($"{architecture}.attention.causal", 1)
            .UInt32($"{architecture}.expert_count", 0)
            .UInt32($"{architecture}.pooling_type", 3));
        Assert.Equal(architecture, checkpoint.Config.ModelType);
        Assert.Equal(4, checkpoint.Config.Int("head_dim"));
        Assert.Equal(1, checkpoint.Config.Int("num_key_value_heads"));
        Assert.Equal(3, checkpoint.Config.Int("vocab_size"));
        Assert.Equal(1e6, checkpoint.Config.Number("rope_theta"));
        Assert.False(checkpoint.Config.Has("rope_scaling"));
        RefuseUnread(checkpoint);
        checkpoint.Require("model.layers.0.self_attn.o_proj.weight", 4, 8);
        checkpoint.Require("model.layers.0.post_attention_layernorm.weight", 4);
    }

    [Fact]
    public void What_only_one_architecture_has_is_translated_there_and_refused_elsewhere()
    {
        using Checkpoint qwen3 = Open(GgufBuilder.TinyModel("qwen3").Float32Tensor("blk.0.attn_q_norm.weight", 4));
        qwen3.Require("model.layers.0.self_attn.q_norm.weight", 4);
        using Checkpoint llama = Open(GgufBuilder.TinyModel("llama")
            .Float32Tensor("rope_freqs.weight", 2)
            .Float32Tensor("blk.0.ffn_gate.bias", 6)
            .UInt32("llama.attention.sliding_window", 7));
        llama.Require("model.rope_freqs.weight", 2);
        Assert.Equal(7, llama.Config.Int("sliding_window"));
        Assert.True(llama.Config.Flag("mlp_bias", false));
        Assert.False(llama.Config.Flag("attention_bias", true));
        AssertRefused(
            "'blk.0.attn_q_norm.weight' is not known for the architecture 'llama'",
            GgufBuilder.TinyModel("llama").Float32Tensor("blk.0.attn_q_norm.weight", 4));
        AssertRefused(
            "'rope_freqs.weight' is not known for the architecture 'qwen2'",
            GgufBuilder.TinyModel("qwen2").Float32Tensor("rope_freqs.weight", 2));
        AssertRefused(
            "'blk.0.attn_q.bias' is not known for the architecture 'qwen3'",
            GgufBuilder.TinyModel("qwen3").Float32Tensor("blk.0.attn_q.bias", 8));
    }

    [Fact]
    public void An_output_projection_of_its_own_unties_the_embeddings()
    {
        using Checkpoint checkpoint = Open(GgufBuilder.TinyModel("llama").Float32Tensor("output.weight", 4, 3));
        Assert.False(checkpoint.Config.Flag("tie_word_embeddings", true));
        checkpoint.Require("lm_head.weight", 3, 4);
    }

    [Fact]
    public void Linear_rotary_scaling_is_translated_with_or_without_its_type()
    {
        GgufBuilder[] builders = [GgufBuilder.TinyModel("llama").Text("llama.rope.scaling.type", "linear"), GgufBuilder.TinyModel("llama")];
        foreach (GgufBuilder builder in builders)
        {
            using Checkpoint checkpoint = Open(builder.Float32("llama.rope.scaling.factor", 2.5f));
            ModelConfig scaling = checkpoint.Config.Section("rope_scaling")!;
            Assert.Equal(("linear", 2.5), (scaling.Text("rope_type"), scaling.Number("factor")));
        }
        using Checkpoint none = Open(
            GgufBuilder.TinyModel("llama").Text("llama.rope.scaling.type", "none").Float32("llama.rope.scaling.factor", 2.5f));
        Assert.False(none.Config.Has("rope_scaling"));
        RefuseUnread(none);
    }

    [Fact]
    public void Keys_that_change_the_mathematics_and_are_not_understood_reach_the_architecture_under_their_own_names()
    {
        AssertUnread("llama.expert_count", builder => builder.UInt32("llama.expert_count", 8));
        AssertUnread("llama.logit_scale", builder => builder.Float32("llama.logit_scale", 0.5f));
        AssertUnread("llama.rope.scaling.type", builder => builder.Text("llama.rope.scaling.type", "yarn"));
        AssertUnread("llama.rope.dimension_sections", builder => builder.Array("llama.rope.dimension_sections", 4, 0, _ => { }));
    }

    [Fact]
    public void A_tensor_that_is_not_known_is_refused_by_name()
    {
        string[] names = ["blk.0.ffn_gate_inp.weight", "blk.1.attn_q.weight", "blk.-1.attn_q.weight", "blk.0.attn_q.scale", "cls.weight"];
        foreach (string name in names)
        {
            AssertRefused(
                $"the tensor '{name}' is not known for the architecture 'llama' with 1 blocks",
                GgufBuilder.TinyModel("llama").Float32Tensor(name, 4));
        }
    }

    [Fact]
    public void An_architecture_that_is_not_implemented_is_refused_with_those_that_are() =>
        AssertRefused(
            "the architecture 'falcon' is not implemented for GGUF, expected one of bert, gemma-embedding, gemma3, gpt2, llama, modern-bert, " +
            "nomic-bert, phi3, qwen2, qwen3",
            GgufBuilder.TinyModel("falcon"));

    [Fact]
    public void A_file_without_an_architecture_is_refused() => AssertRefused("'general.architecture' is missing", new GgufBuilder());

    [Fact]
    public void An_adapter_is_refused() => AssertRefused("of the type 'adapter'", GgufBuilder.TinyModel("llama").Text("general.type", "adapter"));

    [Fact]
    public void A_part_of_a_split_model_is_refused_with_the_way_to_merge() =>
        AssertRefused("one of 3 parts", GgufBuilder.TinyModel("llama").Value("split.count", 2, writer => writer.Write((ushort)3)));

    [Fact]
    public void A_size_of_the_wrong_kind_is_refused()
    {
        AssertRefused(
            "'llama.attention.head_count' is System.UInt32[]",
            new GgufBuilder()
                .Text("general.architecture", "llama")
                .UInt32("llama.embedding_length", 4)
                .UInt32("llama.block_count", 1)
                .UInt32("llama.feed_forward_length", 4)
                .Float32Tensor("token_embd.weight", 4, 3)
                .Array("llama.attention.head_count", 4, 1, writer => writer.Write(2)));
        AssertRefused(
            "'llama.embedding_length' is 0, expected a whole number from 1",
            new GgufBuilder().Text("general.architecture", "llama").UInt32("llama.embedding_length", 0));
        AssertRefused("'llama.embedding_length' is missing", new GgufBuilder().Text("general.architecture", "llama"));
        AssertRefused("'llama.rope.freq_base' is NaN", GgufBuilder.TinyModel("llama").Float32("llama.rope.freq_base", float.NaN));
    }

    [Fact]
    public void A_rotation_of_a_part_of_the_head_is_refused() =>
        AssertRefused(
            "'llama.rope.dimension_count' is 2, expected the head size 4",
            GgufBuilder.TinyModel("llama").UInt32("llama.rope.dimension_count", 2));

    [Fact]
    public void Queries_that_do_not_fill_the_heads_are_refused() =>
        AssertRefused(
            "'blk.0.attn_q.bias' has 7 outputs, expected 2 heads of 4",
            GgufBuilder.TinyModel("llama").Float32Tensor("blk.0.attn_q.bias", 7));

    [Fact]
    public void Whatever_byte_is_changed_the_file_opens_or_is_refused()
    {
        byte[] whole = GgufBuilder.TinyModel("llama").Text("llama.rope.scaling.type", "linear").Float32("llama.rope.scaling.factor", 2).Build();
        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte).Sample(
            (position, value) =>
            {
                byte[] changed = [.. whole];
                changed[position] = value;
                try
                {
                    using Checkpoint checkpoint = Checkpoint.Open(_folder.Write("changed.gguf", changed));
                    foreach (Weight weight in checkpoint.Weights.Values) Read(weight);
                }
                catch (LlmEmbedException error)
                {
                    Assert.StartsWith(_folder.File("changed.gguf"), error.Message, StringComparison.Ordinal);
                }
            },
            iter: 3000, threads: 1);
    }

    [Fact]
    public void A_decoder_that_reads_in_both_directions_says_so_and_an_encoder_that_does_not_is_refused()
    {
        using Checkpoint both = Open(GgufBuilder.TinyModel("qwen3").Bool("qwen3.attention.causal", 0));
        Assert.False(both.Config.Flag("is_causal", true));
        using Checkpoint encoder = Open(TinyBert().Bool("bert.attention.causal", 1));
        Assert.Contains(
            "the key 'bert.attention.causal' (\"True\") is not known",
            Assert.Throws<LlmEmbedException>(() => Backbone.Create(encoder)).Message,
            StringComparison.Ordinal);
        using Checkpoint usual = Open(TinyBert().Bool("bert.attention.causal", 0));
        Assert.False(Backbone.Create(usual).IsCausal);
    }

    [Fact]
    public void An_encoder_whose_heads_share_keys_or_have_a_size_of_their_own_is_refused()
    {
        AssertRefused("'bert.attention.head_count_kv' is 1, expected the number of heads, 2", TinyBert().UInt32("bert.attention.head_count_kv", 1));
        AssertRefused(
            "'bert.attention.key_length' is 4, expected 'bert.embedding_length' divided by the 2 heads",
            TinyBert().UInt32("bert.attention.key_length", 4));
        using Checkpoint usual = Open(TinyBert().UInt32("bert.attention.head_count_kv", 2).UInt32("bert.attention.key_length", 2));
        Backbone.Create(usual);
    }

    [Fact]
    public void What_the_tensors_of_an_encoder_say_needs_no_key()
    {
        using Checkpoint checkpoint = Open(TinyBert());
        string[] keys = ["vocab_size", "max_position_embeddings", "type_vocab_size", "pad_token_id"];
        Assert.Equal([3, 5, 1, 0], keys.Select(key => checkpoint.Config.Int(key)));
        using Checkpoint padded = Open(TinyBert().UInt32("tokenizer.ggml.padding_token_id", 2));
        Assert.Equal(2, padded.Config.Int("pad_token_id"));
    }

    [Theory]
    [InlineData(0, null)]
    [InlineData(1, "mean")]
    [InlineData(2, "cls")]
    [InlineData(3, "lasttoken")]
    public void The_pooling_of_the_file_has_the_name_that_sentence_transformers_gives_it(uint number, string? mode)
    {
        using Checkpoint checkpoint = Open(TinyBert().UInt32("bert.pooling_type", number));
        Assert.Equal(mode, checkpoint.Pooling?.Mode);
        using Checkpoint silent = Open(TinyBert());
        Assert.Null(silent.Pooling);
        AssertRefused("'bert.pooling_type' is 4, expected 0 to 3: none, mean, CLS or last token", TinyBert().UInt32("bert.pooling_type", 4));
    }

    [Fact]
    public void A_window_of_zero_is_none_for_Phi_3()
    {
        static GgufBuilder Phi3(uint window) => GgufBuilder.TinyModel("phi3", "attn_q.weight", "attn_k.weight", "attn_v.weight", "ffn_gate.weight")
            .UInt32("phi3.attention.sliding_window", window);
        using Checkpoint windowed = Open(Phi3(7)), plain = Open(Phi3(0));
        Assert.Equal(7, windowed.Config.Int("sliding_window"));
        Assert.False(plain.Config.Has("sliding_window"));
    }

    [Fact]
    public void The_scale_of_Gemma_3_follows_from_the_head_size_and_with_62_blocks_from_the_hidden_size()
    {
        Assert.Equal(4, Scale(blocks: 34));
        Assert.Equal(2, Scale(blocks: 62));

        int Scale(uint blocks)
        {
            GgufBuilder builder = new GgufBuilder().Text("general.architecture", "gemma3").UInt32("gemma3.block_count", blocks);
            (string Key, uint Value)[] sizes =
            [
                ("context_length", 16), ("embedding_length", 4), ("feed_forward_length", 6), ("attention.head_count", 2),
                ("attention.key_length", 4), ("attention.sliding_window", 4),
            ];
            foreach ((string key, uint value) in sizes) builder.UInt32($"gemma3.{key}", value);
            builder.Float32("gemma3.attention.layer_norm_rms_epsilon", 1e-6f).Float32("gemma3.rope.freq_base", 1e6f);
            using Checkpoint checkpoint = Open(builder.Float32Tensor("token_embd.weight", 4, 3));
            return checkpoint.Config.Int("query_pre_attn_scalar");
        }
    }

    private float[] QueryBias(string architecture)
    {
        using Checkpoint checkpoint = Open(GgufBuilder.TinyModel(architecture).Float32Tensor("blk.0.attn_q.bias", 8));
        return Read(checkpoint.Require("model.layers.0.self_attn.q_proj.bias", 8));
    }

    /// <summary>A BERT with one block, hidden size 4, two heads, three tokens, five positions and one token type.</summary>
    private static GgufBuilder TinyBert()
    {
        GgufBuilder builder = new GgufBuilder().Text("general.architecture", "bert").Float32("bert.attention.layer_norm_epsilon", 1e-12f);
        (string Key, uint Value)[] sizes =
            [("block_count", 1), ("context_length", 5), ("embedding_length", 4), ("feed_forward_length", 6), ("attention.head_count", 2)];
        foreach ((string key, uint value) in sizes) builder.UInt32($"bert.{key}", value);
        return builder.Float32Tensor("token_embd.weight", 4, 3).Float32Tensor("position_embd.weight", 4, 5).Float32Tensor("token_types.weight", 4, 1);
    }

    private Checkpoint Open(GgufBuilder builder) => Checkpoint.Open(_folder.Write("model.gguf", builder.Build()));

    private void AssertRefused(string message, GgufBuilder builder) =>
        Assert.Contains(message, Assert.Throws<LlmEmbedException>(() => Open(builder)).Message, StringComparison.Ordinal);

    private void AssertUnread(string key, Func<GgufBuilder, GgufBuilder> add)
    {
        using Checkpoint checkpoint = Open(add(GgufBuilder.TinyModel("llama")));
        Assert.Contains($"the key '{key}'", Assert.Throws<LlmEmbedException>(() => RefuseUnread(checkpoint)).Message, StringComparison.Ordinal);
    }

    /// <summary>Reads what every architecture reads and lets the configuration refuse the rest.</summary>
    private static void RefuseUnread(Checkpoint checkpoint)
    {
        string[] keys =
        [
            "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim", "intermediate_size", "hidden_act",
            "rms_norm_eps", "rope_theta", "max_position_embeddings", "rope_scaling", "sliding_window", "attention_bias", "mlp_bias",
            "is_causal",
        ];
        foreach (string key in keys)
            checkpoint.Config.Has(key);
        checkpoint.Config.RefuseUnread([]);
    }

    private static float[] Read(Weight weight)
    {
        float[] values = new float[weight.ElementCount];
        weight.CopyTo(values);
        return values;
    }
}
