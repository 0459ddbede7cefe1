using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// ELECTRA: BERT's blocks over embeddings that may be narrower than hidden states and are then widened by a linear layer. It has no pooler.
/// Hugging Face: modeling_electra.py.
/// </summary>
internal sealed class Electra : PostNormEncoder
{
    private readonly int _embeddingSize;
    private readonly int _tokenTypes;
    private readonly Activation _activation;

    public Electra(Checkpoint checkpoint)
        : base(checkpoint, ReadShape(checkpoint.Config))
    {
        ModelConfig config = checkpoint.Config;
        _embeddingSize = config.Size("embedding_size", 128);
        _tokenTypes = config.Size("type_vocab_size", 2);
        _activation = Activations.Read(config, "hidden_act", "gelu");
    }

    public override int EmbeddingSize => _embeddingSize;

    protected override int TokenTypes => _tokenTypes;

    protected override LayerNormLayer EmbeddingNorm => Norm($"{Prefix}embeddings.LayerNorm", EmbeddingSize);

    protected override LinearLayer? EmbeddingProjection =>
        EmbeddingSize == HiddenSize ? null : new LinearLayer($"{Prefix}embeddings_project", EmbeddingSize, HiddenSize, HasBias: true);

    protected override EncoderBlock LayersOf(int block) => BertBlock($"{Prefix}encoder.layer.{block}") with { Activation = _activation };

    private static EncoderShape ReadShape(ModelConfig config)
    {
        config.Require("position_embedding_type", "absolute");
        return ReadSizes(config, defaultPadId: 0);
    }
}
