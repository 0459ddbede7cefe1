using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>The names that Hugging Face gives to the functions between the linear layers of an MLP.</summary>
internal static class Activations
{
    private static readonly (string Name, Activation Function)[] Table =
    [
        ("gelu", Activation.Gelu),
        ("gelu_new", Activation.TanhGelu),
        ("gelu_fast", Activation.TanhGelu),
        ("gelu_pytorch_tanh", Activation.TanhGelu),
        ("relu", Activation.Relu),
        ("silu", Activation.Silu),
    ];

    /// <summary>The function that a configuration names.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="key">Its key.</param>
    /// <param name="fallback">The name if the key is absent.</param>
    /// <exception cref="LlmEmbedException">The name is none of those that are implemented.</exception>
    public static Activation Read(ModelConfig config, string key, string fallback)
    {
        config.Require(key, [.. Table.Select(row => row.Name)]);
        return Of(config.Text(key, fallback));
    }

    /// <summary>The function of a name in the table.</summary>
    public static Activation Of(string name) => Array.Find(Table, row => row.Name == name).Function;
}
