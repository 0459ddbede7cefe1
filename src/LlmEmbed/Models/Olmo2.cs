using LlmEmbed.Checkpoints;

namespace LlmEmbed.Models;

/// <summary>
/// OLMo 2 and 3: LLaMA with its norms behind attention and MLP instead of before them, and with norms over all queries and over all keys of a token.
/// OLMo 3 adds a window in three of four blocks, where positions are never scaled. Hugging Face: modeling_olmo2.py, modeling_olmo3.py.
/// </summary>
internal sealed class Olmo2(Checkpoint checkpoint) : Llama(checkpoint, ReadConfig(checkpoint.Config))
{
    protected override ResidualBlock LayersOf(int block)
    {
        ResidualBlock layers = base.LayersOf(block);
        return layers with
        {
            AttentionInputNorm = null,
            AttentionOutputNorm = Norm($"{NameOf(block)}.post_attention_layernorm"),
            MlpInputNorm = null,
            MlpOutputNorm = Norm($"{NameOf(block)}.post_feedforward_layernorm"),
            QueryNorm = Norm($"{NameOf(block)}.self_attn.q_norm", layers.Query.Outputs),
            KeyNorm = Norm($"{NameOf(block)}.self_attn.k_norm", layers.Key.Outputs),
        };
    }

    private static LlamaConfig ReadConfig(ModelConfig config)
    {
        LlamaDefaults defaults = new() { Epsilon = 1e-5 };
        if (config.ModelType == "olmo3") defaults = defaults with { Window = 4096, WindowRope = ("rope_theta", defaults.RopeBase) };
        return LlamaConfig.Read(config, defaults) with { WindowedBlocks = block => (block + 1) % 4 != 0 };
    }
}
