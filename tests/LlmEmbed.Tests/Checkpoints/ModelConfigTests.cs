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
        LlmEmbedException error = Assert.Throws<LlmEmbedException>(config.RefuseUnread);
        Assert.Contains("'logit_softcap' (30.0)", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Unread_keys_that_are_switched_off_pass()
    {
        Config("""{"model_type":"llama","a":null,"b":false,"c":[],"d":{}}""").RefuseUnread();
    }

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

    private static ModelConfig Config(string json) => new("config.json", JsonNode.Parse(json)!.AsObject());
}
