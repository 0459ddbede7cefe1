using System.Text.Json.Nodes;
using LlmEmbed.Checkpoints;
using LlmEmbed.Models;
using Xunit;

namespace LlmEmbed.Tests.Models;

public sealed class LlamaConfigTests
{
    [Fact]
    public void What_a_configuration_leaves_out_has_hugging_faces_defaults()
    {
        LlamaConfig config = Read("llama");
        Assert.Equal((4, 8, 2048, 1e-6f, 10000.0, 0),
            (config.KeyValueHeads, config.HeadSize, config.MaxPositions, config.Epsilon, config.RopeBase, config.PadId));
        Assert.Equal((false, false, false, false), (config.QueryBias, config.OutputBias, config.MlpBias, config.QueryNorm));
        Assert.Null(config.Scaling);
        Assert.False(config.HasWindow(0));
    }

    [Fact]
    public void Qwen2_has_biases_on_queries_keys_and_values_alone_and_qwen3_norms()
    {
        LlamaConfig qwen2 = Read("qwen2");
        Assert.Equal((true, false, false), (qwen2.QueryBias, qwen2.OutputBias, qwen2.QueryNorm));
        LlamaConfig qwen3 = Read("qwen3", ("head_dim", 24));
        Assert.Equal((false, false, true, 24), (qwen3.QueryBias, qwen3.OutputBias, qwen3.QueryNorm, qwen3.HeadSize));
    }

    [Theory]
    [InlineData("null", 0)]
    [InlineData("-1", 0)]
    [InlineData("7", 7)]
    public void A_padding_token_that_is_none_is_the_first_token(string json, int expected) =>
        Assert.Equal(expected, Read("llama", ("pad_token_id", JsonNode.Parse(json))).PadId);

    [Fact]
    public void Mistrals_window_is_4096_unless_the_configuration_says_another_or_none()
    {
        Assert.Equal(4096, Read("mistral").Window);
        Assert.Equal(7, Read("mistral", ("sliding_window", 7)).Window);
        Assert.Null(Read("mistral", ("sliding_window", null)).Window);
        Assert.All(Enumerable.Range(0, 3), block => Assert.True(Read("mistral").HasWindow(block)));
    }

    [Fact]
    public void Qwens_window_is_off_unless_it_is_switched_on()
    {
        Assert.Null(Read("qwen2", ("sliding_window", 7)).Window);
        Assert.Null(Read("qwen2", ("sliding_window", 7), ("use_sliding_window", false)).Window);
        Assert.Equal(7, Read("qwen2", ("sliding_window", 7), ("use_sliding_window", true)).Window);
        Assert.Equal(4096, Read("qwen2", ("use_sliding_window", true)).Window);
    }

    [Fact]
    public void Qwens_first_blocks_have_no_window()
    {
        LlamaConfig config = Read("qwen2", ("use_sliding_window", true), ("max_window_layers", 2));
        Assert.Equal([false, false, true], Enumerable.Range(0, 3).Select(config.HasWindow));
        LlamaConfig unsaid = Read("qwen2", ("use_sliding_window", true), ("num_hidden_layers", 30));
        Assert.Equal((false, true), (unsaid.HasWindow(27), unsaid.HasWindow(28)));
    }

    /// <summary>Transformers' mask is |i − j| ≤ sliding_window then, and i − j &lt; sliding_window in a decoder.</summary>
    [Fact]
    public void In_both_directions_the_window_reaches_one_token_further()
    {
        Assert.Equal(7, Read("mistral", ("sliding_window", 7)).WindowOf(0));
        Assert.Equal(8, Read("mistral", ("sliding_window", 7), ("is_causal", false)).WindowOf(0));
        Assert.Equal(0, Read("llama", ("is_causal", false)).WindowOf(0));
    }

    [Fact]
    public void Layer_types_name_the_blocks_that_have_a_window()
    {
        JsonArray types = ["full_attention", "sliding_attention", "full_attention"];
        LlamaConfig config = Read("qwen3", ("head_dim", 16), ("use_sliding_window", true), ("layer_types", types));
        Assert.Equal([false, true, false], Enumerable.Range(0, 3).Select(config.HasWindow));
    }

    [Fact]
    public void Both_styles_of_rotary_settings_are_read()
    {
        (string, JsonNode?) old = ("rope_scaling", JsonNode.Parse("""{"type":"linear","factor":4}"""));
        LlamaConfig oldStyle = Read("llama", ("rope_theta", 5e5), old);
        LlamaConfig newStyle = Read("llama", ("rope_parameters", JsonNode.Parse("""{"rope_type":"linear","factor":4.0,"rope_theta":500000.0}""")));
        Assert.Equal((5e5, new RopeScaling(4, 0, 0, 0, IsLinear: true)), (oldStyle.RopeBase, oldStyle.Scaling));
        Assert.Equal((oldStyle.RopeBase, oldStyle.Scaling), (newStyle.RopeBase, newStyle.Scaling));
        Assert.Null(Read("llama", ("rope_parameters", JsonNode.Parse("""{"rope_type":"default","rope_theta":7.0}"""))).Scaling);
    }

