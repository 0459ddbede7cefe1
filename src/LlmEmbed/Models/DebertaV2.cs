using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// DeBERTa v2 and v3: BERT's blocks with scores between what tokens say and how far they are apart, in place of positions
/// (<see cref="DisentangledAttention"/>). The layer over neighbours that some models of version 2 have is not implemented.
/// Hugging Face: modeling_deberta_v2.py.
/// </summary>
internal sealed class DebertaV2 : PostNormEncoder
{
    private readonly RelativePositions _relative;
    private readonly bool _hasPositionTable;
    private readonly bool _normsRelative;
    private readonly int _tokenTypes;
    private readonly Activation _activation;

    public DebertaV2(Checkpoint checkpoint)
        : base(checkpoint, ReadShape(checkpoint.Config))
    {
        ModelConfig config = checkpoint.Config;
        _relative = RelativePositions.Read(config);
        _hasPositionTable = config.Flag("position_biased_input", true);
        config.Require("norm_rel_ebd", "none", "layer_norm");
        _normsRelative = config.Text("norm_rel_ebd", "none") == "layer_norm";
        _tokenTypes = config.Int("type_vocab_size", 0);
        _activation = Activations.Read(config, "hidden_act", "gelu");
    }

    protected override bool HasPositionTable => _hasPositionTable;

    protected override int TokenTypes => _tokenTypes;

    protected override LayerNormLayer EmbeddingNorm => Norm($"{Prefix}embeddings.LayerNorm");

    protected override EncoderBlock LayersOf(int block)
    {
        string name = $"{Prefix}encoder.layer.{block}";
        return BertBlock(name) with
        {
            Query = Square($"{name}.attention.self.query_proj"),
            Key = Square($"{name}.attention.self.key_proj"),
            Value = Square($"{name}.attention.self.value_proj"),
            Activation = _activation,
        };
    }

    protected override string Attend(Layers layers, EncoderBlock block, string[] queryKeyValue, EncoderPositions positions)
    {
        LayerNormLayer? norm = _normsRelative ? Norm($"{Prefix}encoder.LayerNorm") : null;
        RelativeTable table = new(Checkpoint, $"{Prefix}encoder.rel_embeddings.weight", norm, _relative);
        DisentangledAttention attention = new(layers, table, Checkpoint.Config.Size("num_attention_heads"), positions.Positions);
        return attention.Attend(queryKeyValue, block.Query, block.Key, positions.Lengths);
    }

    private static EncoderShape ReadShape(ModelConfig config)
    {
        EncoderShape shape = ReadSizes(config, defaultPadId: 0) with { Epsilon = (float)config.Number("layer_norm_eps", 1e-7) };
        config.Require("conv_kernel_size", "0");
        _ = config.Has("legacy"); // a choice between heads of the language model
        config.Require("embedding_size", $"{shape.HiddenSize}");
        config.Require("attention_head_size", $"{shape.HeadSize}");
        return shape;
    }
}
