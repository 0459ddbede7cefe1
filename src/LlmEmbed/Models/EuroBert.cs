using LlmEmbed.Checkpoints;

namespace LlmEmbed.Models;

/// <summary>EuroBERT: an encoder with LLaMA's blocks. Hugging Face: modeling_eurobert.py.</summary>
internal sealed class EuroBert(Checkpoint checkpoint) : Llama(checkpoint, ReadConfig(checkpoint.Config))
{
    private static LlamaConfig ReadConfig(ModelConfig config)
    {
        config.Require("is_causal", "false");
        config.Require("use_bidirectional_attention", "true");
        return LlamaConfig.Read(config, new LlamaDefaults { MaxPositions = 8192, Epsilon = 1e-5 }) with { IsCausal = false };
    }
}
