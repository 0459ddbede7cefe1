using System.Text.Json.Nodes;
using LlmEmbed.Checkpoints;
using Xunit;

namespace LlmEmbed.Tests.Checkpoints;

public sealed class ModelConfigTests
{
    [Fact]
    public void An_unread_key_that_may_change_the_mathematics_is_refused_by_name()
    {
        ModelConfig config = Config("""{"model_type":"llama","vocab_size":10,"logit_softcap":30.0}""");
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => config.RefuseUnread([]));
        Assert.Contains("'logit_softcap' (30.0)", error.Message, StringComparison.Ordinal);
        Assert.Contains("--accept-config-keys logit_softcap", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("new_attention", "true")]
    [InlineData("new_attention", "false")] // nobody knows whether it is on by default
    [InlineData("ropeBase", "5")]
    [InlineData("rope2d", "1")]
    [InlineData("qkNorm", "1")]
    [InlineData("MoE-experts", "8")]
    [InlineData("n_layer", "0")]
    public void An_unknown_key_whose_name_speaks_of_the_mathematics_is_refused_whatever_its_value(string key, string value) =>
        Refused($$"""{"model_type":"llama","{{key}}":{{value}}}""", $"the key '{key}' ({value}) is not known");

    [Fact]
    public void Values_that_give_nothing_to_compute_with_pass() =>
        Assert.Empty(Notes("""{"model_type":"llama","new_attention":null,"new_heads":[],"new_rope":{},"attn_dropout_rate":0.1}"""));

    [Fact]
    public void An_unknown_key_that_speaks_of_something_else_is_noted()
    {
        string note = Assert.Single(Notes("""{"model_type":"llama","activated":true,"scaleless":1,"my_note":"x","vocab_size":3}"""));
        Assert.Contains("'activated' (true), 'scaleless' (1), 'my_note' (\"x\")", note, StringComparison.Ordinal);
        Assert.StartsWith("config.json: ", note, StringComparison.Ordinal);
        Assert.DoesNotContain("vocab_size", note, StringComparison.Ordinal);
    }

    [Fact]
    public void A_key_that_the_user_accepts_is_passed_over_and_said()
    {
        ModelConfig config = Config("""{"model_type":"llama","new_attention":true,"rope_scaling":{"new_rope":1}}""");
        config.Section("rope_scaling");
        config.RefuseUnread(["new_attention", "rope_scaling.new_rope"]);
        Assert.Equal(["new_attention", "rope_scaling.new_rope"], config.AcceptedKeys);
        Assert.Contains("new_attention, rope_scaling.new_rope", Assert.Single(config.Notes), StringComparison.Ordinal);
        Assert.Throws<LlmEmbedException>(() => config.RefuseUnread(["new_attention"]));
    }

    [Theory]
    [InlineData("pruned_heads", """{"0":[1]}""", "{}")]
    [InlineData("is_encoder_decoder", "true", "false")]
    [InlineData("partial_rotary_factor", "0.5", "1")]
    [InlineData("quantization_config", """{"bits":4}""", "null")]
    [InlineData("adapters", """{"adapters":{"a":{"x":1}}}""", "{}")]
    [InlineData("directionality", "\"uni\"", "\"bidi\"")]
    public void A_known_key_that_asks_for_something_else_is_refused_and_cannot_be_accepted(string key, string value, string expected)
    {
        ModelConfig config = Config($$"""{"model_type":"bert","{{key}}":{{value}}}""");
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => config.RefuseUnread([key]));
        Assert.Contains($"'{key}' is {value}, expected {expected} (nothing else", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("pruned_heads", "{}")]
    [InlineData("is_encoder_decoder", "false")]
    [InlineData("partial_rotary_factor", "1.0")]
    [InlineData("quantization_config", "null")]
    [InlineData("adapters", """{"adapters":{},"config_map":{}}""")]
    [InlineData("directionality", "\"bidi\"")]
    public void A_known_key_with_its_default_passes(string key, string value) =>
        Assert.Empty(Notes($$"""{"model_type":"bert","{{key}}":{{value}}}"""));

