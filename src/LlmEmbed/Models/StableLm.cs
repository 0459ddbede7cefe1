using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// StableLM: LLaMA with layer norms, and with rotary positions in a part of each head. Attention and MLP side by side, and norms on queries and keys,
/// which its largest model has, are not implemented. Hugging Face: modeling_stablelm.py.
/// </summary>
internal sealed class StableLm(Checkpoint checkpoint) : Llama(checkpoint, ReadConfig(checkpoint.Config))
{
    protected override NormLayer FinalNorm => LayerNorm($"{Prefix}norm");

    protected override ResidualBlock LayersOf(int block) => base.LayersOf(block) with
    {
        AttentionInputNorm = LayerNorm($"{NameOf(block)}.input_layernorm"),
        MlpInputNorm = LayerNorm($"{NameOf(block)}.post_attention_layernorm"),
    };

    private static LlamaConfig ReadConfig(ModelConfig config)
    {
        config.Require("use_parallel_residual", "false");
        config.Require("qk_layernorm", "false");
        return LlamaConfig.Read(config, new LlamaDefaults { MaxPositions = 4096, RotaryShare = 0.25 }) with
        {
            QueryBias = config.Flag("use_qkv_bias", false),
            Epsilon = (float)config.Number("layer_norm_eps", 1e-5),
        };
    }

    private LayerNormLayer LayerNorm(string name) => new($"{name}.weight", $"{name}.bias", HiddenSize, Config.Epsilon);
}
