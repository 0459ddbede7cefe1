using LlmEmbed.Checkpoints;

namespace LlmEmbed.Models;

/// <summary>
/// Granite 3: LLaMA with a factor on token embeddings, on scores, on what each block adds to the residual sum, and on logits.
/// Hugging Face: modeling_granite.py.
/// </summary>
internal sealed class Granite(Checkpoint checkpoint) : Llama(checkpoint, ReadConfig(checkpoint.Config))
{
    private readonly float _residualFactor = (float)checkpoint.Config.Number("residual_multiplier", 1);

    protected override ResidualBlock LayersOf(int block)
    {
        ResidualBlock layers = base.LayersOf(block);
        return layers with
        {
            AttentionOutput = layers.AttentionOutput with { Factor = _residualFactor },
            MlpOutput = layers.MlpOutput with { Factor = _residualFactor },
        };
    }

    private static LlamaConfig ReadConfig(ModelConfig config) => LlamaConfig.Read(config, new LlamaDefaults()) with
    {
        Scale = (float)config.Number("attention_multiplier", 1),
        EmbeddingFactor = (float)config.Number("embedding_multiplier", 1),
        LogitFactor = (float)(1 / config.Number("logits_scaling", 1)),
    };
}