    [Theory]
    [InlineData("BertModel", "bert")]
    [InlineData("BertForMaskedLM", "bert")]
    [InlineData("DistilBertForSequenceClassification", "distilbert")]
    [InlineData("RobertaModel", "roberta")]
    [InlineData("XLMRobertaModel", "xlm-roberta")]
    [InlineData("LlamaForCausalLM", "llama")]
    [InlineData("ModernBertForMaskedLM", "modernbert")]
    [InlineData("MPNetForMaskedLM", "mpnet")]
    [InlineData("AlbertForMaskedLM", "albert")]
    [InlineData("ElectraForPreTraining", "electra")]
    [InlineData("GPT2LMHeadModel", "gpt2")]
    [InlineData("GPTNeoXForCausalLM", "gpt_neox")]
    [InlineData("T5EncoderModel", "t5")]
    [InlineData("T5WithLMHeadModel", "t5")]
    [InlineData("DebertaV2ForMaskedLM", "deberta-v2")]
    [InlineData("NewModel", "new")]
    [InlineData("Gemma3TextModel", "gemma3_text")]
    [InlineData("Gemma3ForCausalLM", "gemma3_text")]
    [InlineData("MistralForCausalLM", "mistral")]
    [InlineData("Qwen2ForCausalLM", "qwen2")]
    [InlineData("Qwen3ForCausalLM", "qwen3")]
    public void A_file_without_model_type_has_that_of_its_class(string name, string expected) =>
        Assert.Equal(expected, Config($$"""{"architectures":["{{name}}"]}""").ModelType);

    [Theory]
    [InlineData("""{}""")]
    [InlineData("""{"architectures":[]}""")]
    [InlineData("""{"architectures":["Qwen2MoeForCausalLM"]}""")]
    [InlineData("""{"architectures":["RobertaPreLayerNormModel"]}""")]
    [InlineData("""{"architectures":["MobileBertModel"]}""")]
    public void A_file_that_names_neither_is_refused(string json)
    {
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(() => Config(json));
        Assert.Contains("neither 'model_type' nor a known class in 'architectures'", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_class_that_is_not_the_models_own_is_noted() => Assert.Contains(
        "'architectures' names LlamaBiModel, no class of transformers' llama; the plain llama is computed",
        Assert.Single(Notes("""{"model_type":"llama","architectures":["LlamaBiModel"]}""")),
        StringComparison.Ordinal);

    [Fact]
    public void A_value_of_the_wrong_kind_names_key_value_and_what_is_expected()
    {
        ModelConfig config = Config("""{"model_type":"llama","hidden_size":"big","layers":0,"act":"relu2"}""");
        Assert.Contains(
            "'hidden_size' is \"big\", expected a whole number",
            Assert.Throws<LlmEmbedException>(() => config.Size("hidden_size")).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "'layers' is 0, expected at least 1",
            Assert.Throws<LlmEmbedException>(() => config.Size("layers")).Message,
            StringComparison.Ordinal);
        Assert.Contains(
            "'act' is \"relu2\", expected silu",
            Assert.Throws<LlmEmbedException>(() => config.Require("act", "silu")).Message,
            StringComparison.Ordinal);
        Assert.Contains("'heads' is missing", Assert.Throws<LlmEmbedException>(() => config.Int("heads")).Message, StringComparison.Ordinal);
    }

    private static IReadOnlyList<string> Notes(string json)
    {
        ModelConfig config = Config(json);
        config.RefuseUnread([]);
        return config.Notes;
    }

    private static void Refused(string json, string expected) =>
        Assert.Contains(expected, Assert.Throws<LlmEmbedException>(() => Notes(json)).Message, StringComparison.Ordinal);

    private static ModelConfig Config(string json) => new("config.json", JsonNode.Parse(json)!.AsObject());
}
