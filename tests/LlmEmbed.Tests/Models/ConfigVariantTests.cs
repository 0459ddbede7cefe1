using System.Text.Json.Nodes;
using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;
using LlmEmbed.Files;
using LlmEmbed.Models;
using LlmEmbed.Reading;
using LlmEmbed.Tests.Checkpoints;
using Xunit;

namespace LlmEmbed.Tests.Models;

/// <summary>What a change of a configuration does to the hidden states of a fixture.</summary>
public sealed class ConfigVariantTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("llama-gqa", "model_type", "\"falcon\"", "model_type 'falcon' is not implemented. Implemented: llama, mistral")]
    [InlineData("llama-gqa", "model_type", "\"qwen3_moe\"", ". Nearest by name: qwen3.")]
    [InlineData("llama-gqa", "model_type", "\"olmo\"", ". Nearest by name: olmo2, olmo3.")]
    [InlineData("llama-gqa", "logit_softcap", "30", "the key 'logit_softcap' (30) is not known")]
    [InlineData("bert", "hidden_act", "\"relu\"", "'hidden_act' is \"relu\", expected gelu")]
    [InlineData("bert", "position_embedding_type", "\"relative_key\"", "'position_embedding_type' is \"relative_key\"")]
    [InlineData("bert", "is_decoder", "true", "'is_decoder' is true")]
    [InlineData("distilbert", "is_decoder", "true", "'is_decoder' is true")]
    [InlineData("roberta", "use_bidirectional_attention", "false", "'use_bidirectional_attention' is false, expected true")]
    [InlineData("bert", "new_attention", "false", "the key 'new_attention' (false) is not known")]
    [InlineData("bert", "num_attention_heads", "5", "'hidden_size' is 32, expected a multiple of 'num_attention_heads', which is 5")]
    [InlineData("bert", "pad_token_id", "460", "'pad_token_id' is 460, expected one of the 460 tokens")]
    [InlineData("roberta", "pad_token_id", "-4", "'pad_token_id' is -4")]
    [InlineData("distilbert", "activation", "\"gelu_new\"", "'activation' is \"gelu_new\"")]
    [InlineData("distilbert", "n_heads", "3", "'dim' is 32, expected a multiple of 'n_heads', which is 3")]
    [InlineData("modernbert", "hidden_activation", "\"gelu_pytorch_tanh\"", "'hidden_activation' is \"gelu_pytorch_tanh\", expected gelu")]
    [InlineData("modernbert", "layer_types", "[\"full_attention\"]", "'layer_types' must name full_attention or sliding_attention for each of 7")]
    [InlineData("modernbert", "rope_scaling", "{\"rope_type\":\"yarn\"}", "'rope_scaling.rope_type' is \"yarn\", expected default or linear")]
    [InlineData("modernbert", "rope_parameters", "{\"rope_type\":\"default\"}", "the key 'rope_parameters.rope_type' (\"default\") is not known")]
    [InlineData(
        "modernbert",
        "rope_parameters",
        "{\"full_attention\":{\"partial_rotary_factor\":0.5}}",
        "'rope_parameters.full_attention.partial_rotary_factor' is 0.5, expected 1")]
    [InlineData("modernbert", "is_causal", "true", "the key 'is_causal' (true) is not known")]
    [InlineData("modernbert", "num_attention_heads", "32", "'num_attention_heads' gives heads of 1 channels, expected an even number")]
    [InlineData("mpnet", "relative_attention_num_buckets", "30", "'relative_attention_num_buckets' is 30, expected a multiple of 4")]
    [InlineData("mpnet", "hidden_act", "\"gelu_new\"", "'hidden_act' is \"gelu_new\", expected gelu")]
    [InlineData("mpnet", "is_decoder", "true", "'is_decoder' is true")]
    [InlineData("gte", "rope_scaling", "{\"type\":\"dynamic\",\"factor\":2}", "'rope_scaling.type' is \"dynamic\", expected ntk")]
    [InlineData("gte", "rope_scaling", "{\"type\":\"ntk\",\"factor\":2,\"mixed_b\":1}", "'rope_scaling.mixed_b' is 1, expected null")]
    [InlineData("gte", "logn_attention_scale", "true", "'logn_attention_scale' is true, expected false")]
    [InlineData("gte", "position_embedding_type", "\"absolute\"", "'position_embedding_type' is \"absolute\", expected rope")]
    [InlineData("gemma3-global", "attn_logit_softcapping", "50", "'attn_logit_softcapping' is 50, expected null")]
    [InlineData("gemma3-global", "hidden_activation", "\"gelu\"", "'hidden_activation' is \"gelu\", expected gelu_pytorch_tanh")]
    [InlineData("gemma3-global", "num_key_value_heads", "3", "'num_attention_heads' is 4, expected a multiple of 'num_key_value_heads', which is 3")]
    [InlineData("gemma3-global", "layer_types", "[\"chunked_attention\"]", "'layer_types' must name full_attention or sliding_attention for each")]
    [InlineData("electra", "position_embedding_type", "\"relative_key\"", "'position_embedding_type' is \"relative_key\", expected absolute")]
    [InlineData("electra", "hidden_act", "\"mish\"", "'hidden_act' is \"mish\", expected gelu or gelu_new")]
    [InlineData("electra", "is_decoder", "true", "'is_decoder' is true")]
    [InlineData("albert", "inner_group_num", "2", "'inner_group_num' is 2, expected 1")]
    [InlineData("albert", "num_hidden_groups", "6", "'num_hidden_groups' is 6, expected at most the 5 blocks")]
    [InlineData("gpt2", "scale_attn_by_inverse_layer_idx", "true", "'scale_attn_by_inverse_layer_idx' is true, expected false")]
    [InlineData("gpt2", "reorder_and_upcast_attn", "true", "'reorder_and_upcast_attn' is true, expected false")]
    [InlineData("gpt2", "scale_attn_weights", "false", "'scale_attn_weights' is false, expected true")]
    [InlineData("gpt2", "is_causal", "false", "'is_causal' is false, expected true")]
    [InlineData("gpt2", "n_head", "5", "'n_embd' is 32, expected a multiple of 'n_head', which is 5")]
    [InlineData("gpt-neox", "rotary_pct", "0.1", "'rotary_pct' turns 1 of the 16 channels of a head, expected an even number")]
    [InlineData("gpt-neox", "rope_theta", "500", "'rotary_emb_base' is 10000, but 'rope_theta', which means the same, is 500")]
    [InlineData("gpt-neox", "use_bidirectional_attention", "true", "'use_bidirectional_attention' is true, expected false")]
    [InlineData("t5-encoder", "feed_forward_proj", "\"gated-mish\"", "'feed_forward_proj' is \"gated-mish\", expected relu or gelu")]
    [InlineData("t5-encoder", "dense_act_fn", "\"gelu\"", "'dense_act_fn' is \"gelu\", expected gelu_new")]
    [InlineData("t5-encoder", "is_gated_act", "false", "'is_gated_act' is false, expected true")]
    [InlineData("t5-encoder", "relative_attention_max_distance", "8", "'relative_attention_max_distance' is 8, expected more than 8")]
    [InlineData("t5-encoder", "is_decoder", "true", "'is_decoder' is true")]
    [InlineData("deberta-v2", "conv_kernel_size", "3", "'conv_kernel_size' is 3, expected 0")]
    [InlineData("deberta-v2", "share_att_key", "false", "'share_att_key' is not true")]
    [InlineData("deberta-v2", "relative_attention", "false", "'relative_attention' is not true")]
    [InlineData("deberta-v2", "pos_att_type", "[\"c2p\",\"p2p\"]", "'pos_att_type' names p2p, expected c2p and p2c")]
    [InlineData("deberta-v2", "norm_rel_ebd", "\"rms_norm\"", "'norm_rel_ebd' is \"rms_norm\", expected none or layer_norm")]
    [InlineData("deberta-v2", "position_buckets", "80", "'position_buckets' is 80, expected an even number whose half is less than the 39 distances")]
    [InlineData("deberta-v2", "embedding_size", "16", "'embedding_size' is 16, expected 32")]
    [InlineData("gemma2", "hidden_activation", "\"gelu\"", "'hidden_activation' is \"gelu\", expected gelu_pytorch_tanh")]
    [InlineData("gemma2", "use_bidirectional_attention", "true", "'use_bidirectional_attention' is true, expected false")]
    [InlineData("gemma2", "is_causal", "false", "'is_causal' is false, expected true")]
    [InlineData("phi3", "partial_rotary_factor", "0.1", "'partial_rotary_factor' is 0.1, which turns 0 of 8 channels, expected an even number")]
    [InlineData("phi3", "partial_rotary_factor", "1.5", "'partial_rotary_factor' is 1.5, which turns 12 of 8 channels")]
    [InlineData("phi3", "lm_head_bias", "true", "'lm_head_bias' is true, expected false")]
    [InlineData("phi3-longrope", "original_max_position_embeddings", "null", "'original_max_position_embeddings' is missing")]
    [InlineData("phi3-longrope", "rope_scaling", "{\"type\":\"longrope\"}", "'rope_scaling.short_factor' is missing, expected an array of numbers")]
    [InlineData(
        "phi3-longrope",
        "rope_scaling",
        "{\"type\":\"longrope\",\"short_factor\":[1,1]}",
        "'short_factor' has 2 numbers, expected 6, one for each pair of channels that is turned")]
    [InlineData(
        "phi3-longrope",
        "rope_scaling",
        "{\"type\":\"longrope\",\"short_factor\":[1,1,1,1,1,1],\"short_mscale\":1.1}",
        "the key 'rope_scaling.short_mscale' (1.1) is not known")]
    [InlineData("smollm3", "no_rope_layers", "[1,0]", "'no_rope_layers' must hold 0 or 1 for each of 4 blocks")]
    [InlineData("smollm3", "no_rope_layers", "[1,0,2,0]", "'no_rope_layers' must hold 0 or 1 for each of 4 blocks")]
    [InlineData("smollm3", "use_sliding_window", "true", "'use_sliding_window' is true, expected false")]
    [InlineData("granite", "num_local_experts", "8", "'num_local_experts' is 8, expected 0")]
    [InlineData("olmo2", "embedding_multiplier", "12", "'embedding_multiplier' is 12, expected 1")]
    [InlineData("olmo3", "rope_scaling", "{\"rope_type\":\"yarn\"}", "'rope_scaling.rope_type' is \"yarn\", expected default or linear")]
    [InlineData("olmo3", "rope_scaling", "{\"rope_type\":\"longrope\"}", "'rope_scaling.rope_type' is \"longrope\", expected default or linear")]
    [InlineData("olmo3", "rope_parameters", "{\"rope_type\":\"default\"}", "the key 'rope_parameters.rope_type' (\"default\") is not known")]
    [InlineData("stablelm", "use_parallel_residual", "true", "'use_parallel_residual' is true, expected false")]
    [InlineData("stablelm", "qk_layernorm", "true", "'qk_layernorm' is true, expected false")]
    [InlineData("eurobert", "is_causal", "true", "'is_causal' is true, expected false")]
    [InlineData("nomic-bert", "moe_every_n_layers", "2", "'moe_every_n_layers' asks for experts, as nomic-embed-text-v2-moe does")]
    [InlineData("nomic-bert", "prenorm", "true", "'prenorm' is true, expected false")]
    [InlineData("nomic-bert", "causal", "true", "'causal' is true, expected false")]
    [InlineData("nomic-bert", "activation_function", "\"gelu\"", "'activation_function' is \"gelu\", expected swiglu")]
    [InlineData("nomic-bert", "rotary_emb_interleaved", "true", "'rotary_emb_interleaved' is true, expected false")]
    [InlineData("nomic-bert", "rotary_emb_fraction", "0.5", "'rotary_emb_fraction' is not 1")]
    [InlineData("nomic-bert", "n_head", "32", "'n_head' gives heads of 1 channels, expected an even number")]
    public void A_configuration_that_is_not_implemented_is_refused_by_name(string fixture, string key, string json, string expected)
    {
        string folder = Changed(fixture, config => config[key] = JsonNode.Parse(json));
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => Backbone.Create(checkpoint));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.Equal(Path.Combine(folder, "config.json"), error.FilePath);
    }

    [Theory]
    [InlineData("llama3-rope")]
    [InlineData("modernbert")]
    [InlineData("gemma3-global")]
    public void The_new_style_of_a_configuration_gives_the_bits_of_the_old(string fixture)
    {
        string folder = _folder.CopyFixture(fixture);
        File.Copy(Path.Combine(folder, "config.new-style.json"), Path.Combine(folder, "config.json"), overwrite: true);
        Assert.Equal(States(fixture), States(fixture, folder));
    }

    [Theory]
    [InlineData("modernbert")]
    [InlineData("mpnet")]
    [InlineData("gte")]
    [InlineData("gemma3-global")]
    [InlineData("gemma3-bidirectional")]
    [InlineData("electra")]
    [InlineData("albert")]
    [InlineData("gpt2")]
    [InlineData("gpt-neox")]
    [InlineData("t5-encoder")]
    [InlineData("deberta-v2")]
    [InlineData("gemma2")]
    [InlineData("phi3")]
    [InlineData("phi3-longrope")]
    [InlineData("smollm3")]
    [InlineData("granite")]
    [InlineData("olmo2")]
    [InlineData("olmo3")]
    [InlineData("eurobert")]
    [InlineData("nomic-bert")]
    [InlineData("stablelm")]
    public void The_keys_of_a_family_are_read_without_a_word(string fixture)
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture(fixture));
        Backbone.Create(checkpoint);
        Assert.Empty(checkpoint.Config.Notes);
    }

    [Fact]
    public void Both_spellings_of_attention_in_both_directions_give_the_same_bits()
    {
        string folder = _folder.CopyFixture("qwen3-bidirectional");
        File.Copy(Path.Combine(folder, "config.other-key.json"), Path.Combine(folder, "config.json"), overwrite: true);
        float[] states = States("qwen3-bidirectional");
        Assert.Equal(states, States("qwen3-bidirectional", folder));
        string causal = Changed("qwen3-bidirectional", config => config.Remove("is_causal"));
        Assert.True(Differences(states, States("qwen3-bidirectional", causal)).Max() > 1, "the key does nothing");
    }

    /// <summary>gte-Qwen2 has a window that is switched off, and Qwen2's biases.</summary>
    [Fact]
    public void Is_causal_false_is_computed_in_both_directions_and_true_as_without_the_key()
    {
        float[] states = States("qwen2");
        string both = Changed("qwen2", config => config["is_causal"] = false);
        Assert.True(Differences(states, States("qwen2", both)).Max() > 1, "the key does nothing");
        Assert.Equal(states, States("qwen2", Changed("qwen2", config => config["is_causal"] = true)));
        string mistral = Changed("mistral", config => (config["is_causal"], config["sliding_window"]) = (false, null));
        Assert.True(Differences(States("mistral"), States("mistral", mistral)).Max() > 1, "the key does nothing");
    }

    /// <summary>|i − j| ≤ sliding_window: of 7 here. The first and the last token show both sides.</summary>
    [Fact]
    public void A_window_in_both_directions_reaches_as_many_tokens_to_each_side()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Changed("mistral", config => config["is_causal"] = false));
        int[] ids = [.. Enumerable.Range(20, 20)];
        float[][] states = DepthOne(checkpoint, [ids, With(7), With(8), With(12), With(11)]);
        Assert.True(Differences(states[0], states[1])[0] > 1e-3, "the first token does not see 7 tokens ahead");
        Assert.Equal(states[0][..32], states[2][..32]);
        Assert.True(Differences(states[0], states[3])[^1] > 1e-3, "the last token does not see 7 tokens back");
        Assert.Equal(states[0][32..], states[4][32..]);

        int[] With(int place)
        {
            int[] changed = [.. ids];
            changed[place]++;
            return changed;
        }
    }

    [Fact]
    public void Texts_are_read_up_to_the_original_length_of_longrope()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture("phi3-longrope")), plain = Checkpoint.Open(Repository.Fixture("phi3"));
        Assert.Equal((32, 64), (Backbone.Create(checkpoint).MaxTokens, Backbone.Create(plain).MaxTokens));
    }

    /// <summary>The stretch of the fixture is 4, of which the amplitude follows.</summary>
    [Theory]
    [InlineData("su", "{}", true)]
    [InlineData("longrope", "{\"factor\":4}", true)]
    [InlineData("longrope", "{\"factor\":2}", false)]
    [InlineData("longrope", "{\"attention_factor\":1.5}", false)]
    public void Longrope_is_read_in_each_of_its_forms(string type, string more, bool isTheSame)
    {
        float[] states = States("phi3-longrope");
        void Change(JsonObject section)
        {
            section["type"] = type;
            foreach ((string key, JsonNode? value) in JsonNode.Parse(more)!.AsObject()) section[key] = value?.DeepClone();
        }
        float[] changed = States("phi3-longrope", Changed("phi3-longrope", config => Change(config["rope_scaling"]!.AsObject())));
        string newStyle = Changed("phi3-longrope", config =>
        {
            JsonObject section = config["rope_scaling"]!.DeepClone().AsObject();
            Change(section);
            foreach (string key in (string[])["rope_theta", "partial_rotary_factor", "original_max_position_embeddings"])
            {
                section[key] = config[key]!.DeepClone();
                config.Remove(key);
            }
            (section["rope_type"], config["rope_parameters"]) = (section["type"]!.DeepClone(), section);
            config.Remove("rope_scaling");
        });
        Assert.Equal(changed, States("phi3-longrope", newStyle));
        Assert.Equal(isTheSame, states.SequenceEqual(changed));
    }

    [Theory]
    [InlineData("gemma2", "attn_logit_softcapping", "null")]
    [InlineData("smollm3", "no_rope_layers", "null")]
    [InlineData("granite", "attention_multiplier", "null")]
    [InlineData("olmo3", "layer_types", "null", false)]
    [InlineData("olmo3", "layer_types", "[\"full_attention\",\"full_attention\",\"full_attention\",\"full_attention\",\"sliding_attention\"]")]
    [InlineData("nomic-bert", "rotary_emb_base", "10000")]
    [InlineData("stablelm", "partial_rotary_factor", "null", false)]
    [InlineData("stablelm", "partial_rotary_factor", "1")]
    public void A_key_that_changes_states_is_computed(string fixture, string key, string json, bool isChange = true)
    {
        float difference = Differences(States(fixture), States(fixture, Changed(fixture, config => config[key] = JsonNode.Parse(json)))).Max();
        Assert.Equal(isChange, difference > 0.01f);
    }

    [Fact]
    public void Nomic_bert_reads_texts_as_long_as_it_was_trained_with_if_longer_ones_are_scaled()
    {
        static int MaxTokens(string folder)
        {
            using Checkpoint checkpoint = Checkpoint.Open(folder);
            return Backbone.Create(checkpoint).MaxTokens;
        }
        void Shorter(JsonObject config) => config["max_trained_positions"] = 48;
        Assert.Equal(64, MaxTokens(Changed("nomic-bert", Shorter)));
        Assert.Equal(48, MaxTokens(Changed("nomic-bert", config =>
        {
            Shorter(config);
            config["rotary_scaling_factor"] = 2;
        })));
    }

    /// <summary>Transformers writes its own keys, beside either names.</summary>
    [Fact]
    public void Nomic_bert_under_the_keys_and_names_of_transformers_gives_the_same_bits()
    {
        float[] states = States("nomic-bert");
        string folder = Changed("nomic-bert", config =>
        {
            foreach (string key in config.Select(pair => pair.Key).ToArray())
                if (key is not ("model_type" or "vocab_size" or "type_vocab_size")) config.Remove(key);
            foreach ((string key, JsonNode value) in NativeNomicBert) config[key] = value.DeepClone();
        });
        Assert.Equal(states, States("nomic-bert", folder));
        using (SafetensorsFile file = SafetensorsFile.Open(Repository.Fixture("nomic-bert", "model.safetensors")))
            Write(Path.Combine(folder, "model.safetensors"), [.. file.Tensors.Values.SelectMany(NativeTensors)]);
        Assert.Equal(states, States("nomic-bert", folder));
    }

    private static readonly (string Key, JsonNode Value)[] NativeNomicBert =
    [
        ("hidden_size", 32), ("num_hidden_layers", 4), ("num_attention_heads", 4), ("head_dim", 8), ("intermediate_size", 48), ("hidden_act", "silu"),
        ("max_position_embeddings", 64), ("layer_norm_eps", 1e-12), ("pad_token_id", 0),
        ("rope_parameters", new JsonObject { ["rope_type"] = "default", ["rope_theta"] = 1000.0 }),
    ];

    private static IEnumerable<StoredTensor> NativeTensors(SafetensorsTensor tensor)
    {
        (string Old, string New)[] names =
        [
            ("encoder.layers", "layers"), ("emb_ln", "embeddings.LayerNorm"), ("attn.out_proj", "self_attn.o_proj"), ("fc11", "up_proj"),
            ("fc12", "gate_proj"), ("fc2", "down_proj"), ("norm1", "post_attention_layernorm"), ("norm2", "post_mlp_layernorm"),
        ];
        string name = names.Aggregate(tensor.Name, (text, pair) => text.Replace(pair.Old, pair.New, StringComparison.Ordinal));
        byte[] data = tensor.Span<byte>().ToArray();
        if (!name.EndsWith("attn.Wqkv.weight", StringComparison.Ordinal)) return [new(name, tensor.DType, [.. tensor.Shape], data)];
        string start = name[..^"attn.Wqkv.weight".Length];
        return "qkv".Zip(
            data.Chunk(data.Length / 3), (part, rows) => new StoredTensor($"{start}self_attn.{part}_proj.weight", tensor.DType, [32, 32], rows));
    }

    [Fact]
    public void An_encoder_stays_one_whatever_is_causal_says_and_says_so()
    {
        string folder = Changed("bert", config => config["is_causal"] = true);
        Assert.Equal(States("bert"), States("bert", folder));
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        Backbone.Create(checkpoint);
        Assert.Contains("'is_causal' is true, but a bert that is no decoder", Assert.Single(checkpoint.Config.Notes), StringComparison.Ordinal);
    }

    public static TheoryData<string, string, string> Prefixes => new()
    {
        { "qwen3", "model.", "" },
        { "qwen3", "model.", "language_model.model." },
        { "llama-gqa", "model.", "transformer." },
        { "bert-mlm", "bert.", "" },
        { "bert-mlm", "bert.", "model.bert." },
        { "roberta", "", "roberta." },
        { "distilbert", "", "distilbert." },
        { "distilbert", "", "0.auto_model." },
        { "modernbert", "model.", "" },
        { "mpnet", "mpnet.", "" },
        { "gte", "", "new." },
        { "gemma3-bidirectional", "", "model." },
        { "electra", "electra.", "" },
        { "albert", "albert.", "" },
        { "gpt2", "transformer.", "" },
        { "gpt-neox", "gpt_neox.", "model.gpt_neox." },
        { "t5-encoder", "shared.", "encoder.embed_tokens." },
        { "deberta-v2", "deberta.", "" },
        { "phi3", "model.", "" },
        { "eurobert", "model.", "" },
        { "nomic-bert", "", "bert." },
    };

    [Theory]
    [MemberData(nameof(Prefixes))]
    public void What_stands_before_all_names_does_not_matter(string fixture, string prefix, string other)
    {
        string folder = Renamed(fixture, name => name.StartsWith(prefix, StringComparison.Ordinal) ? other + name[prefix.Length..] : name);
        Assert.Equal(States(fixture), States(fixture, folder));
    }

    [Theory]
    [InlineData("deberta-v2", "pos_att_type", "[\"c2p\",\"p2c\"]")]
    [InlineData("gpt2", "n_inner", "128")]
    [InlineData("gpt2", "is_decoder", "true")]
    [InlineData("gpt-neox", "rope_parameters", "{\"rope_theta\":10000.0,\"rope_type\":\"default\",\"partial_rotary_factor\":0.25}")]
    [InlineData("gpt-neox", "partial_rotary_factor", "0.25")]
    [InlineData("t5-encoder", "is_gated_act", "null")]
    [InlineData("albert", "position_embedding_type", "\"absolute\"")]
    public void Another_way_to_say_the_same_gives_the_same_bits(string fixture, string key, string json) =>
        Assert.Equal(States(fixture), States(fixture, Changed(fixture, config => config[key] = JsonNode.Parse(json))));

    [Theory]
    [InlineData("gpt-neox", "rope_parameters", "{\"rope_theta\":20000.0,\"partial_rotary_factor\":0.25}")]
    [InlineData("gpt-neox", "rope_parameters", "{\"rope_theta\":10000.0,\"partial_rotary_factor\":0.5}")]
    [InlineData("gpt-neox", "use_parallel_residual", "false")]
    [InlineData("deberta-v2", "pos_att_type", "\"c2p\"")]
    [InlineData("deberta-v2", "pos_att_type", "[]")]
    [InlineData("deberta-v2", "norm_rel_ebd", "\"none\"")]
    [InlineData("deberta-v2", "max_relative_positions", "30")]
    [InlineData("t5-encoder", "relative_attention_max_distance", "64")]
    [InlineData("albert", "num_hidden_groups", "1")]
    [InlineData("albert", "hidden_act", "\"gelu\"")]
    public void A_key_that_changes_the_states_is_read(string fixture, string key, string json)
    {
        float[] changed = States(fixture, Changed(fixture, config => config[key] = JsonNode.Parse(json)));
        Assert.True(Differences(States(fixture), changed).Max() > 1e-3f, "the key does nothing");
    }

    [Fact]
    public void A_head_beside_a_model_without_prefix_is_found()
    {
        string folder = Renamed("qwen3", name => name.StartsWith("model.", StringComparison.Ordinal) ? name["model.".Length..] : name);
        using Checkpoint checkpoint = Checkpoint.Open(folder), named = Checkpoint.Open(Repository.Fixture("qwen3"));
        string? expected = Backbone.Create(named).LanguageHead?.Name;
        Assert.Equal(expected?.Replace("model.", "", StringComparison.Ordinal), Backbone.Create(checkpoint).LanguageHead?.Name);
    }

    [Fact]
    public void A_checkpoint_with_several_models_is_refused()
    {
        string folder = _folder.CopyFixture("bert");
        string path = Path.Combine(folder, "model.safetensors");
        using (SafetensorsFile file = SafetensorsFile.Open(Repository.Fixture("bert", "model.safetensors")))
            Write(path, [.. from tensor in file.Tensors.Values from prefix in (string[])["a.", "b."] select Stored(prefix + tensor.Name, tensor)]);
        using Checkpoint checkpoint = Checkpoint.Open(folder);
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => Backbone.Create(checkpoint));
        Assert.Contains(
            "the tensors a.embeddings.word_embeddings.weight and b.embeddings.word_embeddings.weight are tables of token embeddings",
            error.Message,
            StringComparison.Ordinal);
    }

    [Fact]
    public void A_backbone_with_attention_in_both_directions_is_no_decoder_and_cannot_generate()
    {
        using Checkpoint checkpoint = Checkpoint.Open(Repository.Fixture("qwen3-bidirectional"));
        Backbone backbone = Backbone.Create(checkpoint);
        Assert.False(backbone.IsCausal);
        Assert.Null(backbone.LanguageHead);
    }

    [Fact]
    public void Divisors_of_rotary_frequencies_in_a_gguf_file_give_the_states_of_llama3_scaling()
    {
        float[] expected = States("llama3-rope");
        float[] scaled = States("llama3-rope", _folder.Write("scaled.gguf", Llama3AsGguf(withDivisors: true)));
        float[] plain = States("llama3-rope", _folder.Write("plain.gguf", Llama3AsGguf(withDivisors: false)));
        Vectors.AssertClose(expected, scaled, 2e-4f, "with divisors");
        Assert.True(Differences(expected, plain).Max() > 1, "the divisors do nothing");
    }

    [Fact]
    public void A_window_as_long_as_every_text_changes_nothing()
    {
        Vectors.AssertClose(States("qwen2"), States("qwen2", Changed("qwen2", WithWindow(28, 0))), 1e-4f, "window of 28");
    }

    [Fact]
    public void A_window_begins_to_matter_in_the_first_block_that_has_it()
    {
        const int HiddenSize = 48, Depths = 4;
        float[] differences = Differences(States("qwen2"), States("qwen2", Changed("qwen2", WithWindow(4, 1)))); // [N,D,H]
        float[] largest = [.. Enumerable.Range(0, Depths).Select(depth => differences.Where((_, i) => i / HiddenSize % Depths == depth).Max())];
        Assert.InRange(largest[1], 0, 1e-4f);
        Assert.Equal([false, false, true, true], largest.Select(difference => difference > 0.1f));
    }

    [Fact]
    public void Layer_types_and_max_window_layers_say_the_same()
    {
        JsonArray types = ["full_attention", "sliding_attention", "sliding_attention"];
        string byTypes = Changed("qwen2", config =>
        {
            WithWindow(4, 0)(config);
            config["layer_types"] = types;
        });
        Assert.Equal(States("qwen2", Changed("qwen2", WithWindow(4, 1))), States("qwen2", byTypes));
    }

    private static Action<JsonObject> WithWindow(int window, int firstBlock) => config =>
    {
        config["use_sliding_window"] = true;
        config["sliding_window"] = window;
        config["max_window_layers"] = firstBlock;
        config.Remove("layer_types");
    };

    /// <summary>A copy of a fixture whose tensors have other names.</summary>
    private string Renamed(string fixture, Func<string, string> rename)
    {
        string folder = _folder.CopyFixture(fixture, $"{fixture}-{Guid.NewGuid():N}");
        string path = Path.Combine(folder, "model.safetensors");
        using SafetensorsFile file = SafetensorsFile.Open(Repository.Fixture(fixture, "model.safetensors"));
        Assert.Contains(file.Tensors.Keys, name => rename(name) != name);
        Write(path, [.. file.Tensors.Values.Select(tensor => Stored(rename(tensor.Name), tensor))]);
        return folder;
    }

    private static StoredTensor Stored(string name, SafetensorsTensor tensor) =>
        new(name, tensor.DType, [.. tensor.Shape], tensor.Span<byte>().ToArray());

    private static void Write(string path, StoredTensor[] tensors)
    {
        JsonObject header = [];
        using MemoryStream data = new();
        foreach ((string name, string type, long[] shape, byte[] bytes) in tensors)
        {
            header[name] = new JsonObject
            {
                ["dtype"] = type,
                ["shape"] = new JsonArray([.. shape.Select(size => (JsonNode)size)]),
                ["data_offsets"] = new JsonArray(data.Position, data.Position + bytes.Length),
            };
            data.Write(bytes);
        }
        byte[] json = System.Text.Encoding.UTF8.GetBytes(header.ToJsonString());
        File.WriteAllBytes(path, [.. BitConverter.GetBytes((ulong)json.Length), .. json, .. data.ToArray()]);
    }

    private string Changed(string fixture, Action<JsonObject> edit)
    {
        string folder = _folder.CopyFixture(fixture, $"{fixture}-{Guid.NewGuid():N}");
        TemporaryFolder.EditJson(Path.Combine(folder, "config.json"), edit);
        return folder;
    }

    /// <summary>[N,D,H]: the means of a fixture's golden texts at every depth, by the fixture itself or by another checkpoint.</summary>
    private static float[] States(string fixture, string? path = null)
    {
        using Checkpoint checkpoint = Checkpoint.Open(path ?? Repository.Fixture(fixture));
        Backbone backbone = Backbone.Create(checkpoint);
        using Golden golden = Golden.OfFixture(fixture);
        View[] views = [.. Enumerable.Range(0, backbone.BlockCount + 1).Select(depth => new View(depth, Pooling.Mean))];
        using WeightStore store = new();
        Layers layers = new(new Float32Lowering(checkpoint, store));
        using EncoderSession session =
            new(backbone, layers, new BlockRange(0, backbone.BlockCount), views, golden.MaxTokens, padTo: null, threads: 1);
        float[] states = new float[golden.Ids.Length * views.Length * backbone.HiddenSize];
        session.Run(golden.Ids, states);
        return states;
    }

    /// <summary>For each text the states of its first and its last token after the first block, side by side.</summary>
    private static float[][] DepthOne(Checkpoint checkpoint, int[][] texts)
    {
        Backbone backbone = Backbone.Create(checkpoint);
        using WeightStore store = new();
        Layers layers = new(new Float32Lowering(checkpoint, store));
        View[] views = [new(1, Pooling.First), new(1, Pooling.Last)];
        using EncoderSession session = new(backbone, layers, new BlockRange(0, 1), views, texts[0].Length, padTo: null, threads: 1);
        float[] states = new float[texts.Length * views.Length * backbone.HiddenSize];
        session.Run(texts, states);
        return [.. states.Chunk(views.Length * backbone.HiddenSize)];
    }

    private static float[] Differences(float[] one, float[] other) => [.. one.Zip(other, (a, b) => MathF.Abs(a - b))];

    /// <summary>
    /// The fixture llama3-rope as a converter for llama.cpp writes it: interleaved rows of Q and K, and a divisor per frequency in place of the
    /// scaling.
    /// </summary>
    private static byte[] Llama3AsGguf(bool withDivisors)
    {
        const int Heads = 6, KeyValueHeads = 2, HeadSize = 8;
        using Checkpoint source = Checkpoint.Open(Repository.Fixture("llama3-rope"));
        GgufBuilder builder = new GgufBuilder().Text("general.architecture", "llama");
        (string Key, uint Value)[] sizes =
        [
            ("block_count", 3), ("context_length", 64), ("embedding_length", 48), ("feed_forward_length", 80),
            ("attention.head_count", Heads), ("attention.head_count_kv", KeyValueHeads),
        ];
        foreach ((string key, uint value) in sizes)
            builder.UInt32($"llama.{key}", value);
        builder.Float32("llama.attention.layer_norm_rms_epsilon", 1e-5f).Float32("llama.rope.freq_base", 500000);
        foreach (Weight weight in source.Weights.Values)
        {
            float[] values = new float[weight.ElementCount];
            weight.CopyTo(values);
            if (weight.Name.Contains("q_proj", StringComparison.Ordinal) || weight.Name.Contains("k_proj", StringComparison.Ordinal))
                values = Interleave(values, HeadSize, weight.RowLength);
            builder.Float32Tensor(GgufName(weight.Name), values, [.. weight.Shape.Reverse()]);
        }
        if (withDivisors) builder.Float32Tensor("rope_freqs.weight", Llama3Divisors(HeadSize), HeadSize / 2);
        return builder.Build();
    }

    private static string GgufName(string name) => name switch
    {
        "model.embed_tokens.weight" => "token_embd.weight",
        "model.norm.weight" => "output_norm.weight",
        "lm_head.weight" => "output.weight",
        _ => name.Replace("model.layers", "blk", StringComparison.Ordinal)
            .Replace("input_layernorm", "attn_norm", StringComparison.Ordinal)
            .Replace("post_attention_layernorm", "ffn_norm", StringComparison.Ordinal)
            .Replace("self_attn.o_proj", "attn_output", StringComparison.Ordinal).Replace("self_attn.", "attn_", StringComparison.Ordinal)
            .Replace("mlp.", "ffn_", StringComparison.Ordinal).Replace("_proj", "", StringComparison.Ordinal),
    };

    /// <summary>Row i of a head's first half and row i of its second become neighbours.</summary>
    private static float[] Interleave(float[] rows, int headSize, int rowLength)
    {
        float[][] halves = [.. rows.Chunk(rowLength)];
        return [.. Enumerable.Range(0, halves.Length).SelectMany(row =>
        {
            int head = row / headSize, within = row % headSize;
            return halves[head * headSize + within % 2 * (headSize / 2) + within / 2];
        })];
    }

    /// <summary>The formula of llama.cpp's converter for factor 8, low 1, high 4 and an original length of 16.</summary>
    private static float[] Llama3Divisors(int headSize) => [.. Enumerable.Range(0, headSize / 2).Select(i =>
    {
        double wavelength = 2 * Math.PI * Math.Pow(500000, 2.0 * i / headSize);
        if (wavelength < 16 / 4.0) return 1f;
        if (wavelength > 16 / 1.0) return 8f;
        double smooth = (16 / wavelength - 1) / (4 - 1);
        return (float)(1 / ((1 - smooth) / 8 + smooth));
    })];

    private sealed record StoredTensor(string Name, string Type, long[] Shape, byte[] Data);
}