    [Fact]
    public void Linear_scaling_divides_every_frequency() => Assert.Equal(0.25, new RopeScaling(4, 0, 0, 0, IsLinear: true).Apply(1));

    [Fact]
    public void Llama3_scaling_keeps_short_waves_stretches_long_ones_and_blends_between()
    {
        RopeScaling scaling = new(8, 1, 4, 100, IsLinear: false);
        double Frequency(double wavelength) => 2 * Math.PI / wavelength;
        Assert.Equal(Frequency(24), scaling.Apply(Frequency(24)));
        Assert.Equal(Frequency(101) / 8, scaling.Apply(Frequency(101)));
        double between = scaling.Apply(Frequency(50)); // 100/50 lies a third of the way from 1 to 4
        Assert.Equal(Frequency(50) * (2 / 3.0 / 8 + 1 / 3.0), between, 1e-12);
    }

    public static TheoryData<string, string, string, string> Refusals => new()
    {
        { "llama", "hidden_act", "\"gelu\"", "'hidden_act' is \"gelu\", expected silu" },
        { "llama", "num_key_value_heads", "3", "'num_attention_heads' is 4, expected a multiple of 'num_key_value_heads', which is 3" },
        { "llama", "num_attention_heads", "0", "'num_attention_heads' is 0, expected at least 1" },
        { "llama", "head_dim", "7", "heads have 7 channels (head_dim), expected an even number" },
        { "llama", "num_attention_heads", "64", "'head_dim' is 0, expected at least 1" },
        { "llama", "rope_scaling", """{"rope_type":"yarn","factor":4}""", "'rope_scaling.rope_type' is \"yarn\"" },
        { "llama", "rope_scaling", """{"type":"dynamic","factor":4}""", "'rope_scaling.type' is \"dynamic\"" },
        { "llama", "rope_scaling", """{"type":"linear"}""", "'rope_scaling.factor' is missing" },
        { "llama", "rope_scaling", """{"type":"linear","factor":4,"attention_factor":2}""", "'rope_scaling.attention_factor' (2) is not known" },
        { "llama", "rope_scaling", "3", "'rope_scaling' is 3, expected an object" },
        { "llama", "rope_parameters", """{"rope_type":"llama3","factor":8,"low_freq_factor":1}""", "'rope_parameters.high_freq_factor' is missing" },
        { "qwen3", "is_causal", "\"no\"", "'is_causal' is \"no\", expected true or false" },
        { "qwen3", "is_causal", "null", "'is_causal' is null, expected true or false" },
        { "llama", "rope_scaling", """{"type":"linear","factor":4,"partial_rotary_factor":0.5}""",
            "'rope_scaling.partial_rotary_factor' is 0.5, expected 1" },
        { "qwen3", "rope_parameters", """{"full_attention":{"rope_theta":1e6},"sliding_attention":{"rope_theta":1e4}}""",
            "'rope_parameters.full_attention' is {\"rope_theta\":1e6}, expected {} (nothing else is implemented for model_type 'qwen3')" },
        { "llama", "text_config", """{"hidden_size":8}""", "'text_config' is {\"hidden_size\":8}, expected {}" },
        { "llama", "use_sliding_window", "true", "'use_sliding_window' is true, expected false" },
        { "mistral", "sliding_window", "0", "'sliding_window' is 0, expected at least 1" },
        { "mistral", "layer_types", """["full_attention"]""", "'layer_types' must name full_attention or" },
        { "mistral", "layer_types", """["full_attention","sliding_attention","linear_attention"]""", "'layer_types' must name full_attention or" },
        { "qwen2", "layer_types", """["full_attention","sliding_attention","full_attention"]""",
            "'layer_types' must name full_attention or, where there is a window," },
        { "llama", "vocab_size", "-5", "'vocab_size' is -5, expected at least 1" },
        { "llama", "rms_norm_eps", "\"small\"", "'rms_norm_eps' is \"small\", expected a number" },
    };

    [Theory]
    [MemberData(nameof(Refusals))]
    public void A_setting_that_is_not_implemented_or_cannot_be_is_refused_by_name(string modelType, string key, string json, string expected)
    {
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => Read(modelType, (key, JsonNode.Parse(json))));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.StartsWith("config.json", error.FilePath, StringComparison.Ordinal);
    }

    [Fact]
    public void A_number_of_blocks_that_no_file_can_hold_costs_no_memory()
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Equal(int.MaxValue, Read("qwen2", ("num_hidden_layers", int.MaxValue)).BlockCount);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    private static LlamaConfig Read(string modelType, params (string Key, JsonNode? Value)[] changes)
    {
        JsonObject json = new()
        {
            ["model_type"] = modelType,
            ["hidden_size"] = 32,
            ["intermediate_size"] = 64,
            ["num_hidden_layers"] = 3,
            ["num_attention_heads"] = 4,
            ["vocab_size"] = 100,
        };
        foreach ((string key, JsonNode? value) in changes) json[key] = value?.DeepClone();
        // Written and parsed again, as a file is.
        ModelConfig config = new("config.json", JsonNode.Parse(json.ToJsonString())!.AsObject());
        LlamaConfig read = LlamaConfig.Read(config);
        config.RefuseUnread([]);
        return read;
    }
}
