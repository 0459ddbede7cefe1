using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// Phi-3 and Phi-4-mini: LLaMA with queries, keys and values in one tensor and gate and up in another. A part of each head may be turned by rotary
/// positions, and their scaling may be longrope, which is implemented up to the original length. Hugging Face: modeling_phi3.py.
/// </summary>
internal sealed class Phi3(Checkpoint checkpoint) : Llama(checkpoint, ReadConfig(checkpoint.Config))
{
    protected override ResidualBlock LayersOf(int block)
    {
        ResidualBlock apart = base.LayersOf(block);
        LinearLayer[] attention = LinearLayer.StoredIn(
            $"{NameOf(block)}.self_attn.qkv_proj",
            HiddenSize,
            apart.Query.HasBias,
            ("query", apart.Query.Outputs),
            ("key", apart.Key.Outputs),
            ("value", apart.Value.Outputs));
        LinearLayer[] mlp = LinearLayer.StoredIn(
            $"{NameOf(block)}.mlp.gate_up_proj", HiddenSize, apart.Gate.HasBias, ("gate", apart.Gate.Outputs), ("up", apart.Gate.Outputs));
        return apart with { Query = attention[0], Key = attention[1], Value = attention[2], Gate = mlp[0], Up = mlp[1] };
    }

    private static LlamaConfig ReadConfig(ModelConfig config)
    {
        _ = config.Has("original_max_position_embeddings"); // means nothing without longrope
        return LlamaConfig.Read(config, new LlamaDefaults { MaxPositions = 4096, Epsilon = 1e-5, RotaryShare = 1 });
    }
}
