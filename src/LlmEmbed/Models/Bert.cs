using LlmEmbed.Checkpoints;
using LlmEmbed.Engine;

namespace LlmEmbed.Models;

/// <summary>
/// BERT, RoBERTa and XLM-RoBERTa. The latter two count positions from pad id + 1 and do not count padding tokens.
/// Hugging Face: modeling_bert.py, modeling_roberta.py, modeling_xlm_roberta.py.
/// </summary>
internal sealed class Bert : PostNormEncoder
{
    private readonly bool _isRoberta;
    private readonly int _tokenTypes;

    public Bert(Checkpoint checkpoint)
        : base(checkpoint, ReadShape(checkpoint.Config))
    {
        _isRoberta = checkpoint.Config.ModelType != "bert";
        _tokenTypes = checkpoint.Config.Size("type_vocab_size", 2);
        Prefix = FindPrefix(checkpoint, "bert.", "roberta.", "");
    }

    public override bool HasPooler => Checkpoint.Weights.ContainsKey($"{Prefix}pooler.dense.weight");

    protected override string Prefix { get; }

    protected override int TokenTypes => _tokenTypes;

    protected override int FirstPosition => _isRoberta ? PadId + 1 : 0;

    protected override LayerNormWeights EmbeddingNorm => Norm($"{Prefix}embeddings.LayerNorm");

    public override string Pool(OnnxGraph graph, string firstToken)
    {
        // One row per text: nothing to gain from another precision.
        Float32Layers layers = new(Checkpoint, graph);
        return graph.Node("Tanh", layers.Project(new Rows(firstToken), new ProjectionGroup(HiddenSize, new Projection($"{Prefix}pooler.dense", HiddenSize, HasBias: true))));
    }

    protected override EncoderBlockNames Block(int index)
    {
        string block = $"{Prefix}encoder.layer.{index}";
        return new EncoderBlockNames(
            Query: $"{block}.attention.self.query",
            Key: $"{block}.attention.self.key",
            Value: $"{block}.attention.self.value",
            AttentionOutput: $"{block}.attention.output.dense",
            AttentionNorm: Norm($"{block}.attention.output.LayerNorm"),
            MlpInput: $"{block}.intermediate.dense",
            MlpOutput: $"{block}.output.dense",
            MlpNorm: Norm($"{block}.output.LayerNorm"));
    }

    protected override int PositionOf(int id, ref int next) => _isRoberta && id == PadId ? PadId : next++;

    private static EncoderShape ReadShape(ModelConfig config)
    {
        config.Require("hidden_act", "gelu");
        config.Require("position_embedding_type", "absolute");
        config.Require("is_decoder", "false");
        config.Require("add_cross_attention", "false");
        config.RequireMultiple("hidden_size", "num_attention_heads");
        return new EncoderShape(
            config.Size("vocab_size"),
            config.Size("hidden_size"),
            config.Size("intermediate_size"),
            config.Size("num_hidden_layers"),
            config.Size("num_attention_heads"),
            config.Size("max_position_embeddings"),
            (float)config.Number("layer_norm_eps", 1e-12),
            config.Int("pad_token_id", config.ModelType == "bert" ? 0 : 1)).Checked(config.Source);
    }
}
