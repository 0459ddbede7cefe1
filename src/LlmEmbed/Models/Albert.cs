using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// ALBERT: BERT's blocks over narrow embeddings that a linear layer widens. Blocks that follow each other form groups, and all blocks of a group have
/// the same weights. Hugging Face: modeling_albert.py.
/// </summary>
internal sealed class Albert : PostNormEncoder
{
    private readonly int _embeddingSize;
    private readonly int _tokenTypes;
    private readonly int _groups;
    private readonly Activation _activation;

    public Albert(Checkpoint checkpoint)
        : base(checkpoint, ReadShape(checkpoint.Config))
    {
        ModelConfig config = checkpoint.Config;
        _embeddingSize = config.Size("embedding_size", 128);
        _tokenTypes = config.Size("type_vocab_size", 2);
        _groups = config.Size("num_hidden_groups", 1);
        _activation = Activations.Read(config, "hidden_act", "gelu_new");
        if (_groups > BlockCount) throw config.Wrong("num_hidden_groups", $"is {_groups}, expected at most the {BlockCount} blocks.");
    }

    public override int EmbeddingSize => _embeddingSize;

    public override bool HasPooler => Checkpoint.Weights.ContainsKey($"{Prefix}pooler.weight");

    protected override int TokenTypes => _tokenTypes;

    protected override LayerNormLayer EmbeddingNorm => Norm($"{Prefix}embeddings.LayerNorm", EmbeddingSize);

    /// <summary>It is there even if embeddings are as wide as hidden states.</summary>
    protected override LinearLayer EmbeddingProjection =>
        new($"{Prefix}encoder.embedding_hidden_mapping_in", EmbeddingSize, HiddenSize, HasBias: true);

    public override string Pool(Layers layers, string firstToken) => Pool(layers, firstToken, $"{Prefix}pooler");

    /// <summary>
    /// Layers have a name for each block, though blocks share weights: what enters differs from block to block, and so do the scales of int8.
    /// </summary>
    protected override EncoderBlock LayersOf(int block)
    {
        string name = $"{Prefix}encoder.albert_layer_groups.{block * _groups / BlockCount}.albert_layers.0";
        LinearLayer OfBlock(LinearLayer shared) => shared.Named($"{shared.Name} in block {block}");
        return new EncoderBlock(
            Query: OfBlock(Square($"{name}.attention.query")),
            Key: OfBlock(Square($"{name}.attention.key")),
            Value: OfBlock(Square($"{name}.attention.value")),
            AttentionOutput: OfBlock(Square($"{name}.attention.dense")),
            AttentionNorm: Norm($"{name}.attention.LayerNorm"),
            MlpInput: OfBlock(ToInner($"{name}.ffn")),
            MlpOutput: OfBlock(FromInner($"{name}.ffn_output")),
            MlpNorm: Norm($"{name}.full_layer_layer_norm"))
        { Activation = _activation };
    }

    private static EncoderShape ReadShape(ModelConfig config)
    {
        config.Require("position_embedding_type", "absolute");
        config.Require("inner_group_num", "1");
        config.Require("net_structure_type", "0");
        config.Require("num_memory_blocks", "0");
        config.Require("gap_size", "0");
        config.Require("down_scale_factor", "1");
        return ReadSizes(config, defaultPadId: 0);
    }
}
