using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>DistilBERT: BERT's blocks under other names, without token types and pooler. Hugging Face: modeling_distilbert.py.</summary>
internal sealed class DistilBert(Checkpoint checkpoint) : PostNormEncoder(checkpoint, ReadShape(checkpoint.Config))
{
    /// <summary>Fixed in the reference implementation; the configuration has no key for it.</summary>
    private const float Epsilon = 1e-12f;

    protected override LayerNormLayer EmbeddingNorm => Norm($"{Prefix}embeddings.LayerNorm");

    protected override EncoderBlock LayersOf(int block)
    {
        string name = $"{Prefix}transformer.layer.{block}";
        return new EncoderBlock(
            Query: Square($"{name}.attention.q_lin"),
            Key: Square($"{name}.attention.k_lin"),
            Value: Square($"{name}.attention.v_lin"),
            AttentionOutput: Square($"{name}.attention.out_lin"),
            AttentionNorm: Norm($"{name}.sa_layer_norm"),
            MlpInput: ToInner($"{name}.ffn.lin1"),
            MlpOutput: FromInner($"{name}.ffn.lin2"),
            MlpNorm: Norm($"{name}.output_layer_norm"));
    }

    private static EncoderShape ReadShape(ModelConfig config)
    {
        config.Require("activation", "gelu");
        RequireEncoder(config);
        // Sinusoidal positions are stored in the checkpoint like learned ones, so either value reads the same table.
        config.Flag("sinusoidal_pos_embds", false);
        config.RequireMultiple("dim", "n_heads");
        return new EncoderShape(
            config.Size("vocab_size"),
            config.Size("dim"),
            config.Size("hidden_dim"),
            config.Size("n_layers"),
            config.Size("n_heads"),
            config.Size("max_position_embeddings", 512),
            Epsilon,
            config.Int("pad_token_id", 0)).Checked(config.Source);
    }
}
